"""ELF files of a few hundred bytes, for tests of what is pushed to which phone."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from bench.runtime.examine import RUNNER_NEEDS

MACHINES = {"x86": 3, "armeabi-v7a": 40, "x86_64": 62, "arm64-v8a": 183}
# What a LiteRT of version 2.2 exports, as far as bench looks.
LITERT = (
    *RUNNER_NEEDS,
    "LiteRtCreateModelFromFd",
    "LiteRtExternalLiteRtBufferContextGetRunOptions",
)
LOAD, DYNAMIC, INTERP = 1, 2, 3


def tiny_elf(
    abi: str = "arm64-v8a",
    *,
    needed: Sequence[str] = ("libc.so",),
    soname: str | None = "libLiteRt.so",
    interpreter: str | None = None,
    kind: int = 3,
    align: int = 16384,
    machine: int | None = None,
    extra_dynamic: Sequence[tuple[int, int]] = (),
    exports: Sequence[str] = LITERT,
    content: bytes = b"",
) -> bytes:
    """One loadable segment over the whole file, a dynamic section, symbols, and `content`."""
    wide = abi in ("x86_64", "arm64-v8a")
    strings, dynamic = b"\0", []
    for tag, name in [*((1, name) for name in needed), *([(14, soname)] if soname else [])]:
        dynamic.append((tag, len(strings)))
        strings += name.encode() + b"\0"
    symbols = _symbol(wide, 0, False)
    for name in exports:
        symbols += _symbol(wide, len(strings), True)
        strings += name.encode() + b"\0"
    hashes = struct.pack("<II", 1, len(exports) + 1)  # one bucket; the chains are of no interest
    count = 2 + (interpreter is not None)
    header, segment, entry = (64, 56, 16) if wide else (52, 32, 8)
    at_dynamic = header + count * segment
    at_symbols = at_dynamic + (len(dynamic) + len(extra_dynamic) + 4) * entry
    at_hashes = at_symbols + len(symbols)
    at_strings = at_hashes + len(hashes)
    dynamic += [(5, at_strings), (6, at_symbols), (4, at_hashes), *extra_dynamic, (0, 0)]
    at_interpreter = at_strings + len(strings)
    tail = strings + ((interpreter or "").encode() + b"\0") + content
    size = at_strings + len(tail)
    segments = _segment(wide, LOAD, 0, size, align)
    segments += _segment(wide, DYNAMIC, at_dynamic, len(dynamic) * entry, 8)
    if interpreter is not None:
        segments += _segment(wide, INTERP, at_interpreter, len(interpreter) + 1, 1)
    word = "<QQ" if wide else "<II"
    return (
        _header(wide, kind, MACHINES[abi] if machine is None else machine, count)
        + segments
        + b"".join(struct.pack(word, tag, value) for tag, value in dynamic)
        + symbols
        + hashes
        + tail
    )


def _symbol(wide: bool, name: int, defined: bool) -> bytes:
    """A global function, or the empty symbol that every table begins with."""
    info, section = (0x12, 1) if defined else (0, 0)
    if wide:
        return struct.pack("<IBBHQQ", name, info, 0, section, 64, 0)
    return struct.pack("<IIIBBH", name, 64, 0, info, 0, section)


def _header(wide: bool, kind: int, machine: int, count: int) -> bytes:
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    size, entry = (64, 56) if wide else (52, 32)
    form = "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH"
    return ident + struct.pack(form, kind, machine, 1, 0, size, 0, 0, size, entry, count, 0, 0, 0)


def _segment(wide: bool, kind: int, offset: int, size: int, align: int) -> bytes:
    if wide:
        return struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, align)
    return struct.pack("<IIIIIIII", kind, offset, offset, offset, size, size, 4, align)
