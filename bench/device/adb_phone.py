"""A phone behind an adb server: each call is one connection, and each wait has an end."""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from bench.device import shell, sync
from bench.device.parse.df import parse_df
from bench.device.parse.text import printable
from bench.device.phone import WORK_DIR, Finished
from bench.device.wire import Refused, Wire, WireAborted, WireEnded, WireGarbage, WireTimeout
from bench.errors import BenchError, DeviceError, DeviceFull, DeviceLost, DeviceTimeout

_AFTER_LOSS = "Check the cable and that the phone is on, then run the command again."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a phone may stay silent before it counts as lost."""

    open_s: float = 10.0  # a phone that answers opens a stream in ms; one that swaps, in seconds
    kill_s: float = 3.0
    silence_s: float = 30.0  # amid a file: cheap flash stalls for seconds when it erases


class AdbPhone:
    """A `Phone` over an adb server. Safe to use from several threads.

    `name` is the serial that it goes by here, where its server's own would not tell which
    server's it is.
    """

    def __init__(
        self,
        serial: str,
        features: frozenset[str],
        *,
        host: str,
        port: int,
        name: str | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self._serial = name or serial
        self._adb_serial = serial
        self._patience = patience
        self._address = (host, port)
        self._lock = threading.Lock()
        self._open: set[Wire] = set()
        self._given_up = False
        self.features = features
        self.verified: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"AdbPhone({self._serial!r})"

    @property
    def serial(self) -> str:
        return self._serial

    def run(self, argv: Sequence[str], *, deadline_s: float) -> Finished:
        """Run one program to its end; after `deadline_s` in all it is killed instead.

        Whatever else ends the wait early, also Ctrl-C, kills the program on the phone too.
        """
        started = time.monotonic()
        output = shell.Output()
        try:
            exit_code = self._run(argv, started + deadline_s, output)
        except WireEnded as error:
            raise self._lost(f"while it ran {_program(argv)}", error) from error
        except Refused as error:
            raise self._refused(f"to run {_program(argv)}", str(error), None) from error
        except WireAborted as error:
            if output.pid is not None:
                self._kill(output)
            raise self._interrupted() from error
        except WireGarbage as error:
            raise self._garbage(error) from error
        except WireTimeout as error:
            if time.monotonic() < started + deadline_s:  # it did not even begin to answer
                raise self._lost(f"before it ran {_program(argv)}", "no answer") from error
            raise self._overdue(argv, deadline_s, output) from error
        except shell.TooMuchOutput as error:
            self._kill(output)
            limit = f"{shell.MAX_OUTPUT_BYTES >> 20} MB"
            what = f"{_program(argv)} on {self._serial!r} printed more than {limit}"
            raise DeviceError(f"{what} and was stopped.") from error
        except (KeyboardInterrupt, SystemExit):
            self._kill(output)
            raise
        apart = "shell_v2" in self.features
        return Finished(
            exit_code=exit_code,
            stdout=bytes(output.stdout),
            stderr=bytes(output.stderr) if apart else None,
            duration_s=time.monotonic() - started,
            pid=output.pid,
        )

    def push(self, local: Path, remote: str, *, mode: int = 0o644) -> int:
        """Copy a file to the phone; the bytes sent. A failure may leave a part of it there."""
        with (
            _reading(local) as file,
            self._explained("took", remote, local),
            self._wire(time.monotonic() + self._patience.open_s) as wire,
        ):
            return sync.push(wire, file, remote, mode, self._patience.silence_s)

    def pull(self, remote: str, local: Path) -> int:
        """Copy a file from the phone; the bytes received. `local` comes whole or not at all."""
        part = local.with_name(f"{local.name}.{secrets.token_hex(4)}.part")
        try:
            with (
                part.open("xb") as file,
                self._explained("sent", remote),
                self._wire(time.monotonic() + self._patience.open_s) as wire,
            ):
                received = sync.pull(wire, remote, file, self._patience.silence_s)
            part.replace(local)
        except OSError as error:
            raise BenchError(f"Can't write {str(local)!r}: {error.strerror}.") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return received

    def interrupt(self) -> None:
        """End what other threads do with this phone, now and from now on: a DeviceError."""
        with self._lock:
            self._given_up = True
            for wire in self._open:
                wire.abort()

    def fresh(self) -> AdbPhone:
        """The same phone, not interrupted and with nothing verified."""
        host, port = self._address
        return AdbPhone(
            self._adb_serial,
            self.features,
            host=host,
            port=port,
            name=self._serial,
            patience=self._patience,
        )

    def _run(self, argv: Sequence[str], deadline: float, output: shell.Output) -> int:
        nonce = f"bench-{secrets.token_hex(8)}"
        run = shell.run_v2 if "shell_v2" in self.features else shell.run_v1
        with self._wire(min(deadline, time.monotonic() + self._patience.open_s)) as wire:
            return run(wire, argv, nonce, output, deadline)

    @contextlib.contextmanager
    def _wire(self, deadline: float, *, cleaning: bool = False) -> Iterator[Wire]:
        """A connection to the phone itself, closed at the end."""
        with Wire.open(*self._address, deadline) as wire:
            with self._lock:
                if not cleaning:  # what cleans up is short, and not to be interrupted
                    if self._given_up:
                        raise WireAborted
                    self._open.add(wire)
            try:
                try:
                    wire.request(f"host:transport:{self._adb_serial}")
                except Refused as error:
                    raise WireEnded(str(error)) from error
                yield wire
            finally:
                with self._lock:
                    self._open.discard(wire)

    def _kill(self, output: shell.Output) -> bool:
        """Kill a program and what it started; False when the phone does not even answer."""
        if output.pid is None or output.group is None or output.pid <= 1 or output.group <= 1:
            return self._try("true")
        # adbd makes each command a group of its own. Two spellings, because old shells take
        # "--" for a process.
        group = f"kill -KILL -- -{output.group} || kill -KILL -{output.group}"
        return self._try(f"{{ {group}; kill -KILL {output.pid}; }} 2>/dev/null")

    def _try(self, line: str) -> bool:
        """Run a line of our own making for its effect; False when nothing answers in time."""
        try:
            with self._wire(time.monotonic() + self._patience.kill_s, cleaning=True) as wire:
                wire.request(f"shell:{line}")
                wire.drain()
        except (WireTimeout, WireEnded, WireAborted, WireGarbage, Refused):
            return False
        return True

    @contextlib.contextmanager
    def _explained(self, did: str, remote: str, local: Path | None = None) -> Iterator[None]:
        """Turn what can go wrong with a file into errors that name the phone."""
        try:
            yield
        except Refused as error:
            raise self._refused(f"to open {remote}", str(error), local) from error
        except WireTimeout as error:
            raise self._lost(f"while it {did} {remote}", "no answer") from error
        except WireEnded as error:
            raise self._lost(f"while it {did} {remote}", error) from error
        except WireAborted as error:
            raise self._interrupted() from error
        except WireGarbage as error:
            raise self._garbage(error) from error

    def _overdue(self, argv: Sequence[str], deadline_s: float, output: shell.Output) -> DeviceError:
        """A command that hangs on a phone that answers, or a phone that hangs."""
        if self._kill(output):
            what = f"{_program(argv)} on {self._serial!r} was not done after {deadline_s:g} s"
            return DeviceTimeout(f"{what} and was stopped.")
        return self._lost(f"while it ran {_program(argv)}", "no answer")

    def _refused(self, what: str, reason: str, local: Path | None) -> DeviceError:
        """The phone said no, in its own words; "closed" are the server's, for a phone that went."""
        if reason == "closed":
            return self._lost(f"when asked {what}", reason)
        if local is None or not re.search("no space left|quota exceeded", reason, re.IGNORECASE):
            return DeviceError(f"{self._serial!r} refused {what}: {printable(reason)}.")
        size = f"{local.name!r} ({local.stat().st_size / 1e6:.1f} MB)"
        free = self._free_kb()
        rest = "" if free is None else f" {free * 1024 / 1e6:.1f} MB are free in {WORK_DIR}."
        return DeviceFull(
            f"{self._serial!r} has no space for {size}.{rest}",
            next_step="Remove something from the phone, then run the command again.",
        )

    def _free_kb(self) -> int | None:
        try:
            done = self.run(
                ["df", "-k", str(Path(WORK_DIR).parent)], deadline_s=self._patience.kill_s
            )
        except DeviceError:
            return None
        return parse_df(done.stdout.decode("utf-8", "replace"))

    def _lost(self, when: str, reason: object) -> DeviceLost:
        told = printable(str(reason)).rstrip(".")
        return DeviceLost(f"{self._serial!r} was lost {when}: {told}.", next_step=_AFTER_LOSS)

    def _garbage(self, error: WireGarbage) -> DeviceError:
        return DeviceError(f"{self._serial!r} answered what is not adb: {printable(str(error))}.")

    def _interrupted(self) -> DeviceError:
        return DeviceError(f"The work on {self._serial!r} was interrupted.")


@contextlib.contextmanager
def _reading(local: Path) -> Iterator[FileIO]:
    try:
        with FileIO(local) as file:
            yield file
    except OSError as error:
        raise BenchError(f"Can't read {str(local)!r}: {error.strerror}.") from error


def _program(argv: Sequence[str]) -> str:
    return printable(argv[0].rpartition("/")[2])
