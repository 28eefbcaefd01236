"""What a running sweep tells: events as they happen, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from bench.errors import BenchError
from bench.records import Device, Doubt, Model, Plan, PlannedTrial, RunnerIdentity, Trial


class ModelReady(NamedTuple):
    """One more model was made, or run on this computer to know its outputs; nothing is measured."""

    step: Literal["made", "run here"]
    done: int
    total: int


class TrialStarted(NamedTuple):
    """A worker begins a trial."""

    device: Device
    planned: PlannedTrial


class TrialEnded(NamedTuple):
    """A trial's record is on the disk."""

    device: Device
    trial: Trial


class TrialRepeated(NamedTuple):
    """A try is on the disk, and will be followed by another: it was throttled, or cut short."""

    device: Device
    trial: Trial
    reason: str


class PhoneNoted(NamedTuple):
    """Something about a phone that its user should know, such as a setting that was changed."""

    device: Device
    note: str


class PhoneWaited(NamedTuple):
    """A worker waits for a phone that went away."""

    device: Device
    reason: str


class PhoneUnfit(NamedTuple):
    """A worker waits, for so long at most, until its phone is fit for the next trial."""

    device: Device
    doubt: Doubt
    max_wait_s: float


class PhoneFit(NamedTuple):
    """A phone was waited for long enough: the trial goes on."""

    device: Device


class PhoneMissing(NamedTuple):
    """A phone that was asked for can't be reached; the sweep begins without it."""

    target: str
    error: BenchError


class PhoneStopped(NamedTuple):
    """A worker gave its phone up; its other trials stay to be done."""

    device: Device
    error: BenchError


class PhoneDone(NamedTuple):
    """A worker has nothing left to do."""

    device: Device


class Share(NamedTuple):
    """A plan, and the phones that do it: one, or identical ones that split it."""

    devices: tuple[str, ...]  # ids
    total: int
    done: int  # that an earlier start of this run has measured


class SweepStarted(NamedTuple):
    """Everything is checked and the run's folder is made."""

    path: Path
    devices: tuple[Device, ...]
    runners: tuple[RunnerIdentity, ...]  # the first one of each device
    models: tuple[Model, ...]
    plan: Plan
    shares: tuple[Share, ...]
    skips: Mapping[str, int]  # trials that no phone's state can make possible, by reason

    @property
    def trials(self) -> int:
        """Of all phones."""
        return sum(share.total for share in self.shares)

    @property
    def done(self) -> int:
        """Of them, those that an earlier start of this run has measured."""
        return sum(share.done for share in self.shares)


Event = (
    ModelReady
    | TrialStarted
    | TrialEnded
    | TrialRepeated
    | PhoneNoted
    | PhoneWaited
    | PhoneUnfit
    | PhoneFit
    | PhoneMissing
    | PhoneStopped
    | PhoneDone
    | SweepStarted
)


class Outcome(NamedTuple):
    """How a sweep ended."""

    path: Path
    ok: int
    failed: int
    skipped: int
    not_run: int
    stopped: Mapping[str, BenchError]  # by device id, or as it was asked for where it is missing
    interrupted: bool
