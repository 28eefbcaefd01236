"""What workers report, and the one who writes it down."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from bench import store
from bench.engine.events import (
    Event,
    Outcome,
    PhoneDone,
    PhoneNoted,
    PhoneStopped,
    TrialEnded,
    TrialRepeated,
)
from bench.errors import BenchError, DeviceError
from bench.records import Device, device_id
from bench.trial import Ended


class Tried(NamedTuple):
    """A try that will be followed by another, and why."""

    ended: Ended
    why: str


class Fault(NamedTuple):
    """A worker ended by a fault of ours."""

    device: Device
    error: BaseException


Report = Event | Ended | Tried | Fault
Reports = queue.SimpleQueue[Report]  # Ctrl-C leaves no lock of it held, as it can of a Queue's


class Tally:
    """Writes every trial as it ends, passes events on, and counts."""

    def __init__(
        self,
        writer: store.RunWriter,
        on_event: Callable[[Event], None],
        not_begun: Mapping[str, DeviceError],
        total: int,
        devices: Iterable[Device],
        tried: Mapping[str, int],
    ) -> None:
        self._writer = writer
        self._on_event = on_event
        self._total = total
        self._counts = {"ok": 0, "failed": 0, "skipped": 0}
        self._stopped: dict[str, BenchError] = dict(not_begun)
        self._fault: BaseException | None = None
        self._devices = {device_id(device): device for device in devices}
        self._tried = Counter(tried)  # trials without an end, by key

    def take(self, reports: Reports, phones: int) -> None:
        """Handle reports until every phone is done or given up."""
        while phones:
            report = reports.get()
            phones -= isinstance(report, PhoneDone | PhoneStopped | Fault)
            self._tell(self._keep(report))

    def keep_rest(self, reports: Reports) -> None:
        """Trials that ended while the sweep was being stopped are measured all the same."""
        rest = [reports.get() for _ in range(reports.qsize())]
        # All are kept before anything is told, which may raise again.
        for report in [self._keep(report) for report in rest]:
            # A note is of what could not be put back, perhaps.
            if isinstance(report, Ended | Tried | PhoneNoted | PhoneStopped):
                self._tell(report)

    def outcome(self, interrupted: bool) -> Outcome:
        if self._fault is not None and not interrupted:
            raise self._fault
        return Outcome(
            path=self._writer.path,
            **self._counts,
            not_run=self._total - sum(self._counts.values()),
            stopped=self._stopped,
            interrupted=interrupted,
        )

    def _keep(self, report: Report) -> Report:
        """Written before anything else happens: a later failure must not lose it."""
        match report:
            case Ended(trial, stderr):
                report = self._numbered(report)
                self._writer.append(report.trial)
                self._tried.pop(trial.key, None)
                self._counts[trial.status] += 1
                self._writer.log(trial.key, trial.argv, stderr)
            case Tried(ended, why):
                report = Tried(self._numbered(ended), why)
                self._writer.append_try(report.ended.trial)
                self._tried[ended.trial.key] += 1
            case PhoneStopped(device, error):
                self._stopped[device_id(device)] = error
            case Fault(device, error):
                self._stopped[device_id(device)] = _explained(error)
                self._fault = self._fault or error
        return report

    def _numbered(self, ended: Ended) -> Ended:
        """Tries are counted over all starts of the run, and all returns of the phone."""
        tries = self._tried[ended.trial.key] + 1
        return ended._replace(trial=msgspec.structs.replace(ended.trial, tries=tries))

    def _tell(self, report: Report) -> None:
        match report:
            case Ended(trial):
                self._on_event(TrialEnded(self._devices[trial.device], trial))
            case Tried(ended, why):
                device = self._devices[ended.trial.device]
                self._on_event(TrialRepeated(device, ended.trial, why))
            case Fault(device, error):
                self._on_event(PhoneStopped(device, _explained(error)))
            case _:
                self._on_event(report)


def _explained(error: BaseException) -> BenchError:
    return BenchError(
        f"A fault of bench itself: {error!r}.", next_step="The traceback follows at the end."
    )
