# SPDX-License-Identifier: MIT
"""The kernel inside the file that is booted (bzImage), and what it knows of itself.

Debian's /boot/vmlinuz-VERSION has the linked kernel with its section headers, compressed, but without symbols, and
its System.map is in another package. The kernel's own table of symbols (kernel/kallsyms.c) is in it; that is what is
read here. Addresses are those it was linked for: KASLR moves all of them by one distance.
"""

import bisect
import lzma
import struct
import subprocess
import zlib


class Malformed(Exception):
    """Not a kernel as this script knows them."""


def unpacked(data):
    """The linked kernel in a bzImage (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header")."""
    if data[:4] == b"\x7fELF":
        return data
    if len(data) < 0x260 or data[0x202:0x206] != b"HdrS" or struct.unpack_from("<H", data, 0x206)[0] < 0x208:
        raise Malformed("no bzImage")
    begin = ((data[0x1f1] or 4) + 1) * 512 + struct.unpack_from("<I", data, 0x248)[0]
    packed = data[begin:begin + struct.unpack_from("<I", data, 0x24c)[0]]
    # The last four bytes are the length of what comes out.
    if len(packed) < 8:
        raise Malformed("a bzImage that ends before its kernel")
    size, = struct.unpack("<I", packed[-4:])
    packed = packed[:-4]
    try:
        if packed[:6] == b"\xfd7zXZ\0" or packed[:3] == b"]\0\0":
            plain = lzma.LZMADecompressor().decompress(packed)
        elif packed[:2] == b"\x1f\x8b":
            plain = zlib.decompressobj(31).decompress(packed)
        elif packed[:4] == b"\x28\xb5\x2f\xfd":
            plain = subprocess.run(["zstd", "-dcq"], input=packed, stdout=subprocess.PIPE, check=True).stdout
        else:
            raise Malformed("compressed in a way unknown here: %s" % packed[:4].hex())
    except (lzma.LZMAError, zlib.error, OSError, subprocess.CalledProcessError) as error:
        raise Malformed("cannot decompress: %s" % error) from error
    if len(plain) != size:
        raise Malformed("%d bytes where %d were to be" % (len(plain), size))
    return plain


class Section:
    def __init__(self, name, kind, flags, address, offset, size):
        self.name = name
        self.kind = kind
        self.flags = flags
        self.address = address
        self.offset = offset
        self.size = size

    def __contains__(self, va):
        return self.address <= va < self.address + self.size


SHF_EXECINSTR, SHT_NOBITS = 4, 8


class Kernel:
    """Sections by name, symbols by name and by address, bytes by address."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = unpacked(file.read())
        try:
            self.sections = self._sections()
            # In the kernel's own order; other addresses than its own are those in an area of each CPU.
            self.pairs = [(va, name) for va, name in kallsyms(self.data, self.named(".text").address)
                           if va >= self.named(".text").address]
        except (struct.error, IndexError, ValueError) as error:
            raise Malformed("not a kernel that can be read: %s" % error) from error
        self.pairs.sort()
        self._places = [va for va, _ in self.pairs]
        self.symbols = {}
        for va, name in self.pairs:
            self.symbols.setdefault(name, va)
        self.text = self.symbol("_text")

    def _sections(self):
        if self.data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", self.data, 18)[0] != 62:
            raise Malformed("no ELF file for x86-64")
        table, = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        headers = [struct.unpack_from("<IIQQQQ", self.data, table + i * size) for i in range(count)]
        strings = headers[names][4]
        return [Section(self.data[strings + name:self.data.index(b"\0", strings + name)].decode(), *rest)
                for name, *rest in headers]

    def named(self, name):
        section = next((section for section in self.sections if section.name == name), None)
        if section is None:
            raise Malformed("no section %s" % name)
        return section

    def symbol(self, name):
        if name not in self.symbols:
            raise Malformed("no symbol %s" % name)
        return self.symbols[name]

    def section_at(self, va):
        return next((section for section in self.sections if section.address and va in section), None)

    def is_code(self, va):
        section = self.section_at(va)
        return section is not None and bool(section.flags & SHF_EXECINSTR)

    def read(self, va, count):
        section = self.section_at(va)
        if section is None or section.kind == SHT_NOBITS or va + count > section.address + section.size:
            raise Malformed("%#x: no bytes of the file" % va)
        begin = section.offset + va - section.address
        return self.data[begin:begin + count]

    def between(self, first, last):
        """First address and bytes of what lies between two symbols; nothing where the kernel has neither."""
        if first not in self.symbols:
            return 0, b""
        begin = self.symbol(first)
        return begin, self.read(begin, self.symbol(last) - begin) if self.symbol(last) > begin else b""

    def table(self, name):
        """First address and bytes of a section; nothing where there is none."""
        section = next((section for section in self.sections if section.name == name), None)
        return (section.address, self.read(section.address, section.size)) if section else (0, b"")

    def name_of(self, va):
        """The symbol that an address belongs to, as "name+offset"."""
        at = bisect.bisect_right(self._places, va)
        if not at:
            return "%#x" % va
        # Of more names for one place the first one.
        begin, name = self.pairs[bisect.bisect_left(self._places, self._places[at - 1])]
        return name + ("+%#x" % (va - begin) if va != begin else "")


# struct new_utsname, include/uapi/linux/utsname.h: sysname, nodename, release, version, ...
UTS_LENGTH = 65


def version(kernel):
    """Release and version, as uname() tells them: no two builds have both in common."""
    names = kernel.read(kernel.symbol("init_uts_ns"), 4 * UTS_LENGTH)
    fields = [names[i * UTS_LENGTH:(i + 1) * UTS_LENGTH].split(b"\0")[0].decode("ascii") for i in range(4)]
    if fields[0] != "Linux":
        raise Malformed("no name of the kernel")
    return fields[2], fields[3]


# ---- kernel/kallsyms.c, scripts/kallsyms.c: names are packed with a table of 256 tokens

MARKER = 256


def align(value, to):
    return -(-value // to) * to


def tokens(data):
    """Where the tokens begin, where their index ends, and they themselves."""
    # Digits stand for themselves, as bytes that are no part of a longer token do.
    digits = b"".join(b"%d\0" % digit for digit in range(10))
    at = data.find(digits)
    while at >= 0:
        begin = at
        for _ in range(ord("0")):
            begin = data.rfind(b"\0", 0, begin - 1) + 1
        end = begin
        places = []
        for _ in range(256):
            places.append(end - begin)
            end = data.index(b"\0", end) + 1
        index = align(end, 8)
        if list(struct.unpack_from("<256H", data, index)) == places:
            table = [data[begin + place:data.index(b"\0", begin + place)].decode("latin-1") for place in places]
            return begin, index + 512, table
        at = data.find(digits, at + 1)
    raise Malformed("no table of symbols (CONFIG_KALLSYMS)")


def length_at(data, at):
    """Of a packed name: its length, and where it begins. Long ones have a length of two bytes since Linux 6.1."""
    if data[at] & 0x80:
        return data[at] & 0x7f | data[at + 1] << 7, at + 2
    return data[at], at + 1


def are_names(data, begin, count, end):
    """Are there so many names? The offset of every 256th is noted behind them."""
    marks = []
    at = begin
    for i in range(count):
        if i % MARKER == 0:
            marks.append(at - begin)
        length, at = length_at(data, at)
        if length == 0 or at >= end:
            return False
        at += length
    return data.startswith(struct.pack("<%dI" % len(marks), *marks), align(at, 8))


def names(data, end):
    """How many symbols there are, and where their names begin: the number is right before them."""
    for begin in range(end - end % 8, 8, -8):
        count, zero = struct.unpack_from("<II", data, begin - 8)
        # Each has two bytes at least.
        if zero == 0 and MARKER < count <= (end - begin) // 2 and are_names(data, begin, count, end):
            return count, begin
    raise Malformed("no names of the symbols")


def kallsyms(data, text):
    """Address and name of each symbol."""
    table, behind, token = tokens(data)
    count, at = names(data, table)
    size = align(4 * count, 8)
    # Before the names, or behind the tokens since Linux 6.4; a base to which they are relative behind them.
    for offsets in (at - 16 - size, behind):
        base, = struct.unpack_from("<Q", data, offsets + size)
        if base == text:
            break
    else:
        raise Malformed("no addresses of the symbols")
    for offset in struct.unpack_from("<%di" % count, data, offsets):
        length, at = length_at(data, at)
        name = "".join(token[byte] for byte in data[at:at + length])
        at += length
        # CONFIG_KALLSYMS_ABSOLUTE_PERCPU: what is not negative is an address itself.
        yield offset if offset >= 0 else base - 1 - offset, name[1:]
