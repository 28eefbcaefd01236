"""Which runner, which LiteRT library and which benchmark_model go to which phone."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib import metadata
from pathlib import Path
from typing import get_args

import msgspec

from bench.errors import RuntimeMissing
from bench.records import Record, RunnerIdentity
from bench.runtime import provision
from bench.runtime.cache import Kept, Source, kept
from bench.runtime.contract import CONTRACT
from bench.runtime.elf import ElfError, read_elf
from bench.runtime.official import FILES, OFFICIAL, Libc

RUNNERS = Path(__file__).parent / "bin"  # filled by hatch_build.py
_FOLDERS: dict[tuple[str, Libc], str] = {
    ("arm64-v8a", "bionic"): "aarch64-linux-android",
    ("armeabi-v7a", "bionic"): "arm-linux-android",
    ("x86_64", "bionic"): "x86_64-linux-android",
    ("x86", "bionic"): "i686-linux-android",
    ("arm64-v8a", "glibc"): "aarch64-linux-gnu",
    ("x86_64", "glibc"): "x86_64-linux-gnu",
}
ABIS = tuple(abi for abi, libc in _FOLDERS if libc == "bionic")
_BUILD = "Build it with: python hatch_build.py (in a checkout), or reinstall bench."


class Binaries(Record, frozen=True, kw_only=True):
    """What is pushed to one kind of phone."""

    runner: Path
    runner_sha256: str
    runner_version: str
    library: Path
    library_sha256: str
    library_version: str | None
    library_source: Source
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
    library_at_least: str | None = None  # where the version isn't known
    library_sha256: str | None = None
    source: str | None  # of the library: added, fetched or wheel
    library_16k_pages: bool | None = None  # whether phones with 16 KiB pages load it
    library_official: bool = False  # whether it can be fetched
    benchmark_model: str | None = None
    benchmark_model_version: str | None = None
    benchmark_model_sha256: str | None = None
    benchmark_model_source: str | None = None
    benchmark_model_official: bool = False


def find(abis: tuple[str, ...], libc: Libc | None) -> Binaries:
    """Runner and library for a phone, by the first of its ABIs that bench knows.

    A phone names its own processor's ABI first; what follows runs with fewer bits or in
    translation, and would measure something else. A phone that doesn't tell its C library is taken
    for an Android one. RuntimeMissing names what lacks and how to get it.
    """
    abi, libc = _own_abi(abis), libc or "bionic"
    if (abi, libc) not in _FOLDERS:
        raise RuntimeMissing(
            f"There is no runner for {abi} with {libc}.",
            next_step=f"With {libc} bench has runners for: "
            f"{', '.join(a for a, with_libc in _FOLDERS if with_libc == libc)}.",
        )
    runner, library = _runner(abi, libc), _library(abi, libc)
    if runner is None:
        raise RuntimeMissing(f"The runner for {abi} ({libc}) is not built.", next_step=_BUILD)
    if library is None:
        raise provision.missing("library", abi, libc)
    return _binaries(abi, libc, runner, library)


def find_benchmark_model(abis: tuple[str, ...], libc: Libc | None) -> Kept:
    """Google's benchmark_model for a phone; RuntimeMissing says how to get it."""
    abi, libc = _own_abi(abis), libc or "bionic"
    found = kept("benchmark_model", abi, libc)
    if found is None:
        raise provision.missing("benchmark_model", abi, libc)
    return found


def list_available() -> list[Available]:
    """Every kind of phone that bench knows, and what is at hand for it."""
    return [_available(abi, libc) for libc in get_args(Libc) for abi in ABIS]


def _available(abi: str, libc: Libc) -> Available:
    runner, library = _runner(abi, libc), _library(abi, libc)
    tool = kept("benchmark_model", abi, libc)
    return Available(
        abi=abi,
        libc=libc,
        runner=str(runner) if runner else None,
        library=library.path if library else None,
        library_version=library.version if library else None,
        library_at_least=library.at_least if library else None,
        library_sha256=library.sha256 if library else None,
        source=library.source if library else None,
        library_16k_pages=_loads_at_16k(library.path) if library else None,
        library_official=("library", abi, libc) in OFFICIAL,
        benchmark_model=tool.path if tool else None,
        benchmark_model_version=tool.version if tool else None,
        benchmark_model_sha256=tool.sha256 if tool else None,
        benchmark_model_source=tool.source if tool else None,
        benchmark_model_official=("benchmark_model", abi, libc) in OFFICIAL,
    )


def _own_abi(abis: tuple[str, ...]) -> str:
    known = [abi for abi in abis if abi in ABIS]
    if not known:
        raise RuntimeMissing(
            f"There is no runner for this phone's ABIs ({', '.join(abis) or 'none told'}).",
            next_step=f"bench has runners for: {', '.join(ABIS)}.",
        )
    return known[0]


def _runner(abi: str, libc: Libc) -> Path | None:
    folder = _FOLDERS.get((abi, libc))
    path = RUNNERS / folder / "bench-runner" if folder else None
    return path if path is not None and path.is_file() else None


def _library(abi: str, libc: Libc) -> Kept | None:
    found = kept("library", abi, libc)
    if found is not None or libc == "bionic":
        return found
    wheel = _wheel_library()
    return wheel if wheel is not None and wheel.abi == abi else None


def _wheel_library() -> Kept | None:
    """The library inside the installed ai-edge-litert, found without importing it."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / FILES["library"]
    try:
        content = path.read_bytes()
        abi = read_elf(content).abi
    except (OSError, ElfError):
        return None
    return Kept(
        tool="library",
        path=str(path),
        abi=abi,
        libc="glibc",
        sha256=hashlib.sha256(content).hexdigest(),
        source="wheel",
        version=metadata.version("ai-edge-litert"),
    )


def _loads_at_16k(path: str) -> bool | None:
    try:
        return read_elf(Path(path).read_bytes()).load_alignment >= 16384
    except (OSError, ElfError):
        return None


def _built_version(runner: Path) -> str | None:
    """The version that the build wrote down beside the runner; None: not told."""
    try:
        record = msgspec.json.decode((runner.parent / "build.json").read_bytes(), type=_Build)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None
    return record.version


class _Build(msgspec.Struct):
    version: str | None = None


def _binaries(abi: str, libc: Libc, runner: Path, library: Kept) -> Binaries:
    from bench import __version__  # compiled into the runner by the build

    built = _built_version(runner)
    if built is not None and built != __version__:
        raise RuntimeMissing(
            f"The runner for {abi} ({libc}) was built from bench {built}, this is {__version__}.",
            next_step=_BUILD,
        )
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
