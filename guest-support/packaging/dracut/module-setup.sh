#!/bin/bash
# SPDX-License-Identifier: MIT
#
# In an initramfs of dracut's: the module, what it is told of the kernel, and what loads it (dracut.modules(7)). With
# INITRAMFS=no in /etc/secpod/initramfs.conf dracut omits the module (dracut.conf.d/50-secpod.conf), and here nothing is left to
# ask for it.

wanted()
{
	local INITRAMFS=yes
	# shellcheck disable=SC1091
	[ ! -r /etc/secpod/initramfs.conf ] || . /etc/secpod/initramfs.conf
	[ "$INITRAMFS" = yes ]
}

check()
{
	return 0
}

depends()
{
	return 0
}

install()
{
	local file
	# shellcheck disable=SC2154
	if ! wanted; then
		rm -f "${initdir:?}/usr/lib/modules-load.d/secpod.conf"
		return 0
	fi
	for file in "/lib/firmware/${kernel:?}"/secpod-*; do
		[ ! -e "$file" ] || inst_simple "$file"
	done
	# shellcheck disable=SC2154
	inst_hook pre-udev 01 "$moddir/secpod-load.sh"
}

# For any machine: this one may run without SecPod now.
installkernel()
{
	hostonly='' instmods secpod
}
