"""What can be ordered to go wrong with a virtual phone.

A fault is an entry of `KINDS`: what it does in a sentence, its arguments with their defaults,
and how it changes the phone's `Faults`. The daemon's services and connections look at
`Faults`; nothing else knows how a fault was ordered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.virtual import heat
from bench.virtual.processes import Processes
from bench.virtual.tamper import Crlf, Cut, DropAfter, Garble, Hang, Tamper
from bench.virtual.world import World


class Breakable(Protocol):
    """The phone, as far as a fault acts on it."""

    world: World
    processes: Processes

    def cut(self) -> None:
        """Abort every connection."""
        ...

    def vanish(self) -> None:
        """Cut, and refuse new connections."""
        ...

    async def appear(self) -> None:
        """Take connections again, when every `vanish` has had its `appear`."""
        ...

    async def start_anew(self) -> None:
        """End every process and forget what a boot forgets."""
        ...


@dataclass(frozen=True)
class Order:
    """A fault's arguments, checked and complete."""

    numbers: Mapping[str, int] = field(default_factory=dict)
    pattern: str = ""

    def __getitem__(self, name: str) -> int:
        return self.numbers[name]

    def seconds(self, name: str) -> float:
        return self.numbers[name] / 1000


@dataclass
class _Rule:
    """What befalls the next commands whose text holds `pattern`."""

    pattern: str
    make: Callable[[], Tamper | None]
    once: bool


class Faults:
    """The faults in force on one phone."""

    def __init__(self, phone: Breakable) -> None:
        self.phone = phone
        self.unauthorized = False
        self.offline = False
        self.frozen = False
        self.drop_after_bytes: int | None = None
        self.rules: list[_Rule] = []
        self.ordering = asyncio.Lock()  # several hosts may order at once
        self._tasks: dict[str, asyncio.Task[None]] = {}
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

    def tampers(self, command: str) -> list[Tamper]:
        """What is to be done to the output of a command that starts now."""
        hit = [rule for rule in self.rules if rule.pattern in command]
        self.rules = [rule for rule in self.rules if not (rule.once and rule in hit)]
        made = (rule.make() for rule in hit)
        return [tamper for tamper in made if tamper is not None]

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Let a fault go on by itself, in the place of an earlier one of its name."""
        if name in self._tasks:
            self._tasks[name].cancel()
        self._tasks[name] = asyncio.create_task(work)

    async def stop_all(self) -> None:
        """End the faults that go on by themselves; returns when their traces are gone."""
        tasks, self._tasks = self._tasks, {}  # one that begins meanwhile goes on
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


@dataclass(frozen=True)
class Kind:
    """One fault that can be ordered."""

    help: str
    order: Callable[[Faults, Order], None]
    numbers: Mapping[str, int] = field(default_factory=dict)  # arguments and their defaults
    pattern: str | None = None  # the default; None: it takes none

    @property
    def arguments(self) -> dict[str, int | str]:
        """Every argument with its default."""
        patterns = {} if self.pattern is None else {"pattern": self.pattern}
        return {**self.numbers, **patterns}


async def order(faults: Faults, kind: str, arguments: Mapping[str, object]) -> None:
    """Put a fault in force; ValueError when there is no such fault or argument."""
    checked = check(kind, arguments)
    async with faults.ordering:
        if kind == "clear":
            await faults.stop_all()
        KINDS[kind].order(faults, checked)
        faults.changed()
        await asyncio.sleep(0)  # what goes on by itself has begun when this returns


def check(kind: str, arguments: Mapping[str, object]) -> Order:
    """The arguments of a fault; ValueError says what is wrong with the order."""
    if kind not in KINDS:
        raise ValueError(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
    known = KINDS[kind].arguments
    numbers = dict(KINDS[kind].numbers)
    pattern = KINDS[kind].pattern or ""
    for name, value in arguments.items():
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no arguments"
            raise ValueError(f"The fault {kind} {takes}, not {name!r}.")
        if name == "pattern":
            pattern = str(value)
        elif isinstance(value, int) and not isinstance(value, bool) and value in _allowed(name):
            numbers[name] = value
        else:
            span = f"from {_allowed(name)[0]} to {_allowed(name)[-1]}"
            raise ValueError(f"{name} of the fault {kind} is a whole number {span}, not {value!r}.")
    return Order(numbers, pattern)


_LIMITS = {"status": 6, "stopped_percent": 90, "rise_c": 100}
_TEN_YEARS_S = 315_360_000


def _allowed(name: str) -> range:
    if name == "jump_s":
        return range(-_TEN_YEARS_S, _TEN_YEARS_S + 1)
    return range(_LIMITS.get(name, 1000 * _TEN_YEARS_S) + 1)  # of bytes as good a bound as of ms


def _unauthorized(faults: Faults, _: Order) -> None:
    faults.unauthorized = True
    faults.phone.cut()  # revoking a key ends what it had opened


def _offline(faults: Faults, _: Order) -> None:
    faults.offline = True
    faults.phone.cut()


def _drop(faults: Faults, order: Order) -> None:
    if order["after_output"]:
        _tamper(faults, order, lambda: DropAfter(order["after_output"], faults.phone.cut))
    elif order["after_bytes"]:
        faults.drop_after_bytes = order["after_bytes"]
    elif order.pattern:

        def cut_later() -> None:
            faults.start("drop", _cut_after(faults.phone, order.seconds("after_ms")))

        _tamper(faults, order, cut_later)
    elif order["after_ms"]:
        faults.start("drop", _cut_after(faults.phone, order.seconds("after_ms")))
    else:
        faults.phone.cut()


def _gone(faults: Faults, order: Order) -> None:
    faults.start("gone", _be_away(faults.phone, order.seconds("for_ms")))


def _reboot(faults: Faults, order: Order) -> None:
    faults.start("gone", _boot(faults.phone, order.seconds("for_ms")))


def _frozen(faults: Faults, order: Order) -> None:
    faults.start("frozen", _freeze(faults, order.seconds("for_ms")))


def _full(faults: Faults, order: Order) -> None:
    faults.phone.world.fill(order["free_bytes"])


def _kill(faults: Faults, order: Order) -> None:
    killed = faults.phone.processes.kill_seen(order.pattern, order.seconds("after_ms"))
    faults.start("kill", killed)


def _hang(faults: Faults, order: Order) -> None:
    _tamper(faults, order, lambda: Hang(order["after_bytes"]))


def _cut(faults: Faults, order: Order) -> None:
    _tamper(faults, order, lambda: Cut(order["after_bytes"]))


def _garble(faults: Faults, order: Order) -> None:
    _tamper(faults, order, lambda: Garble(order["bytes"], order["seed"]))


def _crlf(faults: Faults, order: Order) -> None:
    _tamper(faults, order, Crlf, once=False)


def _heat(faults: Faults, order: Order) -> None:
    faults.start(
        "heat",
        heat.heat(
            faults.phone.world,
            faults.phone.processes,
            heat.Course(
                status=order["status"],
                rise_c=order["rise_c"],
                stopped=order["stopped_percent"] / 100,
                over_s=order.seconds("over_ms"),
                for_s=order.seconds("for_ms"),
            ),
        ),
    )


def _clock(faults: Faults, order: Order) -> None:
    faults.phone.world.rewrite("/system/etc/virtual/clock_offset_s", b"%d\n" % order["jump_s"])


def _clear(faults: Faults, _: Order) -> None:
    faults.unauthorized = False
    faults.offline = False
    faults.frozen = False
    faults.drop_after_bytes = None
    faults.rules.clear()
    faults.phone.world.fill(None)
    _clock(faults, Order({"jump_s": 0}))


def _tamper(
    faults: Faults, order: Order, make: Callable[[], Tamper | None], *, once: bool = True
) -> None:
    faults.rules.append(_Rule(order.pattern, make, once))


async def _cut_after(phone: Breakable, seconds: float) -> None:
    await asyncio.sleep(seconds)
    phone.cut()


# A fault may be ended before its first step, or at any later one: what goes away in here comes
# back in here.


async def _be_away(phone: Breakable, seconds: float) -> None:
    phone.vanish()
    try:
        await _for(seconds)
    finally:
        await phone.appear()


async def _boot(phone: Breakable, seconds: float) -> None:
    phone.vanish()
    booting = asyncio.create_task(phone.start_anew())
    try:
        await asyncio.shield(booting)
        await _for(seconds)
    finally:
        if not booting.done():  # what has begun to boot isn't left half booted
            await asyncio.wait({booting})
        await phone.appear()


async def _freeze(faults: Faults, seconds: float) -> None:
    faults.frozen = True
    try:
        await _for(seconds)
    finally:
        faults.frozen = False
        faults.changed()


async def _for(seconds: float) -> None:
    """0: until the fault is cleared."""
    await (asyncio.sleep(seconds) if seconds else asyncio.Event().wait())


KINDS: dict[str, Kind] = {
    "unauthorized": Kind("ask for a key and accept none until cleared", _unauthorized),
    "offline": Kind("take connections and answer none until cleared", _offline),
    "drop": Kind(
        "cut the connection: now, after so many pushed bytes, bytes of a command's output or ms",
        _drop,
        {"after_bytes": 0, "after_output": 0, "after_ms": 0},
        pattern="",
    ),
    "gone": Kind("cut, and refuse connections for a time", _gone, {"for_ms": 2000}),
    "frozen": Kind("answer nothing for a time; connections stay", _frozen, {"for_ms": 2000}),
    "reboot": Kind(
        "end all processes, forget what a boot forgets, be gone for a time",
        _reboot,
        {"for_ms": 2000},
    ),
    "full": Kind("fill /data/local/tmp but for so many bytes", _full, {"free_bytes": 0}),
    "kill": Kind(
        "SIGKILL, so long after it is seen, the next process whose command line holds the pattern",
        _kill,
        {"after_ms": 0},
        pattern="/data/local/tmp",
    ),
    "hang": Kind(
        "the next command's output stops after so many bytes and never ends",
        _hang,
        {"after_bytes": 0},
        pattern="",
    ),
    "cut": Kind(
        "the next command's output lacks all after so many bytes; its exit code comes",
        _cut,
        {"after_bytes": 0},
        pattern="",
    ),
    "garble": Kind(
        "so many bytes of the next command's output are others",
        _garble,
        {"bytes": 8, "seed": 1},
        pattern="",
    ),
    "crlf": Kind("every command's lines end in CR LF until cleared", _crlf, pattern=""),
    "heat": Kind(
        "temperatures, thermal status and stopped time rise over a time, clocks are capped",
        _heat,
        {"status": 3, "rise_c": 15, "stopped_percent": 40, "over_ms": 5000, "for_ms": 0},
    ),
    "clock": Kind("`date` is so many seconds ahead, or behind", _clock, {"jump_s": 3600}),
    "clear": Kind("end all faults", _clear),
}
