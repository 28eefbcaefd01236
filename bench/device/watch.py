"""Clocks and temperatures of a phone while something else runs on it.

    with watched(phone) as series:
        phone.run(...)
        state = series.read_state()
    series[-1].temps_c

It costs the phone one process that sleeps, and reads a dozen small files each time. Nothing is
waited for at its start, and its end shares a round trip with the state that is read anyway.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from typing import overload

from bench.device.describe import probe, read_state
from bench.device.parse.series import parse_series
from bench.device.phone import WORK_DIR, Phone
from bench.device.power import SUPPLIES, Sections
from bench.errors import DeviceError
from bench.records import DeviceState, Moment

_LONGEST_S = 4 * 3600.0
_LAST_READING_S = 0.5
_STOP_S = 5.0
# A series that has not begun yet finds a word where its id should go, and ends at once.
_STOP = """
if { read -r id <"$1"; } 2>/dev/null; then
  case $id in *[!0-9]*) ;; *) kill -TERM "$id" ;; esac
else
  set -C
  echo ended >"$1"
fi
"""


@contextlib.contextmanager
def watched(phone: Phone, every_s: int = 1, *, power: bool = False) -> Iterator[Watch]:
    """Readings every so many seconds during a `with` block, and one at its end.

    Whole seconds: the sleep of old phones takes a part of one for none. With `power` the
    battery's gauge is read too; what it says is in `sections`, for `judge_power`.
    What goes wrong with it is no error: there are no readings then.
    """
    watch = Watch(phone, every_s, power=power)
    try:
        yield watch
    finally:
        watch.end()


class Watch(Sequence[Moment]):
    """The readings, in order: none before the watch has ended."""

    def __init__(self, phone: Phone, every_s: int, *, power: bool) -> None:
        self.sections: Sections = {}
        self._phone = phone
        self._every_s = every_s
        self._power = power
        self._moments: tuple[Moment, ...] = ()
        self._pid_file = f"{WORK_DIR}/watch-{secrets.token_hex(4)}.pid"
        self._thread = threading.Thread(
            target=self._watch, name=f"watch {phone.serial}", daemon=True
        )
        self._thread.start()

    @overload
    def __getitem__(self, index: int) -> Moment: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Moment]: ...

    def __getitem__(self, index: int | slice) -> Moment | Sequence[Moment]:
        return self._moments[index]

    def __len__(self) -> int:
        return len(self._moments)

    def read_state(self) -> DeviceState:
        """End the watch with what tells how the phone is; errors are those of `read_state`."""
        state = read_state(self._phone, ending=self._pid_file)
        # It was asked to end, unless it had not begun yet, which is for `end` to find out.
        self._thread.join(_LAST_READING_S)
        self.end()
        return state

    def end(self) -> None:
        """End the process on the phone, which may not have begun yet. Twice is harmless."""
        if not self._thread.is_alive():
            return
        give_up_at = time.monotonic() + _STOP_S
        while self._thread.is_alive() and time.monotonic() < give_up_at:
            with contextlib.suppress(DeviceError):
                argv = ["sh", "-c", _STOP, "sh", self._pid_file]
                if self._phone.run(argv, deadline_s=_STOP_S).exit_code == 0:
                    self._thread.join(_STOP_S)
                    break
            self._thread.join(0.02)
        if not self._thread.is_alive():  # it may have ended by itself just before it was asked to
            with contextlib.suppress(DeviceError):
                self._phone.run(["rm", "-f", self._pid_file], deadline_s=_STOP_S)

    def _watch(self) -> None:
        more = ("0", SUPPLIES) if self._power else ()
        arguments = (str(self._every_s), self._pid_file, *more)
        with contextlib.suppress(DeviceError):
            found = probe(self._phone, "series", *arguments, deadline_s=_LONGEST_S)
            self.sections = found
            self._moments = parse_series(found.get("clocks", ""), found.get("series", ""))
