# SPDX-License-Identifier: MIT
"""The file that SecPod reads: struct code_profile_* of secpod/text/code_profile.h."""

import struct

import sites
from vmlinuz import Malformed

MAGIC = b"SecPodCP"
VERSION = 2
SIZE_MAX = 16 << 20
HEADER = "<8sIIIIIII20s4I"
# Of a static call, by its first byte.
CALLS = {0xe8: "call", 0xe9: "tail", 0x0f: "branch"}
KINDS = {"jump": 1, "call": 2, "tail": 3, "branch": 4, "trace": 5, "prefix": 6}

# What ftrace calls at the beginning of a function (arch/x86/kernel/ftrace_64.S), and the places in it that say what for.
TRACERS = ("ftrace_caller", "ftrace_regs_caller")
TRACER_CALLS = ("ftrace_call", "ftrace_regs_call", "ftrace_graph_call")
# By which code is patched (arch/x86/kernel/alternative.c, __text_poke()); what follows them with their name in its own is part of them.
WRITERS = ("memcpy", "memset")
WRITER_MAX = 4096
NT_GNU_BUILD_ID, BUILD_ID_SIZE = 3, 20


def build_id(kernel):
    """Where the kernel has its build ID, as an offset from its text, and what it is."""
    address, notes = kernel.table(".notes")
    at = 0
    while at + 12 <= len(notes):
        name, size, kind = struct.unpack_from("<III", notes, at)
        body = at + 12 + (name + 3) // 4 * 4
        if kind == NT_GNU_BUILD_ID and size == BUILD_ID_SIZE and notes[at + 12:at + 12 + name] == b"GNU\0":
            return address + body - kernel.text, notes[body:body + size]
        at = body + (size + 3) // 4 * 4
    raise Malformed("no build ID")


def places(kernel, end):
    """Offset, kind, length and target (an offset) of all places in the text that stays."""
    found = {}

    def add(va, kind, length, target=0):
        if kernel.text <= va < end:
            # Two tables may have the same place (a jump label that was inlined twice): one of them will do.
            found.setdefault(va - kernel.text, (KINDS[kind], length, target))

    for site in sites.sites(kernel, [sites.JUMP, sites.CALL, sites.TRACE, sites.PREFIX]):
        if site.kind == sites.JUMP:
            if kernel.text <= site.target < end:
                add(site.address, "jump", site.length, site.target - kernel.text)
        elif site.kind == sites.CALL:
            add(site.address, CALLS[kernel.read(site.address, 1)[0]], site.length)
        else:
            add(site.address, site.kind, site.length)
    for va, name in kernel.pairs:
        # Of a static call that is not compiled into its callers: a jump, in any state.
        if name.startswith("__SCT__"):
            add(va, "tail", 5)
    for name in TRACER_CALLS:
        if name in kernel.symbols:
            there = kernel.read(kernel.symbol(name), 1)[0]
            if there in CALLS:
                add(kernel.symbol(name), CALLS[there], 5)
    return [(offset,) + found[offset] for offset in sorted(found)]


def check(listed):
    for before, after in zip(listed, listed[1:]):
        if before[0] + before[2] > after[0]:
            raise Malformed("two places that overlap, at %#x" % after[0])


def functions(kernel, end):
    """Offsets of what a static call may call: all that has a name, but the padding before functions."""
    return sorted({va - kernel.text for va, name in kernel.pairs
                   if kernel.text <= va < end and not name.startswith(("__pfx_", "__cfi_"))})


def writer(kernel, name, end):
    """Offset and length of this function with its variants (arch/x86/lib/memcpy_64.S); 0, 0: not known."""
    if name not in kernel.symbols:
        return 0, 0
    begin = kernel.symbol(name)
    behind = min((va for va, other in kernel.pairs if va > begin and name not in other and not other.startswith("__pfx_")),
                 default=end)
    if not kernel.text <= begin < behind <= end or behind - begin > WRITER_MAX:
        return 0, 0
    return begin - kernel.text, behind - begin


def made(kernel):
    """The profile of one kernel: bytes, and how many places."""
    end = kernel.symbol("_etext")
    listed = places(kernel, end)
    check(listed)
    names = functions(kernel, end)
    tracers = sorted(kernel.symbol(name) - kernel.text for name in TRACERS if name in kernel.symbols)
    body = b"".join(struct.pack("<IIBBH", offset, target, kind, length, 0) for offset, kind, length, target in listed)
    body += struct.pack("<%dI" % (len(names) + len(tracers)), *names, *tracers)
    body += bytes(-len(body) % 8)
    where, what = build_id(kernel)
    writers = [number for name in WRITERS for number in writer(kernel, name, end)]
    return struct.pack(HEADER, MAGIC, VERSION, struct.calcsize(HEADER) + len(body), end - kernel.text, len(listed),
                       len(names), len(tracers), where, what, *writers) + body, len(listed)
