"""Reads the little of an ELF file that tells for which phones it is.

Every offset is checked against the file, every count is bounded: the file may be anything.
Layout: System V ABI, "Object Files"; both classes, little-endian only, as all Android ABIs are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.errors import BenchError

_MACHINES = {3: "x86", 40: "armeabi-v7a", 62: "x86_64", 183: "arm64-v8a"}  # as Android spells them
_MAX_SEGMENTS = 64
_MAX_DYNAMIC = 4096
_MAX_NAME = 4096
_MAX_SYMBOLS = 1_000_000

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_TEXTREL, _DT_FLAGS = 1, 5, 14, 22, 30
_DT_HASH, _DT_SYMTAB, _DT_GNU_HASH, _DT_FLAGS_1 = 4, 6, 0x6FFFFEF5, 0x6FFFFFFB
_BINDINGS_SEEN_OUTSIDE = (1, 2)  # global, weak
_DF_TEXTREL = 4
_ET_DYN = 3


class ElfError(BenchError):
    """A file is not an ELF file of a kind that a phone could load."""


@dataclass(frozen=True)
class Elf:
    """One executable or shared library."""

    abi: str
    bits: Literal[32, 64]
    position_independent: bool
    interpreter: str | None  # None: a library
    soname: str | None
    needed: tuple[str, ...]
    load_alignment: int  # the smallest of the segments that are loaded
    text_relocations: bool
    flags_1: int  # DT_FLAGS_1

    @property
    def libc(self) -> Literal["bionic", "glibc"] | None:
        """Android's C library, or glibc; None when the file needs neither."""
        if "libc.so.6" in self.needed:
            return "glibc"
        if "libc.so" in self.needed:
            return "bionic"
        return None


def read_elf(data: bytes) -> Elf:
    """What an ELF file says of itself; ElfError when it is none, or cut."""
    try:
        return _Reader(data).read()
    except (struct.error, OverflowError) as error:
        raise ElfError("The file is cut: an ELF header points behind its end.") from error


def exported_names(data: bytes) -> frozenset[str]:
    """The functions and variables that a library offers; ElfError when it is cut."""
    try:
        return frozenset(_Reader(data).exported())
    except (struct.error, OverflowError) as error:
        raise ElfError("The file is cut: its symbols point behind its end.") from error


@dataclass(frozen=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int
    alignment: int


class _Reader:
    def __init__(self, data: bytes) -> None:
        if data[:4] != b"\x7fELF":
            raise ElfError("The file is not an ELF file.")
        if len(data) < 20 or data[4] not in (1, 2) or data[5] != 1:
            raise ElfError("The file is not a little-endian ELF file of 32 or 64 bits.")
        self._data = data
        self._wide = data[4] == 2

    def read(self) -> Elf:
        kind, machine = struct.unpack_from("<HH", self._data, 16)
        if machine not in _MACHINES:
            raise ElfError(f"The file is for machine {machine}, which no Android phone has.")
        segments = self._segments()
        dynamic = self._dynamic(segments)
        strings = self._strings(segments, dynamic)
        loads = [s.alignment for s in segments if s.kind == _PT_LOAD]
        if not loads:
            raise ElfError("The file has nothing to load.")
        flags = max((value for tag, value in dynamic if tag == _DT_FLAGS), default=0)
        sonames = [strings(value) for tag, value in dynamic if tag == _DT_SONAME]
        return Elf(
            abi=_MACHINES[machine],
            bits=64 if self._wide else 32,
            position_independent=kind == _ET_DYN,
            interpreter=self._interpreter(segments),
            soname=sonames[0] if sonames else None,
            needed=tuple(strings(value) for tag, value in dynamic if tag == _DT_NEEDED),
            load_alignment=min(loads),
            flags_1=next((value for tag, value in dynamic if tag == _DT_FLAGS_1), 0),
            text_relocations=any(tag == _DT_TEXTREL for tag, _ in dynamic)
            or bool(flags & _DF_TEXTREL),
        )

    def exported(self) -> Iterator[str]:
        segments = self._segments()
        dynamic = self._dynamic(segments)
        places = dict(reversed(dynamic))  # the first entry of a kind counts
        if _DT_SYMTAB not in places:
            return
        strings = self._strings(segments, dynamic)
        table = self._offset(segments, places[_DT_SYMTAB])
        form, size = ("<IBBH", 24) if self._wide else ("<I8xBBH", 16)
        for index in range(1, self._symbol_count(segments, places)):
            name, info, _, section = struct.unpack_from(form, self._data, table + index * size)
            if section != 0 and info >> 4 in _BINDINGS_SEEN_OUTSIDE:
                yield strings(name)

    def _symbol_count(self, segments: list[_Segment], places: dict[int, int]) -> int:
        """As the hash tables tell it; nothing else of what is loaded does."""
        if _DT_HASH in places:
            at = self._offset(segments, places[_DT_HASH])
            count: int = struct.unpack_from("<I", self._data, at + 4)[0]
        elif _DT_GNU_HASH in places:
            count = self._gnu_symbol_count(self._offset(segments, places[_DT_GNU_HASH]))
        else:
            return 0
        if count > _MAX_SYMBOLS:
            raise ElfError("The file's symbol table makes no sense.")
        return count

    def _gnu_symbol_count(self, at: int) -> int:
        buckets, first, bloom, _ = struct.unpack_from("<IIII", self._data, at)
        if max(buckets, bloom) > _MAX_SYMBOLS:
            raise ElfError("The file's symbol table makes no sense.")
        at += 16 + bloom * (8 if self._wide else 4)
        last = max(struct.unpack_from(f"<{buckets}I", self._data, at), default=0)
        chains = at + 4 * buckets
        while first <= last < _MAX_SYMBOLS:
            if struct.unpack_from("<I", self._data, chains + 4 * (last - first))[0] & 1:
                return int(last) + 1
            last += 1
        return 0

    def _offset(self, segments: list[_Segment], address: int) -> int:
        """Where in the file an address in memory is loaded from."""
        for segment in (s for s in segments if s.kind == _PT_LOAD):
            if 0 <= address - segment.address < segment.size:
                return address - segment.address + segment.offset
        raise ElfError("The file's tables lie outside of what is loaded.")

    def _segments(self) -> list[_Segment]:
        start = struct.unpack_from(
            "<Q" if self._wide else "<I", self._data, 32 if self._wide else 28
        )
        size, count = struct.unpack_from("<HH", self._data, 54 if self._wide else 42)
        if not 0 < count <= _MAX_SEGMENTS or size != (56 if self._wide else 32):
            raise ElfError("The file's program headers make no sense.")
        return [self._segment(start[0] + index * size) for index in range(count)]

    def _segment(self, at: int) -> _Segment:
        if self._wide:
            kind, _, offset, address, _, size, _, align = struct.unpack_from(
                "<IIQQQQQQ", self._data, at
            )
        else:
            kind, offset, address, _, size, _, _, align = struct.unpack_from(
                "<IIIIIIII", self._data, at
            )
        return _Segment(kind, offset, address, size, align)

    def _dynamic(self, segments: list[_Segment]) -> list[tuple[int, int]]:
        entries: list[tuple[int, int]] = []
        for segment in (s for s in segments if s.kind == _PT_DYNAMIC):
            form, width = ("<QQ", 16) if self._wide else ("<II", 8)
            for index in range(min(segment.size // width, _MAX_DYNAMIC)):
                tag, value = struct.unpack_from(form, self._data, segment.offset + index * width)
                if tag == 0:
                    break
                entries.append((tag, value))
        return entries

    def _strings(self, segments: list[_Segment], dynamic: list[tuple[int, int]]) -> _Strings:
        addresses = [value for tag, value in dynamic if tag == _DT_STRTAB]
        if not addresses:
            return _Strings(self._data, len(self._data))
        return _Strings(self._data, self._offset(segments, addresses[0]))

    def _interpreter(self, segments: list[_Segment]) -> str | None:
        for segment in (s for s in segments if s.kind == _PT_INTERP):
            return _Strings(self._data, segment.offset)(0)
        return None


@dataclass(frozen=True)
class _Strings:
    data: bytes
    start: int

    def __call__(self, offset: int) -> str:
        at = self.start + offset
        end = self.data.find(b"\0", at, at + _MAX_NAME)
        if end < 0:
            raise ElfError("The file is cut: a name has no end.")
        return self.data[at:end].decode("utf-8", "replace")
