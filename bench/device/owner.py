"""Who holds or prepared a phone, and whether that process still runs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Life = Literal["lives", "dead", "elsewhere"]

_ours: set[str] = set()


@contextmanager
def owned() -> Iterator[str]:
    """A word for what this process prepares: HOST:PROCESS:ITS START:RANDOM."""
    process = os.getpid()
    owner = f"{_host()}:{process}:{_started(process) or 0}:{secrets.token_hex(8)}"
    _ours.add(owner)
    try:
        yield owner
    finally:
        _ours.discard(owner)


def life_of(owner: str | None) -> Life:
    """Whether the owner still works with the phone; "elsewhere" can't be asked."""
    parts = (owner or "").split(":")
    if owner in _ours:
        return "lives"
    if len(parts) != 4 or not parts[1].isdecimal() or len(parts[1]) > 9:
        return "dead"  # no word of ours
    if parts[0] != _host():
        return "elsewhere"
    process = int(parts[1])
    if process == os.getpid() or process == 0:
        return "dead"  # it would stand in _ours
    if Path("/proc/self/stat").exists():
        return "lives" if _started(process) == parts[2] else "dead"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return "dead"
    except PermissionError:
        pass
    return "lives"


def who(owner: str | None) -> str:
    """An owner, to be told to a user."""
    if life_of(owner) == "elsewhere":
        return "bench on another computer"
    match = re.fullmatch(r"[^:]+:([0-9]{1,9}):[^:]+:[^:]+", owner or "")
    return "somebody unknown" if match is None else f"process {match[1]} on this computer"


def _host() -> str:
    """This computer, without its name: the word stays on phones.

    Names are not enough: half of a lab may be called "ubuntu", and a container has processes
    of its own.
    """
    told = [platform.node()]
    with suppress(OSError):
        told.append(Path("/etc/machine-id").read_text("utf-8", "replace").strip())
    with suppress(OSError):
        told.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(told).encode("utf-8", "replace")).hexdigest()[:12]


def _started(process: int) -> str | None:
    """When a process began, in ticks of the kernel; None when it is gone, or dead and unburied."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if len(fields) < 20 or fields[0] in ("Z", "X") else fields[19]
