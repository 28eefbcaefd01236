"""Clocks and temperatures of a phone while something else runs on it.

    with watched(phone) as moments:
        phone.run(...)
    moments[-1].temps_c

It costs the phone one process that sleeps, and reads a dozen small files each time.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator

from bench.device.describe import probe
from bench.device.parse.series import parse_series
from bench.device.phone import WORK_DIR, Phone
from bench.errors import DeviceError
from bench.records import Moment

_LONGEST_S = 4 * 3600.0
_STOP_S = 5.0
_STOP = 'read -r id <"$1" && rm -f "$1" && kill -TERM "$id"'


@contextlib.contextmanager
def watched(phone: Phone, every_s: int = 1) -> Iterator[list[Moment]]:
    """Readings every so many seconds during a `with` block, in the list once it has ended.

    Whole seconds: the sleep of old phones takes a part of one for none.
    What goes wrong with it is no error: the list stays empty.
    """
    moments: list[Moment] = []
    pid_file = f"{WORK_DIR}/watch-{secrets.token_hex(4)}.pid"

    def watch() -> None:
        with contextlib.suppress(DeviceError):
            found = probe(phone, "series", str(every_s), pid_file, deadline_s=_LONGEST_S)
            moments.extend(parse_series(found.get("clocks", ""), found.get("series", "")))

    watcher = threading.Thread(target=watch, name=f"watch {phone.serial}", daemon=True)
    watcher.start()
    try:
        yield moments
    finally:
        _stop(phone, pid_file, watcher)


def _stop(phone: Phone, pid_file: str, watcher: threading.Thread) -> None:
    """End the process on the phone, which may not have begun yet."""
    give_up_at = time.monotonic() + _STOP_S
    while watcher.is_alive() and time.monotonic() < give_up_at:
        with contextlib.suppress(DeviceError):
            argv = ["sh", "-c", _STOP, "sh", pid_file]
            if phone.run(argv, deadline_s=_STOP_S).exit_code == 0:
                watcher.join(_STOP_S)
                return
        watcher.join(0.02)
