"""Which runner and which LiteRT library go to which phone."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib import metadata
from pathlib import Path
from typing import Literal

from bench.errors import RuntimeMissing
from bench.records import Record, RunnerIdentity
from bench.runtime import libraries
from bench.runtime.contract import CONTRACT
from bench.runtime.elf import ElfError, read_elf
from bench.runtime.libraries import LIBRARY, Library

Libc = Literal["bionic", "glibc"]

RUNNERS = Path(__file__).parent / "bin"  # filled by hatch_build.py
_MACHINES = {"arm64-v8a": "aarch64", "x86_64": "x86_64"}
_SYSTEMS: dict[Libc, str] = {"bionic": "linux-android", "glibc": "linux-gnu"}


class Binaries(Record, frozen=True, kw_only=True):
    """What is pushed to one kind of phone."""

    runner: Path
    runner_sha256: str
    runner_version: str
    library: Path
    library_sha256: str
    library_version: str | None
    library_source: libraries.Source
    abi: str
    libc: Libc

    @property
    def identity(self) -> RunnerIdentity:
        """As a trial's record names them."""
        return RunnerIdentity(
            contract=CONTRACT,
            version=self.runner_version,
            sha256=self.runner_sha256,
            abi=self.abi,
            library_sha256=self.library_sha256,
            library_version=self.library_version,
        )


class Available(Record, frozen=True, kw_only=True):
    """What is at hand for one kind of phone."""

    abi: str
    libc: Libc
    runner: str | None
    library: str | None
    library_version: str | None
    source: str | None  # of the library: added, fetched or wheel


def find(abis: tuple[str, ...], libc: Libc | None) -> Binaries:
    """Runner and library for a phone, by the first of its ABIs that has both.

    A phone that doesn't tell its C library is taken for an Android one. RuntimeMissing names
    what lacks and how to get it.
    """
    libc = libc or "bionic"
    able = [abi for abi in abis if abi in _MACHINES]
    if not able:
        raise RuntimeMissing(
            f"There is no runner for this phone's ABIs ({', '.join(abis) or 'none told'}).",
            next_step=f"bench has runners for: {', '.join(_MACHINES)}.",
        )
    for abi in able:
        runner, library = _runner(abi, libc), _library(abi, libc)
        if runner is not None and library is not None:
            return _binaries(abi, libc, runner, library)
    if _runner(able[0], libc) is None:
        raise RuntimeMissing(
            f"The runner for {able[0]} ({libc}) is not built.",
            next_step="Build it with: python hatch_build.py (in a checkout), or reinstall bench.",
        )
    if libc == "glibc":
        raise RuntimeMissing(
            f"The installed ai-edge-litert has no library for {able[0]}.",
            next_step="Run the sweep on a host with the same processor, or: "
            "pip install --force-reinstall ai-edge-litert",
        )
    raise libraries.missing(able[0])


def list_available() -> list[Available]:
    """Every kind of phone that bench knows, and what is at hand for it."""
    rows = []
    for libc in _SYSTEMS:
        for abi in _MACHINES:
            runner, library = _runner(abi, libc), _library(abi, libc)
            rows.append(
                Available(
                    abi=abi,
                    libc=libc,
                    runner=str(runner) if runner else None,
                    library=library.path if library else None,
                    library_version=library.version if library else None,
                    source=library.source if library else None,
                )
            )
    return rows


def _runner(abi: str, libc: Libc) -> Path | None:
    path = RUNNERS / f"{_MACHINES[abi]}-{_SYSTEMS[libc]}" / "bench-runner"
    return path if path.is_file() else None


def _library(abi: str, libc: Libc) -> Library | None:
    if libc == "bionic":
        return libraries.kept(abi)
    library = _wheel_library()
    return library if library is not None and library.abi == abi else None


def _wheel_library() -> Library | None:
    """The library inside the installed ai-edge-litert, found without importing it."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / LIBRARY
    try:
        content = path.read_bytes()
        abi = read_elf(content).abi
    except (OSError, ElfError):
        return None
    return Library(
        path=str(path),
        abi=abi,
        sha256=hashlib.sha256(content).hexdigest(),
        source="wheel",
        version=metadata.version("ai-edge-litert"),
    )


def _binaries(abi: str, libc: Libc, runner: Path, library: Library) -> Binaries:
    from bench import __version__  # compiled into the runner by the build

    return Binaries(
        runner=runner,
        runner_sha256=hashlib.sha256(runner.read_bytes()).hexdigest(),
        runner_version=__version__,
        library=Path(library.path),
        library_sha256=library.sha256,
        library_version=library.version,
        library_source=library.source,
        abi=abi,
        libc=libc,
    )
