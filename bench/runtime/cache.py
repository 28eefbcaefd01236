"""The binaries that a user added or fetched, one of each kind for each kind of phone.

They lie in the user's cache folder: runtime/added/<abi>-<libc>/ and runtime/fetched/<abi>-<libc>/,
each file with a record of it beside it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from bench.errors import UsageError
from bench.records import Record
from bench.runtime.examine import Examined
from bench.runtime.official import FILES, Libc, Tool

Source = Literal["added", "fetched", "wheel"]


class Kept(Record, frozen=True, kw_only=True):
    """A binary on the host that can be pushed to a phone."""

    tool: Tool
    path: str
    abi: str
    libc: Libc
    sha256: str
    source: Source
    version: str | None = None
    at_least: str | None = None  # the oldest version that it can be, where the version isn't known
    address: str | None = None  # where it was fetched from
    on_trust: bool = False  # fetched without a hash to check it against


def kept(tool: Tool, abi: str, libc: Libc) -> Kept | None:
    """What is at hand for a kind of phone: what the user added, else what was fetched."""
    for source in ("added", "fetched"):
        record = recorded(tool, abi, libc, source)
        if record is not None and digest_of(Path(record.path)) == record.sha256:
            return record
    return None


def recorded(tool: Tool, abi: str, libc: Libc, source: Source) -> Kept | None:
    """What was once kept, even if the file is gone or damaged since."""
    folder = _folder(source, abi, libc)
    try:
        record = msgspec.json.decode((folder / f"{FILES[tool]}.json").read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None
    return msgspec.structs.replace(record, path=str(folder / FILES[tool]), tool=tool, source=source)


def keep(
    content: bytes,
    found: Examined,
    source: Source,
    *,
    sha256: str,
    version: str | None = None,
    address: str | None = None,
    on_trust: bool = False,
) -> Kept:
    """Write a binary and its record; UsageError when the folder can't be written."""
    folder = _folder(source, found.abi, found.libc)
    path = folder / FILES[found.tool]
    record = Kept(
        tool=found.tool,
        path=str(path),
        abi=found.abi,
        libc=found.libc,
        sha256=sha256,
        source=source,
        version=version or found.version,
        at_least=found.at_least,
        address=address,
        on_trust=on_trust,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put(path, content, 0o644 if found.tool == "library" else 0o755)
        put(folder / f"{path.name}.json", msgspec.json.encode(record), 0o644)
    except OSError as error:
        raise UsageError(f"{str(folder)!r} can't be written: {error.strerror}.") from error
    return record


def cache_folder() -> Path:
    """Where binaries are kept between sweeps."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tflite-phone-bench" / "runtime"


def digest_of(path: Path) -> str | None:
    """The sha256 of a file; None when it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _folder(source: Source, abi: str, libc: Libc) -> Path:
    return cache_folder() / source / f"{abi}-{libc}"


def put(path: Path, content: bytes, mode: int) -> None:
    """Written as a whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
