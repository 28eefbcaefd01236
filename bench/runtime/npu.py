"""A vendor's libraries for its NPU, which only the user can bring: LiteRT finds them by name.

They are LiteRT's dispatch library and compiler plugin for the vendor, and the vendor's own runtime
(such as QAIRT's lib/aarch64-android). They go to the phone as one folder. Not tried on a phone.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from bench.errors import UsageError
from bench.records import Record
from bench.runtime.cache import cache_folder, put
from bench.runtime.elf import ElfError, read_elf

MAX_BYTES = 512 * 1024 * 1024
_NAME = re.compile(r"lib[A-Za-z0-9_.-]{1,80}\.so")  # becomes a file's name on the phone
_DISPATCH = "libLiteRtDispatch"


class NpuLibrary(Record, frozen=True, kw_only=True):
    """One shared library of a vendor."""

    name: str
    path: str
    sha256: str


def add_npu(paths: list[Path]) -> tuple[str, tuple[NpuLibrary, ...]]:
    """Keep a vendor's libraries in the place of any before; their ABI, and what was kept.

    UsageError when a file is no shared library for Android, when their ABIs differ, or when none
    is a dispatch library of LiteRT, without which the others are of no use.
    """
    read = [(path, _content(path)) for path in paths]
    abis = {abi for _, (_, abi) in read}
    if len(abis) > 1:
        raise UsageError(f"The libraries are for different ABIs: {', '.join(sorted(abis))}.")
    if not any(path.name.startswith(_DISPATCH) for path, _ in read):
        raise UsageError(
            f"None of the libraries is LiteRT's for an NPU ({_DISPATCH}_<vendor>.so).",
            next_step="Add it together with the vendor's own.",
        )
    (abi,) = abis
    folder = _folder(abi)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for path, (content, _) in read:
            put(folder / path.name, content, 0o644)
    except OSError as error:
        raise UsageError(f"{str(folder)!r} can't be written: {error.strerror}.") from error
    return abi, npu_libraries(abi)


def npu_libraries(abi: str) -> tuple[NpuLibrary, ...]:
    """What was kept for an ABI, by name; nothing when nothing was added."""
    folder = _folder(abi)
    found = sorted(folder.glob("lib*.so")) if folder.is_dir() else []
    return tuple(
        NpuLibrary(
            name=path.name,
            path=str(path),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in found
    )


def _folder(abi: str) -> Path:
    return cache_folder() / "npu" / abi


def _content(path: Path) -> tuple[bytes, str]:
    """The bytes of a library and its ABI."""
    if not _NAME.fullmatch(path.name):
        raise UsageError(f"{path.name!r} is no library's name: lib….so is.")
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise UsageError(f"{str(path)!r} is not a file.")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{str(path)!r} is too large for a library.")
        content = path.read_bytes()
        elf = read_elf(content)
    except OSError as error:
        raise UsageError(f"{str(path)!r} can't be read: {error.strerror}.") from error
    except ElfError as error:
        raise UsageError(
            f"{path.name!r} is no binary for a phone.", next_step=error.what
        ) from error
    if elf.interpreter is not None or elf.libc == "glibc":
        raise UsageError(f"{path.name!r} is no shared library for Android.")
    return content, elf.abi
