"""The phone's processes: started, waited for, and ended with all of their session.

The daemon is process 1 of its world, so it also reaps what others leave behind. One handler
of SIGCHLD does both; nothing here waits for a process by itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from bench.virtual import procstat

# How long a command may take to obey SIGHUP before it is killed; a script of ours ends its step.
_HANGUP_SECONDS = 2.0
_KILL_SECONDS = 3.0  # what still forks while it is killed is killed again for so long
_WATCH_SECONDS = 0.02  # between two looks for a process
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Child:
    """A started process, leader of a session of its own."""

    def __init__(self, pid: int, exited: asyncio.Future[int]) -> None:
        self.pid = pid
        self._exited = exited

    async def exit_code(self) -> int:
        """As a shell tells it: 128 + the signal for a killed process."""
        return await asyncio.shield(self._exited)

    async def end_session(self) -> None:
        """Hang up, then kill, every process of the session; returns when none is left."""
        _signal_all(_members(self.pid), signal.SIGHUP)
        give_up_at = time.monotonic() + _HANGUP_SECONDS
        while time.monotonic() < give_up_at:
            if not _members(self.pid):
                return
            await asyncio.sleep(0.02)
        await _kill_all(lambda: _members(self.pid))


class Processes:
    """Starts children and hears of every end."""

    def __init__(self) -> None:
        self._exits: dict[int, asyncio.Future[int]] = {}

    def watch(self) -> None:
        """Begin to reap; once, from the running loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def start(
        self,
        argv: list[str],
        environment: dict[str, str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        folder: str,
    ) -> Child:
        """Start a command on three descriptors that stay the caller's to close."""
        popen = subprocess.Popen(
            argv,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            start_new_session=True,
            close_fds=False,  # every descriptor here is closed on exec already
        )
        popen.returncode = 0  # the end is heard here; Popen must not wait for it
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._exits[popen.pid] = exited
        return Child(popen.pid, exited)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop every command that runs, with what it has started in its own group, for a block."""
        groups = list(self._exits)  # some outlive their leader, and have to go on as well
        _signal_groups(groups, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal_groups(groups, signal.SIGCONT)

    def cpu_s(self) -> dict[int, float]:
        """Processor seconds that each process of a running command has used so far, by its id."""
        pids = {pid for leader in self._exits for pid in procstat.descendants(leader)}
        stats = ((pid, procstat.read(pid)) for pid in pids)
        return {pid: stat.cpu_ticks / _TICKS_PER_S for pid, stat in stats if stat is not None}

    async def kill_seen(self, pattern: str, after_s: float) -> None:
        """Wait for a process whose command line holds `pattern`, and kill it `after_s` later.

        A shell that was given the command as text is not meant. What is over by then is not
        killed, and the next one is waited for.
        """
        while True:
            seen = _matching(pattern)
            if seen:
                await asyncio.sleep(after_s)
                left = [pid for pid in _matching(pattern) if pid in seen]
                _signal_all(left, signal.SIGKILL)
                if left:
                    return
            await asyncio.sleep(_WATCH_SECONDS)

    async def end_all(self) -> None:
        """Kill everything that was ever started here and still runs."""
        await _kill_all(_descendants)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            exited = self._exits.pop(pid, None)
            if exited is not None and not exited.done():
                code = os.waitstatus_to_exitcode(status)
                exited.set_result(code if code >= 0 else 128 - code)


def _descendants() -> list[int]:
    """The living processes that come from this one."""
    stats = {pid: procstat.read(pid) for pid in procstat.pids()}
    parents = {pid: stat.parent for pid, stat in stats.items() if stat is not None}

    def comes_from_here(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    alive = [pid for pid, stat in stats.items() if stat is not None and stat.alive]
    return [pid for pid in alive if comes_from_here(pid)]


def _matching(pattern: str) -> list[int]:
    found = []
    for pid in _descendants():
        argv = procstat.command_line(pid)
        if argv[1:2] != ["-c"] and pattern in " ".join(argv):
            found.append(pid)
    return found


def _members(session: int) -> list[int]:
    """The living processes of a session."""
    stats = ((pid, procstat.read(pid)) for pid in procstat.pids())
    return [pid for pid, stat in stats if stat and stat.alive and stat.session == session]


async def _kill_all(find: Callable[[], list[int]]) -> None:
    give_up_at = time.monotonic() + _KILL_SECONDS
    while (found := find()) and time.monotonic() < give_up_at:
        _signal_all(found, signal.SIGKILL)
        await asyncio.sleep(0.01)


def _signal_groups(groups: list[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
