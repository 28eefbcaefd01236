"""What can be ordered to go wrong with a virtual phone.

A fault is an entry of `KINDS`: a name, what its arguments are called, and what it does to the
phone's `Faults`. The daemon's services and connections look at `Faults`; nothing else knows
how a fault was ordered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


class Cuttable(Protocol):
    """The phone, as far as a fault acts on it."""

    def cut(self) -> None:
        """Abort every connection."""
        ...


class Faults:
    """The faults in force on one phone."""

    def __init__(self, phone: Cuttable) -> None:
        self.phone = phone
        self.unauthorized = False
        self.offline = False
        self.drop_after_bytes: int | None = None
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Wake whoever waits for a fault to end."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until the faults in force make `true` hold."""
        while not true():
            await self._changed.wait()

    def received(self, count: int) -> None:
        """Count pushed bytes towards a drop."""
        if self.drop_after_bytes is not None:
            self.drop_after_bytes -= count
            if self.drop_after_bytes <= 0:
                self.drop_after_bytes = None
                self.phone.cut()


@dataclass(frozen=True)
class Kind:
    """One fault that can be ordered."""

    help: str
    arguments: tuple[str, ...]  # all whole numbers, all optional
    order: Callable[[Faults, Mapping[str, int]], None]


def order(faults: Faults, kind: str, arguments: Mapping[str, object]) -> None:
    """Put a fault in force; ValueError when there is no such fault or argument."""
    checked = check(kind, arguments)
    KINDS[kind].order(faults, checked)
    faults.changed()


def check(kind: str, arguments: Mapping[str, object]) -> dict[str, int]:
    """The arguments of a fault; ValueError says what is wrong with the order."""
    if kind not in KINDS:
        raise ValueError(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
    known = KINDS[kind].arguments
    checked = {}
    for name, value in arguments.items():
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no arguments"
            raise ValueError(f"The fault {kind} {takes}, not {name!r}.")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name} of the fault {kind} is a whole number, not {value!r}.")
        checked[name] = value
    return checked


def _unauthorized(faults: Faults, _: Mapping[str, int]) -> None:
    faults.unauthorized = True
    faults.phone.cut()  # revoking a key ends what it had opened


def _offline(faults: Faults, _: Mapping[str, int]) -> None:
    faults.offline = True
    faults.phone.cut()


def _drop(faults: Faults, arguments: Mapping[str, int]) -> None:
    after = arguments.get("after_bytes", 0)
    if after == 0:
        faults.phone.cut()
    else:
        faults.drop_after_bytes = after


def _clear(faults: Faults, _: Mapping[str, int]) -> None:
    faults.unauthorized = False
    faults.offline = False
    faults.drop_after_bytes = None


KINDS: dict[str, Kind] = {
    "unauthorized": Kind("ask for a key and accept none until cleared", (), _unauthorized),
    "offline": Kind("take connections and answer none until cleared", (), _offline),
    "drop": Kind("cut the connection, now or after some pushed bytes", ("after_bytes",), _drop),
    "clear": Kind("end all faults", (), _clear),
}
