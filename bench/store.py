"""Results on disk: one folder a run, one line a trial, written before going on.

    results/<sweep>/<UTC start>/
        sweep.toml  plan.json  devices.json  models.json  trials.jsonl  tries.jsonl
        logs/<trial key>.txt

See docs/formats.md. A run that is being written holds a lock, so that two hosts'
processes can't write into one; a last line cut by a crash is dropped on resume.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from bench.errors import StoreError
from bench.records import Device, Model, Plan, Trial, decode, encode

LOG_LIMIT = 256 * 1024  # bytes of a trial's log; a phone may print for ever
R = TypeVar("R")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it lies on disk, without its trials."""

    path: Path
    plan: Plan
    devices: dict[str, Device]
    models: dict[str, Model]


class RunWriter:
    """The one process that may write into a run's folder; close() lets go of it."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._trials = (path / "trials.jsonl").open("ab")

    def append(self, trial: Trial) -> None:
        """Write a trial's line and wait until the disk has it."""
        with _named(self.path, "write"):
            _append(self._trials, trial)

    def append_try(self, trial: Trial) -> None:
        """Keep a try of a trial that is to be repeated; it is not the trial's final line."""
        with _named(self.path, "write"), (self.path / "tries.jsonl").open("ab") as tries:
            _append(tries, trial)

    def log(self, key: str, argv: tuple[str, ...], stderr: bytes) -> None:
        """Keep what a trial was started with and what it complained of."""
        text = "\n".join(argv).encode("utf-8", "surrogateescape") + b"\n\n" + stderr
        with _named(self.path, "write"):
            (self.path / "logs" / f"{key}.txt").write_bytes(text[:LOG_LIMIT])

    def close(self) -> None:
        """Let go of the run."""
        self._trials.close()
        os.close(self._lock)


def create_run(
    results: Path,
    sweep_text: str,
    plan: Plan,
    devices: dict[str, Device],
    models: dict[str, Model],
) -> RunWriter:
    """Make a new run's folder and everything in it but the trials."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with _named(results, "write"):
        path = _new_folder(results / plan.name, stamp)
        (path / "logs").mkdir()
        _write(path / "sweep.toml", sweep_text.encode())
        _write(path / "plan.json", _pretty(plan))
        _write(path / "devices.json", _pretty(devices))
        _write(path / "models.json", _pretty(models))
        _write(path / "trials.jsonl", b"")
        return RunWriter(path, _take_lock(path))


def resume_run(path: Path) -> RunWriter:
    """Open a run for more trials; a line that a crash cut short is dropped."""
    with _named(path, "write"):
        lock = _take_lock(path)
        for file in (path / "trials.jsonl", path / "tries.jsonl"):
            if file.exists() and (whole := _whole_lines(file)) < file.stat().st_size:
                os.truncate(file, whole)
        return RunWriter(path, lock)


def latest_run(results: Path, name: str) -> Path | None:
    """The newest run of a sweep, or None."""
    folder = results / name
    runs = [p for p in folder.iterdir() if _is_run(p)] if folder.is_dir() else []
    return max(runs, key=lambda p: p.name, default=None)


def find_runs(path: Path) -> list[Path]:
    """The runs at or under a folder (a run, a sweep, or all results), oldest first."""
    if _is_run(path):
        return [path]
    if not path.is_dir():
        raise StoreError(f"no results at {path}.", next_step="Name a run's folder.")
    below = [p.parent for p in path.glob("*/plan.json")]
    below += [p.parent for p in path.glob("*/*/plan.json")]
    if not below:
        raise StoreError(f"no run in {path}: it holds no plan.json.", next_step="Name a run.")
    return sorted(below, key=lambda p: (p.name, str(p)))


def read_run(path: Path) -> Run:
    """A run without its trials."""
    if not _is_run(path):
        raise StoreError(f"no run in {path}: it holds no plan.json.", next_step="Name a run.")
    return Run(
        path=path,
        plan=_read(path / "plan.json", Plan),
        devices=_read(path / "devices.json", dict[str, Device]),
        models=_read(path / "models.json", dict[str, Model]),
    )


def read_trials(path: Path) -> Iterator[Trial]:
    """The trials of a run in the order they ended, one at a time."""
    return _read_lines(path / "trials.jsonl")


def read_tries(path: Path) -> Iterator[Trial]:
    """Tries that were followed by another, in the order they ended; of a run that has any."""
    file = path / "tries.jsonl"
    return _read_lines(file) if file.is_file() else iter(())


def _read_lines(file: Path) -> Iterator[Trial]:
    with _named(file, "read"), file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return  # cut by a crash, or still being written
            try:
                yield decode(line, Trial)
            except StoreError as error:
                raise StoreError(
                    f"{file}, line {number}: {error.what}",
                    next_step="Take the line out, or read it with the version that wrote it.",
                ) from error


def _append(file: BinaryIO, trial: Trial) -> None:
    file.write(encode(trial) + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _new_folder(parent: Path, stamp: str) -> Path:
    for suffix in ["", *(f"-{n}" for n in range(2, 1000))]:
        path = parent / (stamp + suffix)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not path.is_dir() or not parent.is_dir():
                raise
            continue
        return path
    raise FileExistsError(f"a thousand runs at {stamp}")


def _take_lock(path: Path) -> int:
    lock = os.open(path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise StoreError(
            f"another bench is writing into {path}.", next_step="Wait for it, or stop it."
        ) from error
    return lock


def _whole_lines(file: Path) -> int:
    """Bytes up to and with the last line end."""
    end = 0
    with file.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                end += len(line)
    return end


def _is_run(path: Path) -> bool:
    return (path / "plan.json").is_file()


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, kind: type[R]) -> R:
    with _named(path, "read"):
        data = path.read_bytes()
    try:
        return decode(data, kind)
    except StoreError as error:
        raise StoreError(f"{path}: {error.what}") from error


@contextmanager
def _named(path: Path, verb: str) -> Iterator[None]:
    """An OSError inside becomes a StoreError that names the folder and the cure."""
    try:
        yield
    except OSError as error:
        cure = "Choose another folder with --results." if verb == "write" else None
        raise StoreError(
            f"can't {verb} results in {path}: {error.strerror or error}.", next_step=cure
        ) from error
