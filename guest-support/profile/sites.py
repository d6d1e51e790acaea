# SPDX-License-Identifier: MIT
"""Where a kernel patches its own code: the tables by which it finds these places itself."""

import collections
import struct

from vmlinuz import Malformed

JUMP, CALL, TRACE, ALTERNATIVE, PARAVIRT, PREFIX = "jump", "call", "trace", "alternative", "paravirt", "prefix"

# address, length: of the instruction. target: of a jump label, where it jumps; of a paravirt call, the offset of its
# operation in pv_ops.
Site = collections.namedtuple("Site", "kind address length target", defaults=(None,))

# What an instruction there begins with.
NOP2, NOP5, SHORT, NEAR, NEAR_CALL = b"\x66\x90", b"\x0f\x1f\x44\0\0", b"\xeb", b"\xe9", b"\xe8"
INDIRECT_CALL = b"\xff\x15"
LOCK = b"\xf0"


def relative(va, offset):
    return (va + offset) & (1 << 64) - 1


def jumps(kernel):
    """struct jump_entry, include/linux/jump_label.h."""
    table, rows = kernel.between("__start___jump_table", "__stop___jump_table")
    for at in range(0, len(rows) - 15, 16):
        code, target, _ = struct.unpack_from("<iiq", rows, at)
        va = relative(table + at, code)
        there = kernel.read(va, 5)
        length = 2 if there[:1] == SHORT or there[:2] == NOP2 else 5 if there[:1] == NEAR or there == NOP5 else 0
        if not length:
            raise Malformed("%s: no jump label" % kernel.name_of(va))
        yield Site(JUMP, va, length, relative(table + at + 4, target))


def calls(kernel):
    """struct static_call_site, include/linux/static_call_types.h."""
    table, rows = kernel.between("__start_static_call_sites", "__stop_static_call_sites")
    for at in range(0, len(rows) - 7, 8):
        va = relative(table + at, struct.unpack_from("<i", rows, at)[0])
        there = kernel.read(va, 6)
        conditional = there[0] == 0x0f and there[1] & 0xf0 == 0x80
        if not conditional and there[:1] not in (NEAR, NEAR_CALL):
            raise Malformed("%s: no static call" % kernel.name_of(va))
        yield Site(CALL, va, 6 if conditional else 5)


def traces(kernel):
    """The calls of __fentry__(), kernel/trace/ftrace.c."""
    _, rows = kernel.between("__start_mcount_loc", "__stop_mcount_loc")
    for va, in struct.iter_unpack("<Q", rows[:len(rows) // 8 * 8]):
        # What a weak function has left in the table.
        if va:
            yield Site(TRACE, va, 5)


def alternative_rows(kernel):
    """struct alt_instr, arch/x86/include/asm/alternative.h: two bytes longer since Linux 6.3."""
    table, rows = kernel.table(".altinstructions")
    size = next((size for size in (12, 14) if len(rows) % size == 0 and rows and all(
        kernel.is_code(relative(table + at, struct.unpack_from("<i", rows, at)[0]))
        for at in range(0, len(rows), size))), None)
    if rows and size is None:
        raise Malformed("alternatives of an unknown form")
    for at in range(0, len(rows), size or 1):
        flags = struct.unpack_from("<H", rows, at + 10)[0] if size == 14 else 0
        yield relative(table + at, struct.unpack_from("<i", rows, at)[0]), rows[at + size - 2], flags


DIRECT_CALL = 2


def alternatives(kernel):
    for va, length, flags in alternative_rows(kernel):
        if not flags & DIRECT_CALL:
            yield Site(ALTERNATIVE, va, length)


def paravirt_places(kernel):
    """Linux 6.1: struct paravirt_patch_site. Later: alternatives with a mark."""
    _, rows = kernel.table(".parainstructions")
    for at in range(0, len(rows) - 15, 16):
        va, _, length = struct.unpack_from("<QBB", rows, at)
        yield va, length
    for va, length, flags in alternative_rows(kernel):
        if flags & DIRECT_CALL:
            yield va, length


def paravirts(kernel):
    for va, length in paravirt_places(kernel):
        there = kernel.read(va, 6)
        if there[:2] != INDIRECT_CALL:
            raise Malformed("%s: no call through pv_ops" % kernel.name_of(va))
        where = relative(va + 6, struct.unpack_from("<i", there, 2)[0])
        yield Site(PARAVIRT, va, length, where - kernel.symbol("pv_ops"))


def prefixes(kernel):
    """LOCK prefixes, which one CPU does not need: alternatives_smp_lock()."""
    table, rows = kernel.table(".smp_locks")
    for at in range(0, len(rows) - 3, 4):
        va = relative(table + at, struct.unpack_from("<i", rows, at)[0])
        # The section is filled up to a page; and with another prefix before it, it stays.
        if kernel.is_code(va) and kernel.read(va, 1) == LOCK:
            yield Site(PREFIX, va, 1)


KINDS = {JUMP: jumps, CALL: calls, TRACE: traces, ALTERNATIVE: alternatives, PARAVIRT: paravirts, PREFIX: prefixes}


def sites(kernel, kinds=tuple(KINDS)):
    """All of these kinds, in the order of address."""
    return sorted(site for kind in kinds for site in KINDS[kind](kernel))


# ---- paravirtual operations

# Where in pv_ops: so many bytes from the pointer that is this function before the kernel runs. The others are known by
# their own function; of those that do nothing there are many.
NEIGHBOURS = {"lazy_mode.enter": ("native_set_fixmap", -24), "lazy_mode.leave": ("native_set_fixmap", -16),
              "lazy_mode.flush": ("native_set_fixmap", -8)}


def operations(kernel):
    """Offset in pv_ops of each operation, and its name: that of the function the kernel is linked with."""
    base = kernel.symbol("pv_ops")
    found = {}
    for offset in range(0, 4096, 8):
        value, = struct.unpack("<Q", kernel.read(base + offset, 8))
        if not kernel.is_code(value):
            break
        found[offset] = kernel.name_of(value)
    for name, (neighbour, distance) in NEIGHBOURS.items():
        for offset in [offset for offset, function in found.items() if function == neighbour]:
            found[offset + distance] = name
    return found
