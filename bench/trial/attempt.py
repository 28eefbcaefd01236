"""What is known of a trial so far, until it is a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from bench import doubts
from bench.records import (
    Device,
    DeviceState,
    Doubt,
    Model,
    PlannedTrial,
    Precision,
    RunnerIdentity,
    Status,
    Trial,
    device_id,
    trial_key,
)
from bench.trial.runners import Result

NOTHING = Result(measurement=None, reported=None, ops=())


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
        self._shared_by = shared_by
        self._device = device
        self._runner = runner
        self._planned = planned
        self._model = model
        self._precision = precision
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._began = time.monotonic()
        self._argv: tuple[str, ...] = ()
        self._pushed_bytes = 0
        self._before: DeviceState | None = None
        self._doubts: list[Doubt] = []
        self._stderr = b""

    def pushed(self, count: int) -> None:
        """So many bytes had to be pushed."""
        self._pushed_bytes = count

    def found(self, before: DeviceState) -> None:
        """The phone was like this before the start."""
        self._before = before

    def starts(self, argv: Sequence[str]) -> None:
        """The measuring process is about to be started."""
        self._argv = tuple(argv)

    def said(self, stderr: bytes) -> None:
        """A process complained."""
        self._stderr += stderr

    def doubted(self, doubt: Doubt) -> None:
        """There is a reason for doubt that the measurement does not show."""
        self._doubts.append(doubt)

    def skipped(self, reason: str) -> Ended:
        """The trial can't be had on this phone."""
        return self._ended("skipped", NOTHING, reason=reason)

    def failed(self, stage: str, reason: str) -> Ended:
        """The trial was tried and gave nothing."""
        return self._ended("failed", NOTHING, reason=reason, stage=stage)

    def ok(self, result: Result, after: DeviceState) -> Ended:
        """The trial was measured."""
        self._doubts += doubts.judge(
            result.measurement or result.reported,
            self._planned.config,
            self._precision,
            self._before,
            after,
            self._device,
        )
        return self._ended("ok", result, after=after)

    def _ended(
        self,
        status: Status,
        result: Result,
        *,
        reason: str | None = None,
        stage: str | None = None,
        after: DeviceState | None = None,
    ) -> Ended:
        device = self._device
        trial = Trial(
            key=trial_key(device_id(device), self._planned),
            index=self._planned.index,
            device=device_id(device),
            virtual=device.virtual,
            model=self._model.name,
            model_sha256=self._model.sha256,
            config=self._planned.config,
            precision=self._precision,
            repetition=self._planned.repetition,
            shared_by=self._shared_by,
            status=status,
            reason=reason,
            stage=stage,
            started_at=self._started_at,
            duration_s=round(time.monotonic() - self._began, 6),
            argv=self._argv,
            pushed_bytes=self._pushed_bytes,
            runner=self._runner,
            measurement=result.measurement,
            reported=result.reported,
            ops=result.ops,
            state_before=self._before,
            state_after=after,
            doubts=tuple(self._doubts),
        )
        return Ended(trial, self._stderr)
