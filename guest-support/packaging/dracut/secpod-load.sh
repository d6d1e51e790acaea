#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Read by dracut's shell before udev starts: the module before all others, whose names SecPod then has. Without SecPod, or
# without the module, nothing happens, and nobody waits. On the kernel's command line modprobe.blacklist=secpod turns it off.

modprobe -q -b secpod 2>/dev/null || true
