"""The record that each running virtual phone leaves for other processes to find it by.

One folder, readable by its owner only: PORT.json the record, PORT.sock the control channel,
PORT.log what the daemon complained of.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from bench.errors import StoreError
from bench.records import Record, decode, encode
from bench.virtual import procstat

FOLDER_PREFIX = "bench-virtual-"  # of a reduced phone's world, in a folder for temporary files


class VirtualPhone(Record, frozen=True, kw_only=True):
    """A running virtual phone."""

    port: int
    pid: int
    profile: str
    serial: str  # as adb lists it after `adb connect`
    fidelity: Literal["full", "reduced"]
    abi: str = ""  # of its programs, as Android spells it
    emulated: bool = False  # its programs run under qemu
    notes: tuple[str, ...] = ()  # what is not as on a phone, and why


class Entry(Record, frozen=True, kw_only=True):
    """A running phone with what it takes to recognise and remove it."""

    phone: VirtualPhone
    start_ticks: int  # of the daemon, since boot: with it a reused pid is told apart
    folder: str | None = None  # of a reduced world


def folder() -> Path:
    """The state folder, made if need be, closed to other users."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(base) / "tflite-phone-bench" / "virtual"
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"The state of virtual phones can't be kept in {path}: {error.strerror}.",
            next_step="Set XDG_STATE_HOME to a folder of yours.",
        ) from error
    return path


def write(where: Path, entry: Entry) -> None:
    """Record a running phone."""
    with locked(where):
        fresh = where / f"{entry.phone.port}.json.new"
        fresh.write_bytes(encode(entry))
        fresh.rename(where / f"{entry.phone.port}.json")


def read_all(where: Path) -> list[Entry]:
    """The phones that run, by port; what dead ones left behind is removed."""
    alive = []
    with locked(where):
        for path in sorted(where.glob("*.json")):
            entry = _read(path)
            if entry is None:
                path.unlink(missing_ok=True)
            elif is_alive(entry):
                alive.append(entry)
            else:
                remove_traces(where, entry)
    return sorted(alive, key=lambda entry: entry.phone.port)


def remove_traces(where: Path, entry: Entry) -> None:
    """Delete the files of a phone that no longer runs, and its zombie if that is ours."""
    with suppress(ChildProcessError):
        os.waitpid(entry.phone.pid, os.WNOHANG)
    remove_files(where, entry.phone.port)
    remove_world(entry.folder)


def remove_files(where: Path, port: int) -> None:
    """Delete what is kept in the state folder for a port."""
    for suffix in ("json", "sock", "log"):
        (where / f"{port}.{suffix}").unlink(missing_ok=True)


def remove_world(path: str | None) -> None:
    """Delete a reduced phone's folder; nothing that isn't one."""
    if path is not None and Path(path).name.startswith(FOLDER_PREFIX):
        shutil.rmtree(path, ignore_errors=True)


def is_alive(entry: Entry) -> bool:
    """Whether the daemon still runs, and is the one that was recorded."""
    stat = procstat.read(entry.phone.pid)
    return stat is not None and stat.alive and stat.start_ticks == entry.start_ticks


@contextmanager
def locked(where: Path) -> Iterator[None]:
    """One process at a time changes the records."""
    with (where / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Entry | None:
    try:
        return decode(path.read_bytes(), Entry)
    except (OSError, StoreError):
        return None
