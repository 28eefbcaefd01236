"""What the kernel tells of a process in /proc/PID/stat."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class ProcStat(NamedTuple):
    """The fields of proc_pid_stat(5) that are of use here."""

    alive: bool  # False: it only waits to be reaped
    parent: int
    session: int
    start_ticks: int  # since boot; a reused pid has another
    cpu_ticks: int  # that it has used itself


def read(pid: int | str) -> ProcStat | None:
    """None when there is no such process."""
    try:
        text = Path("/proc", str(pid), "stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # "pid (name) state ppid pgrp session ..."; the name may hold anything, even ")"
    fields = text.rpartition(")")[2].split()
    return ProcStat(
        alive=fields[0] not in ("Z", "X"),
        parent=int(fields[1]),
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        cpu_ticks=sum(map(int, fields[11:13])),
    )


def pids() -> list[int]:
    """All processes that this one can see."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def descendants(pid: int) -> list[int]:
    """A process and all that it has started and that still is its child, or theirs."""
    try:
        text = Path("/proc", str(pid), "task", str(pid), "children").read_text()
    except OSError:
        return [pid]
    return [pid, *(found for child in text.split() for found in descendants(int(child)))]


def command_line(pid: int) -> list[str]:
    """A process's arguments; [] when it is gone or has none."""
    try:
        text = Path("/proc", str(pid), "cmdline").read_text("utf-8", errors="replace")
    except OSError:
        return []
    return text.removesuffix("\0").split("\0") if text else []
