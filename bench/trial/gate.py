"""Waits before a trial until the phone is fit for it, and no longer than that can help.

What waiting did not cure once is not waited for again until it was seen gone: a battery that stays
warm costs a sweep one wait, and each of its trials carries the doubt. Clocks that are capped from
the start are no matter of waiting: many phones are made so, and heat has signs of its own. Cores
are waited for while they cool: they do that in seconds, and some are warm at rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from bench.device import Load, Phone, fitness, read_load, read_state
from bench.device.fitness import PASSING
from bench.records import Device, DeviceState, Doubt, DoubtKind, Fitness

FIRST_POLL_S, POLL_S = 1.0, 5.0  # a core cools in seconds, a battery in minutes
COOLING_C = 0.5  # from one reading to the next; less is no cooling
LOAD_S = 0.5  # that processes are watched for


class Opened(NamedTuple):
    """How the phone was found, or had become."""

    state: DeviceState
    doubts: tuple[Doubt, ...]
    waited_s: float
    waited_for: tuple[DoubtKind, ...]


class Gate:
    """One phone's gate; it remembers between trials what waiting is good for.

    `pause` waits so many seconds, and raises when the sweep is to stop. `on_wait` hears what is
    waited for, each time that changes; nothing, when the wait is over.
    """

    def __init__(
        self,
        wanted: Fitness,
        *,
        pause: Callable[[float], None] = time.sleep,
        on_wait: Callable[[Sequence[Doubt]], None] = lambda doubts: None,
    ) -> None:
        self.wanted = wanted
        self.pause = pause
        self._on_wait = on_wait
        self._in_vain: set[DoubtKind] = {"capped clocks"}
        self._look_for_load = True
        self._trial_was_disturbed = False
        self._cooling_helps = True

    def open(self, phone: Phone, device: Device) -> Opened:
        """Wait for the phone, if that is of use; raises DeviceError when the phone fails."""
        began = time.monotonic()
        waited_for: list[DoubtKind] = []
        poll_s, cores_c = FIRST_POLL_S, math.inf
        while True:
            state = read_state(phone)
            found = fitness(device, state, self._load(phone, device))
            kinds = {doubt.kind for doubt in found}
            self._look_for_load = "background load" in kinds
            self._in_vain &= kinds
            before_c, cores_c = cores_c, _cores_c(found)
            if cores_c > before_c - COOLING_C:
                self._in_vain.add("hot cores")
            passing = [d for d in found if d.kind in PASSING and d.kind not in self._in_vain]
            waited_s = time.monotonic() - began if waited_for else 0.0
            if not passing or waited_s >= self.wanted.max_wait_s:
                self._in_vain |= {doubt.kind for doubt in passing}
                if waited_for:
                    self._on_wait(())
                return Opened(state, found, round(waited_s, 3), tuple(waited_for))
            if new := [doubt for doubt in passing if doubt.kind not in waited_for]:
                waited_for += [doubt.kind for doubt in new]
                self._on_wait(passing)
            self.pause(min(poll_s, self.wanted.max_wait_s - waited_s))
            poll_s = min(2 * poll_s, POLL_S)

    def repeats(self, kinds: Collection[DoubtKind], tries: int) -> bool:
        """Whether a try that was doubted for these reasons is to be followed by another.

        A phone that stays throttled through all tries of one trial is not cooled down for the
        next ones either, until one of them was not throttled.
        """
        self._trial_was_disturbed = "background load" in kinds
        if "throttled" not in kinds:
            self._cooling_helps = True
            return False
        if tries >= self.wanted.max_tries:
            self._cooling_helps = False
        return self._cooling_helps

    def cool_down(self) -> float:
        """Let the phone alone; the seconds that it took."""
        began = time.monotonic()
        self.pause(self.wanted.cool_down_s)
        return time.monotonic() - began

    def _load(self, phone: Phone, device: Device) -> Load | None:
        """The load, where the last look or the last trial found some; a look takes its time.

        What a trial sees on a virtual phone is its computer's, which is not waited for.
        """
        due = self._look_for_load or (self._trial_was_disturbed and not device.virtual)
        return read_load(phone, LOAD_S) if due else None


def _cores_c(found: Sequence[Doubt]) -> float:
    """The temperature of cores that are hot."""
    return next((d.numbers["temp_c"] for d in found if d.kind == "hot cores"), -math.inf)
