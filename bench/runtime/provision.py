"""Gets binaries for a kind of phone: from the user, from the cache, from their official address."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.errors import RuntimeMissing, UsageError
from bench.runtime import download as downloads
from bench.runtime.cache import Kept, cache_folder, digest_of, keep, recorded
from bench.runtime.download import DownloadError, Progress
from bench.runtime.examine import examine
from bench.runtime.official import (
    FILES,
    OFFICIAL,
    SETTINGS,
    SYSTEMS,
    Libc,
    Official,
    Tool,
    official,
)
from bench.runtime.package import is_package, libraries_in

MAX_BYTES = downloads.MAX_BYTES
MAX_PACKAGE_BYTES = 2 * 1024 * 1024 * 1024


def add(path: Path | str) -> tuple[Kept, ...]:
    """Keep a binary of the user's own, or all that a package of LiteRT holds.

    `path` is a libLiteRt.so, a benchmark_model, or an .aar or .whl of LiteRT. UsageError when no
    phone or no runner could use it; a package is kept as a whole or not at all.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UsageError(f"{str(path)!r} is not a file.")
        with path.open("rb") as file:
            start = file.read(4)
        if size > (MAX_PACKAGE_BYTES if is_package(start) else MAX_BYTES):
            raise UsageError(f"{str(path)!r} is too large to be of LiteRT.")
        if is_package(start):
            return _add_package(path)
        return (_add(path.read_bytes(), str(path)),)
    except OSError as error:
        raise UsageError(f"{str(path)!r} can't be read: {error.strerror}.") from error


def fetch(
    abi: str,
    tool: Tool = "library",
    *,
    libc: Libc = "bionic",
    progress: Progress | None = None,
) -> Path:
    """Download a binary for a kind of phone from its official address; nothing is fetched twice.

    A library is checked against its known hash. No hash of benchmark_model is published: what came
    first is believed, and another one under the same address is refused. RuntimeMissing otherwise.
    """
    wanted = official(tool, abi, libc)
    before = recorded(tool, abi, libc, "fetched")
    if before is not None and before.version != wanted.version:
        before = None
    if before is not None and digest_of(Path(before.path)) == before.sha256:
        return Path(before.path)
    content, digest = _downloaded(wanted, progress)
    if before is not None and before.sha256 != digest:
        raise _not_fetched(
            wanted,
            f"its sha256 is {digest}, but {before.sha256} came when it was first fetched. If the "
            f"change is meant, remove {before.path}.json",
        )
    try:
        found = examine(content, digest, wanted.address)
    except UsageError as error:
        raise _not_fetched(wanted, f"what came is not it. {error}") from error
    if (found.tool, found.abi, found.libc) != (tool, abi, libc):
        raise _not_fetched(wanted, f"it is {FILES[found.tool]} for {found.abi} ({found.libc})")
    return Path(
        keep(
            content,
            found,
            "fetched",
            sha256=digest,
            version=wanted.version,
            address=wanted.address,
            on_trust=wanted.sha256 is None,
        ).path
    )


def missing(tool: Tool, abi: str, libc: Libc) -> RuntimeMissing:
    """What to tell a user whose phone's binary is not at hand."""
    what = f"No {FILES[tool]} for {abi} ({SYSTEMS[libc]}) is at hand."
    wanted = OFFICIAL.get((tool, abi, libc))
    if wanted is None:
        return RuntimeMissing(what, next_step="Keep one of your own with: bench runtime add FILE")
    option = "" if tool == "library" else f" --tool {tool}"
    option += "" if libc == "bionic" else f" --libc {libc}"
    return RuntimeMissing(
        what,
        next_step=f"Get it with: bench runtime fetch {abi}{option}. Without a network you can "
        f"{_by_hand(wanted)}",
    )


def _add(content: bytes, name: str, version: str | None = None) -> Kept:
    digest = hashlib.sha256(content).hexdigest()
    return keep(content, examine(content, digest, name), "added", sha256=digest, version=version)


def _add_package(path: Path) -> tuple[Kept, ...]:
    """Everything is looked at before the first is kept."""
    for name, folder_abi, _, content in libraries_in(path):
        found = examine(content, hashlib.sha256(content).hexdigest(), f"{path.name}: {name}")
        if folder_abi is not None and (found.abi, found.libc) != (folder_abi, "bionic"):
            raise UsageError(
                f"{str(path)!r} is not what it says: {name} is for {found.abi} ({found.libc})."
            )
    return tuple(
        _add(content, f"{path.name}: {name}", version)
        for name, _, version, content in libraries_in(path)
    )


def _downloaded(wanted: Official, progress: Progress | None) -> tuple[bytes, str]:
    """The bytes that came, and their hash, which is the pinned one where there is one."""
    part = _part(wanted)
    try:
        for _ in range(2):
            _, resumed = downloads.download(
                wanted.address, part, size=wanted.size_bytes, progress=progress
            )
            content = part.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            downloads.discard(part)
            if wanted.sha256 in (None, digest):
                return content, digest
            if not resumed:  # else its beginning may be of another file: once more, from the start
                break
    except DownloadError as error:
        raise _not_fetched(wanted, str(error)) from error
    except OSError as error:
        raise UsageError(f"{str(part.parent)!r} can't be written: {error.strerror}.") from error
    raise _not_fetched(wanted, f"its sha256 is {digest}, expected {wanted.sha256}")


def _part(wanted: Official) -> Path:
    name = f"{wanted.abi}-{wanted.libc}-{FILES[wanted.tool]}-{wanted.version}.part"
    return cache_folder() / "partial" / name


def _not_fetched(wanted: Official, why: str) -> RuntimeMissing:
    return RuntimeMissing(
        f"{wanted.address} was not fetched: {why}.",
        next_step=f"You can {_by_hand(wanted)}. A mirror can be named in {SETTINGS[wanted.tool]}.",
    )


def _by_hand(wanted: Official) -> str:
    known = f" (sha256 {wanted.sha256})" if wanted.sha256 else ""
    return (
        f"download {wanted.address}{known} by other means and keep it with: bench runtime add FILE"
    )
