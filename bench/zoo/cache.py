"""Files that are made once: named by what they hold, never half-written, safe to make twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import ModelError, StoreError
from bench.records import Record, decode, encode

# Raise it when the same file would be counted otherwise than before.
COUNTER = 1

_MAKING = ".making-"
_ABANDONED_S = 24 * 3600.0  # nothing takes a day to make


class Facts(Record, frozen=True, kw_only=True):
    """What is known of a file once it has been read."""

    sha256: str
    size_bytes: int
    macs: int | None
    macs_conv: int | None
    params: int
    not_countable: str | None


class _Entry(Record, frozen=True, kw_only=True):
    """What stands beside a cached file: its facts, and the time that the file had then."""

    counter: int = COUNTER
    mtime_ns: int
    facts: Facts


def key_of(request: Mapping[str, Any]) -> str:
    """A short name for what is asked for."""
    text = json.dumps(request, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cached(path: Path, write: Callable[[Path], None]) -> Facts:
    """The facts of the file at `path`, which is written when it isn't there or was changed.

    A file isn't hashed again while its size and time are as they were written down.
    """
    beside = path.with_suffix(".json")
    known = _known(beside)
    status = path.stat() if path.is_file() else None
    if known is not None and status is not None and status.st_size == known.facts.size_bytes:
        if status.st_mtime_ns == known.mtime_ns:
            return known.facts
        if sha256_of(path) == known.facts.sha256:
            return known.facts
    write_atomically(path, write)
    entry = _Entry(mtime_ns=path.stat().st_mtime_ns, facts=facts_of(path))
    write_atomically(beside, lambda temporary: put(temporary, encode(entry)))
    return entry.facts


def facts_of(path: Path) -> Facts:
    """The facts of any model file; ModelError when it can't be read."""
    from bench.zoo.complexity import count

    counted = count(path)
    return Facts(
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        macs=counted.macs,
        macs_conv=counted.macs_conv,
        params=counted.params,
        not_countable=counted.not_countable,
    )


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Under another name first, so that a reader finds all of it or nothing."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_up(path.parent)
        handle, name = tempfile.mkstemp(prefix=_MAKING, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise ModelError(
            f"{str(path)!r} can't be written: {error.strerror or error}.",
            next_step="Choose another folder, or free space there.",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def put(path: Path, data: bytes | memoryview) -> None:
    """Path.write_bytes, which copies what isn't `bytes`, without the copy."""
    with path.open("wb") as file:
        file.write(data)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sweep_up(directory: Path) -> None:
    """Remove what processes that were killed have left."""
    for left in directory.glob(f"{_MAKING}*"):
        with contextlib.suppress(OSError):  # another process may finish or remove it
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                left.unlink()


def _known(beside: Path) -> _Entry | None:
    try:
        entry = decode(beside.read_bytes(), _Entry)
    except (OSError, StoreError):
        return None
    return entry if entry.counter == COUNTER else None
