# SPDX-License-Identifier: MIT
"""Runs one emulated machine and judges it by what it says on its serial line.

Used by run-bochs, run-qemu, run-kvm, system-tests and bench. A machine has a directory of its own,
build/run/NAME: a copy of the disk image, the emulator's settings, serial.txt and emulator.log.
"""

import argparse
import ctypes
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import tty

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BOCHS = ROOT + "/build/tools/bochs"
OVMF = "/usr/share/ovmf/OVMF.fd"
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
VGA_ROMS = ("/usr/share/bochs/VGABIOS-lgpl-latest", "/usr/share/vgabios/vgabios.bin")

# The monitor's end.
PANIC = r"secpod: [^\n]*\bpanic"
# A machine that said one of these has failed whatever else is expected.
ALWAYS_FORBIDDEN = (r"Kernel panic", r"\bBUG: ", r"Oops: ", r"GUEST: [^\n]* FAILED", PANIC)

# What is still read after a forbidden line, so that the log holds the dump that follows it.
LINGER_SECONDS = 5
POLL_SECONDS = 0.1
# An emulator that logs each of many events would fill the disk.
LOG_LIMIT = 512 << 20

CONTROL = re.compile(r"\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78])|[\x00-\x08\x0b-\x1f\x7f]")


class Missing(Exception):
    """The machine cannot be run here; the text says what is missing."""


def bochs_flavour():
    try:
        with open(BOCHS + "/flavour", encoding="ascii") as flavour:
            return flavour.read().strip()
    except OSError:
        raise Missing("no emulator in %s (run scripts/setup)" % BOCHS) from None


def bochs_command(args, directory, serial):
    """serial: (mode, path) of COM1."""
    flavour = bochs_flavour()
    if flavour != "corrected" and args.cpus > 1:
        raise Missing("the packaged emulator runs one CPU only")
    rom = next((path for path in VGA_ROMS if os.path.exists(path)), None)
    if not rom or not os.path.exists(OVMF):
        raise Missing("no VGA ROM or no OVMF (run scripts/setup)")
    display = "nogui" if flavour == "corrected" else 'rfb, options="timeout=0"'
    settings = [
        "display_library: " + display,
        "megs: %d" % args.megs,
        "romimage: file=%s, address=0x0, options=none" % OVMF,
        "vgaromimage: file=%s" % rom,
        # ignore_bad_msrs: the kernel's EFI stub reads IA32_MISC_ENABLE, which is not emulated.
        "cpu: model=%s, count=%d, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1"
        % (args.cpu, args.cpus),
        "ata0-master: type=disk, path=%s/disk.img, mode=flat" % directory,
    ] + (["ata0-slave: type=disk, path=%s/second.img, mode=flat" % directory] if args.second else []) + [
        "boot: disk",
        # Time is counted instructions: a run is repeatable.
        "clock: sync=none, time0=1700000000",
        "com1: enabled=1, mode=%s, dev=%s" % serial,
        "port_e9_hack: enabled=1",
        "log: %s/emulator.log" % directory,
        "panic: action=%s" % args.panic,
        "error: action=%s" % ("ignore" if args.quiet_log else "report"),
        "info: action=ignore",
        "debug: action=ignore",
    ]
    with open(directory + "/bochsrc", "w", encoding="ascii") as bochsrc:
        bochsrc.write("\n".join(settings) + "\n")
    return [BOCHS + "/bin/bochs", "-q", "-f", directory + "/bochsrc"]


def qemu_command(args, directory, serial, accelerator):
    """Variables live in args.vars, or in the machine's directory for this one run."""
    binary = shutil.which("qemu-system-x86_64")
    if not binary or not os.path.exists(OVMF_CODE):
        raise Missing("no qemu-system-x86_64 or no OVMF (run scripts/setup)")
    variables = os.path.realpath(args.vars) if args.vars else directory + "/vars.fd"
    if not os.path.exists(variables):
        shutil.copyfile(OVMF_VARS, variables)
    mode, path = serial
    chardev = "file,id=com1,path=%s" if mode == "file" else "serial,id=com1,path=%s"
    return [
        binary, "-nodefaults", "-display", "none", "-no-user-config",
        "-machine", "q35,accel=" + accelerator,
        "-cpu", "host" if accelerator == "kvm" else "max",
        "-smp", str(args.cpus), "-m", str(args.megs),
        "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + OVMF_CODE,
        "-drive", "if=pflash,format=raw,unit=1,file=" + variables,
        "-drive", "if=none,id=disk,format=raw,file=%s/disk.img" % directory,
        "-device", "virtio-blk-pci,drive=disk,bootindex=1",
        "-chardev", chardev % path, "-serial", "chardev:com1",
    ] + (["-no-reboot"] if args.no_reboot else []) + list(args.extra or [])


def kvm_missing():
    """None when this machine offers nested VT-x, else one line that says why not."""
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        text = cpuinfo.read()
    if "GenuineIntel" not in text:
        vendor = re.search(r"vendor_id\s*: (\S+)", text)
        return "this host's CPU is %s, and SecPod needs Intel VT-x" % (vendor.group(1) if vendor else "unknown")
    if not re.search(r"^flags\s*:.*\bvmx\b", text, re.MULTILINE):
        return "this host's CPU does not offer VT-x (no vmx flag): off in the firmware, or itself a guest without nesting"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is absent or not accessible to this user"
    try:
        with open("/sys/module/kvm_intel/parameters/nested", encoding="ascii") as nested:
            if nested.read().strip() not in ("1", "Y"):
                return "nested virtualization is off (modprobe kvm_intel nested=1)"
    except OSError:
        return "the kvm_intel module is not loaded"
    return None


def command_of(kind, args, directory, serial):
    if kind == "bochs":
        return bochs_command(args, directory, serial)
    if kind == "kvm":
        missing = kvm_missing()
        if missing:
            raise Missing(missing)
        return qemu_command(args, directory, serial, "kvm")
    return qemu_command(args, directory, serial, "tcg")


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Process:
    """The emulator, in a process group of its own that ends with us."""

    def __init__(self, command, directory):
        with open(directory + "/emulator.out", "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=directory,
                start_new_session=True, preexec_fn=die_with_parent)

    def ended(self):
        return self.process.poll() is not None

    def kill(self):
        if not self.ended():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Result:
    def __init__(self, ok, reason, seconds, text, directory):
        self.ok = ok
        self.reason = reason
        self.seconds = seconds
        self.text = text
        self.directory = directory


class Serial:
    """Follows serial.txt as it grows; shows it when asked to."""

    def __init__(self, path, live):
        self.path = path
        self.live = live
        self.offset = 0
        self.text = ""
        self.silent_since = time.monotonic()
        self.progress_shown = False

    def read(self):
        """True when something new came."""
        try:
            with open(self.path, "rb") as serial:
                serial.seek(self.offset)
                new = serial.read()
        except OSError:
            new = b""
        if not new:
            return False
        self.offset += len(new)
        clean = CONTROL.sub("", new.decode("ascii", "replace"))
        self.text += clean
        self.silent_since = time.monotonic()
        if self.live:
            self.clear_progress()
            sys.stdout.write(clean)
            sys.stdout.flush()
        return True

    def clear_progress(self):
        if self.progress_shown:
            sys.stdout.write("\r\x1b[K")
            self.progress_shown = False

    def show_progress(self, begin):
        silence = time.monotonic() - self.silent_since
        if self.live and sys.stdout.isatty() and silence > 2 and (not self.text or self.text[-1] == "\n"):
            what = "kernel running" if "Linux version" in self.text else "firmware running"
            sys.stdout.write("\r\x1b[K[%s, silent for %d s, %d s in all]"
                             % (what, silence, time.monotonic() - begin))
            sys.stdout.flush()
            self.progress_shown = True


def judge(text, expect, forbid):
    """(missing patterns, first forbidden pattern that occurs)."""
    missing = [pattern for pattern in expect if not re.search(pattern, text, re.MULTILINE)]
    found = next((pattern for pattern in forbid if re.search(pattern, text, re.MULTILINE)), None)
    return missing, found


def prepare(kind, args, serial_mode):
    directory = "%s/build/run/%s" % (ROOT, args.name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    # The firmware keeps its variables in a file on the disk: the image itself stays as it was built.
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", args.image, directory + "/disk.img"], check=True)
    if kind == "bochs" and args.second:
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", args.second, directory + "/second.img"], check=True)
    serial = (serial_mode[0], serial_mode[1] or directory + "/serial.txt")
    return directory, command_of(kind, args, directory, serial)


def run(kind, args):
    """Runs to the end, to the time limit, to a forbidden line or, with args.stop, to the last expected one."""
    directory, command = prepare(kind, args, ("file", None))
    forbid = list(args.forbid or []) + [p for p in ALWAYS_FORBIDDEN if p not in (args.allow or [])]
    expect = list(args.expect or [])
    begin = time.monotonic()
    serial = Serial(directory + "/serial.txt", args.live)
    process = Process(command, directory)
    reason = None
    linger_until = None
    try:
        while reason is None:
            ended = process.ended()
            if serial.read() and linger_until is None:
                missing, found = judge(serial.text, expect, forbid)
                if found:
                    linger_until = time.monotonic() + LINGER_SECONDS
                elif args.stop and expect and not missing:
                    reason = "stopped"
            now = time.monotonic()
            if ended:
                reason = "ended"
            elif linger_until is not None and now > linger_until:
                reason = "forbidden"
            elif now - begin > args.timeout:
                reason = "time limit of %d s" % args.timeout
            elif log_size(directory) > LOG_LIMIT:
                reason = "the emulator's log passed %d MiB" % (LOG_LIMIT >> 20)
            if reason is None:
                serial.show_progress(begin)
                time.sleep(POLL_SECONDS)
    finally:
        process.kill()
        serial.clear_progress()
        remove_disk(directory)
    serial.read()
    return verdict(reason, serial.text, expect, forbid, time.monotonic() - begin, directory)


def remove_disk(directory):
    """With the lock that Bochs puts beside it."""
    for name in ("disk.img", "disk.img.lock", "second.img", "second.img.lock"):
        try:
            os.unlink("%s/%s" % (directory, name))
        except FileNotFoundError:
            pass


def log_size(directory):
    try:
        return os.path.getsize(directory + "/emulator.log")
    except OSError:
        return 0


def verdict(reason, text, expect, forbid, seconds, directory):
    missing, found = judge(text, expect, forbid)
    if found:
        return Result(False, "forbidden: /%s/" % found, seconds, text, directory)
    if reason not in ("ended", "stopped"):
        return Result(False, reason + (", not seen: /%s/" % missing[0] if missing else ""), seconds, text, directory)
    if missing:
        return Result(False, "ended, not seen: /%s/" % missing[0], seconds, text, directory)
    return Result(True, reason, seconds, text, directory)


def interact(kind, args):
    """The user's terminal is COM1. Ctrl-] ends the machine. Result: exit status."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    directory, command = prepare(kind, args, ("term", os.ttyname(slave)))
    is_tty = sys.stdin.isatty()
    saved = termios.tcgetattr(sys.stdin) if is_tty else None
    inputs = [master, sys.stdin.fileno()]
    print("[the machine starts; the firmware takes some seconds; Ctrl-] ends it]", flush=True)
    process = Process(command, directory)
    try:
        if is_tty:
            tty.setraw(sys.stdin)
        with open(directory + "/serial.txt", "wb") as log:
            while not process.ended():
                ready, _, _ = select.select(inputs, [], [], POLL_SECONDS)
                if master in ready:
                    data = os.read(master, 4096)
                    log.write(data)
                    os.write(sys.stdout.fileno(), data)
                if sys.stdin.fileno() in ready:
                    data = os.read(sys.stdin.fileno(), 4096)
                    if not data:
                        inputs.remove(sys.stdin.fileno())
                    if b"\x1d" in data:
                        break
                    os.write(master, data)
    finally:
        process.kill()
        if saved:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
        remove_disk(directory)
    print("\n[the machine has ended]")
    return 0


def arguments(kind):
    parser = argparse.ArgumentParser(
        description={"bochs": "Run a disk image in the emulator with VT-x.",
                     "qemu": "Run a disk image in QEMU, software emulation without VT-x.",
                     "kvm": "Run a disk image in QEMU with nested KVM."}[kind])
    parser.add_argument("--name", default="machine", help="directory under build/run (default %(default)s)")
    parser.add_argument("--image", help="disk image; a copy of it is used")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--megs", type=int, default=1024, help="memory in MiB (default %(default)s)")
    parser.add_argument("--timeout", type=int, default=300, help="seconds (default %(default)s)")
    parser.add_argument("--expect", action="append", help="regular expression that must occur")
    parser.add_argument("--forbid", action="append", help="regular expression that must not occur")
    parser.add_argument("--allow", action="append", help="take this one off the built-in forbidden ones")
    parser.add_argument("--stop", action="store_true", help="stop when all expected have occurred")
    parser.add_argument("--live", action="store_true", help="show the serial line while it runs")
    parser.add_argument("--shell", action="store_true", help="connect the terminal to the serial line")
    if kind == "bochs":
        parser.add_argument("--cpu", default="corei7_skylake_x", help="CPU model (default %(default)s)")
        parser.add_argument("--panic", default="fatal", help="what an emulator panic does: fatal, report")
        parser.add_argument("--second", help="image of a second disk; a copy of it is used")
        parser.add_argument("--quiet-log", action="store_true", help="do not log errors (many EPT violations)")
    else:
        parser.add_argument("--vars", help="file with the UEFI variables, made when absent and kept")
        parser.add_argument("--no-reboot", action="store_true", help="a reset ends the machine")
        parser.add_argument("--extra", action="append", help="one more argument for QEMU")
    if kind == "kvm":
        parser.add_argument("--check", action="store_true", help="only say whether this host can")
    return parser


def on_signal(number, _frame):
    raise SystemExit(128 + number)


def main(kind):
    parser = arguments(kind)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGHUP, on_signal)
    if kind == "kvm" and args.check:
        missing = kvm_missing()
        sys.exit("nested KVM cannot be used: %s" % missing if missing else 0)
    if not args.image:
        parser.error("--image is needed")
    try:
        if args.shell:
            sys.exit(interact(kind, args))
        result = run(kind, args)
    except Missing as missing:
        sys.exit("cannot run this machine: %s" % missing)
    except KeyboardInterrupt:
        sys.exit(130)
    print("%s: %s (%s, %d s; %s)" % (args.name, "passed" if result.ok else "FAILED", result.reason, result.seconds,
                                     os.path.relpath(result.directory)))
    sys.exit(0 if result.ok else 1)
