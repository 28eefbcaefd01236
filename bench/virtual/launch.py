"""Starting and stopping a daemon from the process that wants a phone."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from bench.errors import BenchError, UsageError
from bench.records import Record, decode, encode
from bench.virtual import state
from bench.virtual.state import VirtualPhone

START_SECONDS = 30.0
STOP_SECONDS = 8.0


class Options(Record, frozen=True, kw_only=True):
    """What is asked of a daemon."""

    profile: str
    port: int | None = None
    disk_mb: int | None = None
    features: tuple[str, ...] | None = None
    fidelity: str | None = None  # full, reduced, or the best to be had
    serialno: str | None = None  # what the phone calls itself; None: by profile and port
    abi: str | None = None  # of its programs; None: the host's

    def __post_init__(self) -> None:
        if self.disk_mb is not None and self.disk_mb < 1:
            raise UsageError(f"A phone's disk has at least 1 MB, not {self.disk_mb}.")
        if self.serialno is not None and not re.fullmatch(r"[A-Z0-9]{1,40}", self.serialno):
            raise UsageError(f"A serial number is capital letters and digits: {self.serialno!r}.")
        if self.fidelity not in (None, "full", "reduced"):
            raise UsageError(f"A world's fidelity is full or reduced, not {self.fidelity!r}.")


class Errand(Record, frozen=True, kw_only=True):
    """The options with the ends of the pipes that tie the daemon to its starter."""

    options: Options
    state: str  # folder
    ready_fd: int  # gets one line: an Answer
    leash_fd: int | None = None  # at its end the daemon stops


class Answer(Record, frozen=True, kw_only=True):
    """The daemon's only word to its starter: a phone, or why there is none."""

    phone: VirtualPhone | None = None
    failed: str = ""
    usage: bool = False  # the failure is the asker's mistake


def start(options: Options, *, leash_fd: int | None) -> VirtualPhone:
    """Start a daemon, detached from this process but for the leash; returns when it serves."""
    if sys.platform != "linux":
        raise UsageError("A virtual phone needs Linux.", next_step="Use a Linux machine or VM.")
    where = state.folder()
    ready_read, ready_write = os.pipe()
    errand = Errand(options=options, state=str(where), ready_fd=ready_write, leash_fd=leash_fd)
    with os.fdopen(ready_read, "rb") as ready, tempfile.TemporaryFile() as complaints:
        process = _spawn(errand, complaints)
        os.close(ready_write)
        try:
            answer = _heard(ready, process)
        except BaseException:
            _end(process)
            raise
        complaints.seek(0)
        complaint = complaints.read(2000).decode("utf-8", "replace").strip()
    if answer is not None and answer.phone is not None:
        process.returncode = 0  # it lives on: this process has no more to do with it
        return answer.phone
    _end(process)
    if answer is None:
        raise BenchError(f"The virtual phone's daemon died while starting: {complaint or '?'}")
    if answer.usage:
        raise UsageError(answer.failed)
    raise BenchError(f"{answer.failed} {complaint}".rstrip())


def stop(daemon_pidfd: int) -> None:
    """End a daemon, gently first; returns when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            signal.pidfd_send_signal(daemon_pidfd, number)
        except ProcessLookupError:
            return
        if select.select([daemon_pidfd], [], [], STOP_SECONDS)[0]:
            return


def _spawn(errand: Errand, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    errand_read, errand_write = os.pipe()
    kept = [fd for fd in (errand_read, errand.ready_fd, errand.leash_fd) if fd is not None]
    with os.fdopen(errand_write, "wb") as file:
        try:
            process = subprocess.Popen(
                [sys.executable, "-X", "utf8", "-m", "bench.virtual.daemon", str(errand_read)],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                cwd="/",
                pass_fds=kept,
                start_new_session=True,
            )
        finally:
            os.close(errand_read)
        file.write(encode(errand))
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a daemon that has no phone for us; it removes what it has made of it."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _heard(ready: IO[bytes], process: subprocess.Popen[bytes]) -> Answer | None:
    """The daemon's answer; None when it died without one."""
    if not select.select([ready], [], [], START_SECONDS)[0]:
        raise BenchError(f"The virtual phone's daemon is silent for {START_SECONDS:.0f} s.")
    line = ready.readline()
    return decode(line, Answer) if line else None
