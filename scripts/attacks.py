# SPDX-License-Identifier: MIT
"""The attacks of tests/attacks on whole machines, without SecPod and with it, and what is to come of them.

Without SecPod each must succeed, unless the CPU lacks what it misuses ("impossible"): an attack that fails
by itself is no test. With SecPod each must be refused, the refusal be on record, in the log or on the serial line, every
refusal on record be by a rule that the attack names (one that names none must leave none), and the machine be alive after the last of them.
Used by run-attacks, system-tests and bench.
"""

import os
import re
import subprocess
import time

import machine

ROOT = machine.ROOT
IMAGES = ROOT + "/build/image"
KERNELS = ("6.1", "6.12")
# What an attack does without SecPod does not depend on the number of CPUs: one machine for all, with
# as many as any of the others.
BARE_CPUS = 2
SECPOD_CPUS = (1, 2)
# Where the guest's module is loaded as well, which must give an attacker nothing: on one machine with SecPod of each
# kernel. It hands the profile of the kernel over and locks. The other one is as stock kernels are.
SUPPORTED = (("6.1", 1), ("6.12", 2))

# What stands for the secure space where there is none: kept from the kernel, as firmware would.
SPARE_BASE = 0x20000000
SPARE_SIZE = 0x200000
# All lines of the runner are shown.
APPEND_LINES = "printk.devkmsg=on"
# The clock of the emulator.
APPEND_CLOCK = "tsc_early_khz=100000"
# pti=off: user pages can then be run from CPL 0, but for SMEP; so that SMEP is what is tested.
APPEND = "pti=off %s %s" % (APPEND_LINES, APPEND_CLOCK)
# nokaslr: the kernel's place is chosen before memmap= is looked at.
APPEND_SPARE = "nokaslr memmap=%#x$%#x secpod.spare=%#x,%#x" % (SPARE_SIZE, SPARE_BASE, SPARE_BASE, SPARE_SIZE)

# An oops is how an attacker's thread ends.
ALLOWED = (r"\bBUG: ", r"Oops: ")
LINE = re.compile(r"ATTACK: (\w+) (begins|recorded|succeeded|refused|impossible|broken)\b ?([^\n]*)")
RECORD = re.compile(r"secpod: .*audit #\d+ cpu \d+ \w+ ([\w-]+) (?:deny|panic)\b", re.IGNORECASE)
# An attack knows what the record has to say of it: ATTACK_RECORD of attack.h.
WORDS = re.compile(r"; record: (.*)$")
ALIVE = r"ATTACKS: \d+ made, machine alive"
LOADED = r"ATTACKS: secpod\.ko loaded, 5 functions redirected, LOCKED by request"


class Outcome:
    """Of one attack on one machine."""

    def __init__(self):
        self.verdict = "no answer"
        self.detail = ""
        self.rules = []
        self.recorded = set()
        self.records = []

    def shown(self):
        return self.verdict + (" (%s)" % ",".join(sorted(self.recorded)) if self.recorded else "")


def outcomes(text):
    """Name to Outcome, in the order in which the attacks were made."""
    result = {}
    current = None
    for line in text.split("\n"):
        found, record = LINE.search(line), RECORD.search(line)
        if found:
            name, word, rest = found.group(1), found.group(2), found.group(3).strip()
            outcome = result.setdefault(name, Outcome())
            if word == "begins":
                current = outcome
                outcome.rules = rest.split(",")
            elif word == "recorded":
                rule, answer = rest.split()
                if answer != "log":
                    outcome.recorded.add(rule)
            else:
                outcome.verdict = word
                outcome.detail = rest
        elif record and current:
            current.recorded.add(record.group(1))
            current.records.append(line.strip())
    return result


class Run:
    """One machine: without SecPod (cpus=None) or with it; with the guest's module if support."""

    def __init__(self, kernel, cpus, name="attacks", support=False):
        self.kernel = kernel
        self.cpus = cpus
        self.support = support
        self.title = "without" if cpus is None else "%s, %d CPU%s" % ("module" if support else "SecPod", cpus,
                                                                      "" if cpus == 1 else "s")
        self.name = "%s-%s-%s" % (name, kernel, "bare" if cpus is None else "%dcpu" % cpus)
        self.outcomes = {}
        self.directory = None
        self.wrong = None
        self.seconds = 0

    def boot(self, only, conf, timeout, live):
        """The machine.Result; None when there was no machine."""
        image = "%s/%s.img" % (IMAGES, self.name)
        secpod = self.cpus is not None
        command = [ROOT + "/scripts/mkimage", "--output", image, "--kernel", self.kernel,
                   "--words", only, "--append", APPEND if secpod else APPEND + " " + APPEND_SPARE,
                   "--initramfs", "%s/build/tests/attacks/%s/initramfs.cpio.gz" % (ROOT, self.kernel)]
        for line in conf if secpod else []:
            command += ["--conf", line]
        # Of the kernel's own patches, which go on meanwhile, none is refused. The module hands the profile over, and locks.
        command.append("--profile-request" if self.support else "--profile" if secpod else "--no-secpod")
        if self.support:
            command += ["--module", "secpod"]
        os.makedirs(IMAGES, exist_ok=True)
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if made.returncode:
            self.wrong = "mkimage: " + made.stdout.decode("utf-8", "replace").strip()
            return None
        options = machine.arguments("bochs").parse_args(["--image", image])
        options.name = self.name
        options.cpus = self.cpus or BARE_CPUS
        options.timeout = timeout
        options.live = live
        options.quiet_log = True
        options.allow = ALLOWED
        options.expect = [ALIVE, "ATTACKS: kernel .*, %d CPUs, %s" % (options.cpus, "SecPodSecPod" if secpod else "no")]
        if self.support:
            options.expect.append(LOADED)
        try:
            result = machine.run("bochs", options)
        finally:
            os.unlink(image)
        self.outcomes = outcomes(result.text)
        self.directory = result.directory
        self.seconds = result.seconds
        if not result.ok or not self.outcomes:
            self.wrong = "%s machine: %s; see %s" % (self.title, "made no attack" if result.ok else result.reason,
                                                     os.path.relpath(result.directory, ROOT))
        return result

    def of(self, name):
        return self.outcomes.get(name, Outcome())


def fault(without, within, cpus):
    """
    None, or what is wrong with an attack that ended as `without` (None: not made there) and, on a machine of so many
    CPUs, `within`.
    """
    if within.verdict == "impossible":
        return None if (without and without.verdict == "impossible") or cpus < BARE_CPUS else "not tried"
    if within.verdict != "refused":
        return within.verdict
    others = within.recorded - set(within.rules)
    if others:
        return "on record as " + ",".join(sorted(others))
    # One that names no rule is #UD without an exit, or not on record because it is a user's.
    if any(within.rules) and not within.recorded:
        return "not on record"
    words = WORDS.search(within.detail)
    if words and not any(words.group(1) in line for line in within.records):
        return "other words on record"
    return None


class Suite:
    """
    All attacks (or only some) on one kernel. bare: also on a machine without SecPod; False where another suite
    has shown what comes of them there. name: of the machines. supported: with the guest's module on this kernel and so
    many CPUs. lines: the table; failures: how many.
    """

    def __init__(self, kernel, counts=SECPOD_CPUS, bare=True, name="attacks", supported=SUPPORTED):
        self.kernel = kernel
        self.bare = Run(kernel, None, name) if bare else None
        self.secpod = [Run(kernel, cpus, name, (kernel, cpus) in supported) for cpus in counts]
        self.runs = ([self.bare] if bare else []) + self.secpod
        self.lines = []
        self.failures = []
        self.seconds = 0

    def make(self, only="all", conf=(), timeout=600, live=False):
        begin = time.monotonic()
        for run in self.runs:
            run.boot(only, conf, timeout, live)
            if run.wrong:
                self.failures.append(run.wrong)
        self.tabulate()
        self.seconds = time.monotonic() - begin
        return self

    def tabulate(self):
        runs = self.runs
        names = sorted(set().union(*(run.outcomes for run in runs)))
        cells = [[run.of(name).shown() for run in runs] for name in names]
        widths = [max(map(len, [run.title] + [row[column] for row in cells])) for column, run in enumerate(runs)]

        def line(first, columns, last):
            return "  ".join(["%-16s" % first] + ["%-*s" % pair for pair in zip(widths, columns)] + [last]).rstrip()

        self.lines.append("attacks on Linux %s; seconds: %s" % (
            self.kernel, ", ".join("%s %d" % (run.title, run.seconds) for run in runs)))
        self.lines.append(line("attack", [run.title for run in runs], "result"))
        for name, row in zip(names, cells):
            wrong = self.judge(name)
            self.lines.append(line(name, row, "FAILED" if wrong else "ok"))
            self.failures += wrong

    def judge(self, name):
        """What is wrong with this attack, a line each."""
        without = self.bare.of(name) if self.bare else None
        wrong = []
        if without and without.verdict not in ("succeeded", "impossible"):
            wrong.append("%s: no test: without SecPod %s: %s" % (name, without.verdict, without.detail))
        for run in self.secpod:
            what = fault(without, run.of(name), run.cpus)
            if what:
                wrong.append("%s: %s: %s: %s" % (name, run.title, what, run.of(name).detail))
        return wrong
