"""The seam: everything that is done with a phone goes through a `Phone`."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# The one folder for all that is put on a phone. /data/local/tmp is where the shell user
# may write and execute on every Android, and where no app can; a folder of our own in it
# can be removed whole.
WORK_DIR = "/data/local/tmp/tflite-phone-bench"

# Old values of settings that were changed and not put back yet; see bench.device.prepare.
SAVED = f"{WORK_DIR}/settings.saved"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command on a phone ended, and all that it printed.

    `stderr` is None where the phone can't keep it apart; it is in `stdout` then.
    `exit_code` is 128 + N for a process that signal N ended.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes | None
    duration_s: float
    pid: int | None = None


class Phone(Protocol):
    """A phone that runs commands and takes files.

    Errors: DeviceLost when it is gone or silent, DeviceTimeout when the command is what
    hangs, DeviceFull without space, DeviceError for the rest. A command that exits with
    a code other than 0 is no error here.
    """

    @property
    def serial(self) -> str: ...

    @property
    def verified(self) -> MutableMapping[str, str]:
        """Files that were seen on the phone over this connection: SHA-256 by path."""
        ...

    def run(self, argv: Sequence[str], *, deadline_s: float) -> Finished:
        """Run one program, with nothing to read, to its end; killed after `deadline_s` in all."""
        ...

    def push(self, local: Path, remote: str, *, mode: int = 0o644) -> int:
        """Copy a file to the phone; the bytes sent."""
        ...

    def pull(self, remote: str, local: Path) -> int:
        """Copy a file from the phone; the bytes received."""
        ...

    def interrupt(self) -> None:
        """End what other threads do with this phone, now and from now on: a DeviceError."""
        ...


def content_path(kind: str, sha256: str, suffix: str = "") -> str:
    """Where content of this hash lies on a phone: no part of it comes from a file's name.

    >>> content_path("model", "9f" * 32, ".tflite")
    '/data/local/tmp/tflite-phone-bench/model-9f9f9f9f9f9f9f9f9f9f9f9f.tflite'
    """
    if not re.fullmatch(r"[a-z_]{1,20}", kind) or not re.fullmatch(r"(\.[a-z0-9]{1,8})?", suffix):
        raise ValueError(f"not a kind and a suffix: {kind!r}, {suffix!r}")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return f"{WORK_DIR}/{kind}-{sha256[:24]}{suffix}"
