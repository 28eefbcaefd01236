"""Results on disk: one folder a run, one line a trial, written before going on.

    results/<sweep>/<UTC start>/
        sweep.toml  plan.json  devices.json  models.json  trials.jsonl  tries.jsonl
        logs/<trial key>.txt

See docs/formats.md. A run that is being written holds a lock, so that two hosts'
processes can't write into one; a last line cut by a crash is dropped on resume. plan.json is
written last: a folder without it is no run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.errors import StoreError
from bench.records import Device, Model, Plan, Trial, decode, encode

_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z)(?:-([0-9]{1,9}))?")  # of a run's folder
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

    def append(self, trial: Trial) -> None:
        """Write a trial's line and wait until the disk has it; all of it, or nothing."""
        _append(self.path / "trials.jsonl", trial)

    def append_try(self, trial: Trial) -> None:
        """Keep a try of a trial that is to be repeated; it is not the trial's final line."""
        _append(self.path / "tries.jsonl", trial)

    def log(self, key: str, argv: tuple[str, ...], stderr: bytes) -> None:
        """Keep what a trial was started with and what it complained of."""
        text = "\n".join(argv).encode("utf-8", "surrogateescape") + b"\n\n" + stderr
        with _named(self.path, "write"):
            (self.path / "logs" / f"{key}.txt").write_bytes(text[:LOG_LIMIT])

    def close(self) -> None:
        """Let go of the run."""
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
        with _locked(path) as writer:
            (path / "logs").mkdir()
            _write(path / "sweep.toml", sweep_text.encode())
            _write(path / "devices.json", _pretty(devices))
            _write(path / "models.json", _pretty(models))
            _write(path / "trials.jsonl", b"")
            _write(path / "plan.json.new", _pretty(plan))
            (path / "plan.json.new").rename(path / "plan.json")
        return writer


def resume_run(path: Path) -> RunWriter:
    """Open a run for more trials; a line that a crash cut short is dropped."""
    with _named(path, "write"):
        with _locked(path) as writer:
            for file in (path / "trials.jsonl", path / "tries.jsonl"):
                if file.exists() and (whole := _whole_lines(file)) < file.stat().st_size:
                    os.truncate(file, whole)
        return writer


def latest_run(results: Path, name: str) -> Path | None:
    """The newest run of a sweep, or None; one that was given another name is older than all."""

    def age(path: Path) -> tuple[bool, tuple[str, int]]:
        return _NAME.fullmatch(path.name) is not None, _order(path)

    return max(_runs_of(results / name), key=age, default=None)


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
    return sorted(below, key=lambda path: (_order(path), str(path)))


def is_being_written(path: Path) -> bool:
    """Whether a process holds the lock of a run."""
    try:
        with (path / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:  # a copied folder
        return False
    except BlockingIOError:
        return True
    return False


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


def _append(path: Path, trial: Trial) -> None:
    line = memoryview(encode(trial) + b"\n")
    with _named(path.parent, "write"), path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            while line:
                line = line[file.write(line) or 0 :]
            os.fsync(file.fileno())
        except BaseException as error:
            # A part of the line, of which a full disk or Ctrl-C took the rest, and onto which the
            # next one must not be written; nor may the disk have what we take for not written.
            if line or isinstance(error, OSError):
                with contextlib.suppress(OSError):
                    file.truncate(before)
            raise


def _runs_of(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _is_run(path)] if folder.is_dir() else []


def _order(path: Path) -> tuple[str, int]:
    """What runs are sorted by: the time in a name, then the number among those of one time."""
    named = _NAME.fullmatch(path.name)
    return (named[1], int(named[2] or 1)) if named else (path.name, 0)


def _new_folder(parent: Path, now: str) -> Path:
    """Named by the time, or after the newest run where the clock was put back meanwhile."""
    runs = [_order(path) for path in _runs_of(parent) if _NAME.fullmatch(path.name)]
    newest, number = max(runs, default=("", 0))
    stamp, first = (newest, number + 1) if newest >= now else (now, 1)
    for number in range(first, first + 1000):
        path = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not path.is_dir() or not parent.is_dir():
                raise
            continue
        return path
    raise FileExistsError(f"a thousand runs at {stamp}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[RunWriter]:
    """The writer of a run, which is let go of where it can't be made ready to be written."""
    writer = RunWriter(path, _take_lock(path))
    try:
        yield writer
    except BaseException:
        writer.close()
        raise


def _take_lock(path: Path) -> int:
    lock = os.open(path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    for wait_s in (0.05, 0.05, None):  # who asks whether it is held holds it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if wait_s is None:
                os.close(lock)
                raise StoreError(
                    f"another bench is writing into {path}.", next_step="Wait for it, or stop it."
                ) from error
            time.sleep(wait_s)
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


@contextlib.contextmanager
def _named(path: Path, verb: str) -> Iterator[None]:
    """An OSError inside becomes a StoreError that names the folder and the cure."""
    try:
        yield
    except OSError as error:
        cure = "Choose another folder with --results." if verb == "write" else None
        if verb == "write" and error.errno in (errno.ENOSPC, errno.EDQUOT) and _is_run(path):
            cure = "Make room, and go on with --resume: what is measured is kept."
        raise StoreError(
            f"can't {verb} results in {path}: {error.strerror or error}.", next_step=cure
        ) from error
