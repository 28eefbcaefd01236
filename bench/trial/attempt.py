"""What is known of a trial so far, until it is a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from bench import doubts
from bench.device import fitness
from bench.records import (
    Check,
    Device,
    DeviceState,
    Doubt,
    DoubtKind,
    Model,
    Moment,
    PlannedTrial,
    Precision,
    RunnerIdentity,
    Status,
    Trial,
    device_id,
    trial_key,
)
from bench.trial.gate import Opened
from bench.trial.runners import Result

AFTER = frozenset({"throttled", "capped clocks"})  # what counts when a trial has ended, too


class Ended(NamedTuple):
    """A trial's record, with the log that is kept beside it."""

    trial: Trial
    stderr: bytes


class Attempt:
    """Gathers what happens to one planned trial, and makes its record at the end."""

    def __init__(
        self,
        device: Device,
        runner: RunnerIdentity,
        planned: PlannedTrial,
        model: Model,
        precision: Precision,
        shared_by: int,
    ) -> None:
        self._device = device
        self._told: dict[str, Any] = {
            "key": trial_key(device_id(device), planned),
            "index": planned.index,
            "device": device_id(device),
            "virtual": device.virtual,
            "model": model.name,
            "model_sha256": model.sha256,
            "config": planned.config,
            "precision": precision,
            "repetition": planned.repetition,
            "shared_by": shared_by,
            "runner": runner,
        }
        self._waited_s = 0.0
        self._waited_for: tuple[DoubtKind, ...] = ()
        self.tries = 0
        self.begins()

    def begins(self) -> None:
        """A try begins; what an earlier one gave is not of it, what was waited for is."""
        self.tries += 1
        self._began = time.monotonic()
        self._told["started_at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._doubts: list[Doubt] = []
        self._stderr = b""
        of_a_try = ("measurement", "reported", "series", "check", "state_before", "state_after")
        for field in of_a_try:
            self._told.pop(field, None)

    def adds(self, **fields: Any) -> None:
        """Fields of the record that became known."""
        self._told |= fields

    def found(self, opened: Opened) -> None:
        """The phone was like this before the start."""
        self.waited(opened.waited_s, opened.waited_for)
        self._told["state_before"] = opened.state
        self._doubts += opened.doubts

    def waited(self, seconds: float, kinds: Sequence[DoubtKind]) -> None:
        """The phone was waited for."""
        self._waited_s += seconds
        self._waited_for = tuple(dict.fromkeys([*self._waited_for, *kinds]))

    def said(self, stderr: bytes) -> None:
        """A process complained."""
        self._stderr += stderr

    def doubted(self, doubt: Doubt) -> None:
        """There is a reason for doubt that the measurement does not show."""
        self._doubts.append(doubt)

    def measured(
        self,
        result: Result,
        series: Sequence[Moment],
        after: DeviceState | None = None,
        check: Check | None = None,
    ) -> None:
        """The latency is there, and the phone was like this after it; its outputs were checked."""
        self._told |= {
            "measurement": result.measurement,
            "reported": result.reported,
            "series": tuple(series),
            "state_after": after,
            "check": check,
        }
        seen = fitness(self._device, after) if after is not None else ()
        found = [_at_the_end(doubt) for doubt in seen if doubt.kind in AFTER]
        told = result.measurement or result.reported
        if told is not None:
            config, precision = self._told["config"], self._told["precision"]
            found = [*doubts.judge(told, config, precision, series, check), *found]
        known = {doubt.kind for doubt in self._doubts}
        for doubt in found:
            if doubt.kind not in known:
                known.add(doubt.kind)
                self._doubts.append(doubt)

    @property
    def has_result(self) -> bool:
        """Whether the latency of this try is there."""
        return "measurement" in self._told

    @property
    def kinds(self) -> frozenset[DoubtKind]:
        """What has been doubted so far."""
        return frozenset(doubt.kind for doubt in self._doubts)

    def skipped(self, reason: str) -> Ended:
        """The trial can't be had on this phone."""
        return self._ended("skipped", reason=reason)

    def failed(self, stage: str, reason: str) -> Ended:
        """The trial was tried and gave nothing."""
        return self._ended("failed", reason=reason, stage=stage)

    def ok(self) -> Ended:
        """The trial was measured."""
        return self._ended("ok")

    def _ended(self, status: Status, **why: str) -> Ended:
        told: dict[str, Any] = self._told | why
        trial = Trial(
            **told,
            status=status,
            tries=self.tries,
            waited_s=round(self._waited_s, 3),
            waited_for=self._waited_for,
            duration_s=round(time.monotonic() - self._began, 6),
            doubts=tuple(self._doubts),
        )
        return Ended(trial, self._stderr)


def _at_the_end(doubt: Doubt) -> Doubt:
    return msgspec.structs.replace(doubt, message=f"at the end: {doubt.message}")
