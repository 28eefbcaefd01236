"""Finds LiteRT's library in the packages that it is published in: .aar for Android, .whl for Linux.

Both are zip files, and may be anything: no name in them becomes a path, and no size is believed.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench.errors import UsageError

MAX_BYTES = 256 * 1024 * 1024  # of one library, unpacked
_LIBRARY = re.compile(
    r"(?:jni/(?P<abi>arm64-v8a|armeabi-v7a|x86_64|x86)|ai_edge_litert)/libLiteRt\.so"
)
_OLDER = re.compile(r"jni/[^/]+/libtensorflowlite\w*\.so")
_DIST_INFO = re.compile(r"ai_edge_litert-([0-9][0-9A-Za-z.+]{0,40})\.dist-info/METADATA")


def is_package(start: bytes) -> bool:
    """Whether a file that starts so is a zip file."""
    return start.startswith(b"PK\x03\x04")


def libraries_in(path: Path) -> Iterator[tuple[str, str | None, str | None, bytes]]:
    """Each library: its name in the package, its folder's ABI, the package's version, its bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _libraries(archive, path)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} is damaged: {error}.") from error
    except (NotImplementedError, RuntimeError) as error:  # packed in a strange way, or encrypted
        raise UsageError(f"{str(path)!r} can't be unpacked: {error}.") from error


def _libraries(
    archive: zipfile.ZipFile, path: Path
) -> Iterator[tuple[str, str | None, str | None, bytes]]:
    names = [info.filename for info in archive.infolist()]
    found = [info for info in archive.infolist() if _LIBRARY.fullmatch(info.filename)]
    if len({info.filename for info in found}) != len(found):
        raise UsageError(f"{str(path)!r} holds a library twice.")
    if not found:
        older = any(_OLDER.fullmatch(name) for name in names)
        raise UsageError(
            f"{str(path)!r} holds no libLiteRt.so"
            + (", but the older TensorFlow Lite." if older else "."),
            next_step="The package com.google.ai.edge.litert:litert has it from version 2 on.",
        )
    versions = [match[1] for name in names if (match := _DIST_INFO.fullmatch(name))]
    for info in found:
        match = _LIBRARY.fullmatch(info.filename)
        abi = match["abi"] if match else None
        content = _read(archive, info, path)
        yield info.filename, abi, versions[0] if len(versions) == 1 else None, content


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    with archive.open(info) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError(f"{info.filename} in {str(path)!r} is too large to be LiteRT.")
    return content
