"""The workers, one a phone, and the one who writes down what they report.

What a worker does is one function of a phone and a plan, so that a fleet of hosts can take
the threads' place with nothing else changed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bench import store
from bench.device import Phone, Preparation, prepared, restore_leftovers
from bench.engine.events import (
    Event,
    Outcome,
    PhoneDone,
    PhoneNoted,
    PhoneStopped,
    PhoneUnfit,
    PhoneWaited,
    TrialEnded,
    TrialRepeated,
    TrialStarted,
)
from bench.engine.prepare import Connect
from bench.errors import BenchError, DeviceError, DeviceLost
from bench.records import (
    Device,
    Doubt,
    Model,
    Plan,
    PlannedTrial,
    device_id,
    trial_key,
)
from bench.trial import Ended, Gate, Passes, Station, run_trial
from bench.trial.passes import LATENCY_ALONE


class Tried(NamedTuple):
    """A try that will be followed by another, and why."""

    ended: Ended
    why: str


Reports = queue.Queue[Event | Ended | Tried | BaseException]


class Patience(NamedTuple):
    """How long a phone that went away is waited for, and how often."""

    return_within_s: float = 300.0  # a boot, an update of the adb server, a cable put back
    poll_s: float = 1.0
    losses: int = 3  # a phone lost this often on one trial is given up


PATIENCE = Patience()


def workers_of(
    stations: Sequence[Station],
    plan: Plan,
    models: Sequence[Model],
    done: Mapping[str, set[str]],
    connect: Connect,
    patience: Patience,
) -> list[_Worker]:
    """A worker a phone; those of identical phones take their trials from one list if asked to."""
    by_name = {model.name: model for model in models}
    workers = []
    for group in groups_of(stations, shard=plan.shard):
        ids = [device_id(station.device) for station in group]
        todo = deque(
            trial
            for trial in plan.trials
            if not any(trial_key(one, trial) in done[one] for one in ids)
        )
        for station in group:
            sharing = station._replace(shared_by=len(group))
            workers.append(_Worker(sharing, todo, by_name, plan, connect, patience))
    return workers


def groups_of(stations: Sequence[Station], *, shard: bool) -> list[list[Station]]:
    """The phones that share a plan: each by itself, or all of one build of one model."""
    groups: dict[object, list[Station]] = {}
    for number, station in enumerate(stations):
        device = station.device
        identical = (device.fingerprint, device.model) if shard and device.fingerprint else number
        groups.setdefault(identical, []).append(station)
    return list(groups.values())


def run_all(
    workers: Sequence[_Worker], writer: store.RunWriter, on_event: Callable[[Event], None]
) -> Outcome:
    """Start the workers, and write and tell what they report, until the last has ended."""
    reports: Reports = queue.Queue()
    shares = {id(worker.todo): len(worker.todo) for worker in workers}
    tally = _Tally(writer, on_event, total=sum(shares.values()))
    interrupted = False
    try:
        for worker in workers:
            worker.start_for(reports)
        tally.take(reports, len(workers))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for worker in workers:
            worker.abort()
        for worker in workers:
            worker.join()
        tally.keep_rest(reports)
    return tally.outcome(interrupted)


class _Worker(threading.Thread):
    """Runs one phone's trials in order and reports each; ends with PhoneDone or PhoneStopped."""

    def __init__(
        self,
        station: Station,
        todo: deque[PlannedTrial],
        models: Mapping[str, Model],
        plan: Plan,
        connect: Connect,
        patience: Patience,
    ) -> None:
        super().__init__(name=f"phone {station.device.serial}", daemon=True)
        self.todo = todo
        self._station = station
        self._models = models
        self._plan = plan
        self._connect = connect
        self._patience = patience
        self._stop_asked = threading.Event()
        self._gate = Gate(plan.fitness, pause=self._pause, on_wait=self._waits)
        self._once = Passes(plan.profile, plan.memory, plan.energy)

    def start_for(self, reports: Reports) -> None:
        """Start, and report there."""
        self._report = reports.put
        self.start()

    def run(self) -> None:
        device = self._station.device
        try:
            with self._prepared():
                self._run_list()
            if not self._stop_asked.is_set():
                self._report(PhoneDone(device))
        except BenchError as error:
            if not self._stop_asked.is_set():
                self._report(PhoneStopped(device, error))
        except BaseException as error:  # a fault of ours: the main thread shall raise it
            self._report(error)

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        """The phone's settings as the sweep wants them; a killed host's are put back first."""
        phone, device = self._station.phone, self._station.device
        wanted = Preparation(**dict.fromkeys(self._plan.prepare, True))
        notes = list(restore_leftovers(phone))
        with prepared(phone, wanted) as applied:
            notes += [*applied.changed, *applied.refused]
            for note in notes:
                self._report(PhoneNoted(device, note))
            yield
        for note in applied.left:
            self._report(PhoneNoted(device, note))

    def _run_list(self) -> None:
        while (planned := self._next()) is not None:
            self._report(TrialStarted(self._station.device, planned))
            try:
                self._report(self._run_until_kept(planned))
            except BaseException:
                self.todo.appendleft(planned)  # another phone that shares the list may do it
                raise

    def _next(self) -> PlannedTrial | None:
        if self._stop_asked.is_set():
            return None
        try:
            return self.todo.popleft()
        except IndexError:
            return None

    def abort(self) -> None:
        """End what runs on the phone and begin nothing more; harmless when all is done."""
        self._stop_asked.set()
        self._station.phone.interrupt()

    def _run_until_kept(self, planned: PlannedTrial) -> Ended:
        """One trial, tried again when the phone goes away in the middle and comes back."""
        lost = 0
        while True:
            try:
                return run_trial(
                    self._station,
                    planned,
                    self._models[planned.model],
                    self._plan.precision,
                    self._gate,
                    self._passes(planned),
                    on_try=lambda ended, why: self._report(Tried(ended, why)),
                )
            except DeviceLost as error:
                lost += 1
                if lost == self._patience.losses or self._stop_asked.is_set():
                    raise
                self._report(PhoneWaited(self._station.device, str(error)))
                self._station = self._station._replace(phone=self._reconnect(error))
                if self._stop_asked.is_set():  # abort() may have met the old connection
                    raise

    def _passes(self, planned: PlannedTrial) -> Passes:
        """Once a cell: most with the first repetition, the hottest with the last one."""
        plan = self._plan
        passes = self._once if planned.repetition == 0 else LATENCY_ALONE
        last = planned.repetition == plan.repetitions - 1
        return passes._replace(sustained_s=plan.sustained_s if last else 0.0)

    def _waits(self, doubts: Sequence[Doubt]) -> None:
        for doubt in doubts:
            self._report(PhoneUnfit(self._station.device, doubt, self._plan.fitness.max_wait_s))

    def _pause(self, seconds: float) -> None:
        if self._stop_asked.wait(seconds):
            raise DeviceError("the sweep was stopped while the phone was waited for.")

    def _reconnect(self, lost: DeviceLost) -> Phone:
        give_up_at = time.monotonic() + self._patience.return_within_s
        while not self._stop_asked.wait(self._patience.poll_s):
            try:
                return self._connect(self._station.target)
            except DeviceError as error:
                if time.monotonic() > give_up_at:
                    raise DeviceLost(
                        f"{lost.what} It did not come back within"
                        f" {self._patience.return_within_s:g} s: {error.what}",
                        next_step="Mend the connection and go on with --resume.",
                    ) from error
        raise lost


class _Tally:
    """Writes every trial as it ends, passes events on, and counts."""

    def __init__(
        self, writer: store.RunWriter, on_event: Callable[[Event], None], total: int
    ) -> None:
        self._writer = writer
        self._on_event = on_event
        self._total = total
        self._counts = {"ok": 0, "failed": 0, "skipped": 0}
        self._stopped: dict[str, BenchError] = {}
        self._devices: dict[str, Device] = {}

    def take(self, reports: Reports, phones: int) -> None:
        """Handle reports until every phone is done or given up."""
        for report in _until_all_ended(reports, phones):
            if isinstance(report, BaseException):
                raise report
            if isinstance(report, Ended):
                self._keep(report)
                continue
            if isinstance(report, Tried):
                self._keep_try(report)
                continue
            if isinstance(report, TrialStarted):
                self._devices[device_id(report.device)] = report.device
            if isinstance(report, PhoneStopped):
                self._stopped[device_id(report.device)] = report.error
            self._on_event(report)

    def keep_rest(self, reports: Reports) -> None:
        """Trials that ended while the sweep was being stopped are measured all the same."""
        while not reports.empty():
            report = reports.get()
            if isinstance(report, Ended):
                self._keep(report)
            elif isinstance(report, Tried):
                self._keep_try(report)

    def outcome(self, interrupted: bool) -> Outcome:
        return Outcome(
            path=self._writer.path,
            **self._counts,
            not_run=self._total - sum(self._counts.values()),
            stopped=self._stopped,
            interrupted=interrupted,
        )

    def _keep_try(self, tried: Tried) -> None:
        trial = tried.ended.trial
        self._writer.append_try(trial)
        self._on_event(TrialRepeated(self._devices[trial.device], trial, tried.why))

    def _keep(self, ended: Ended) -> None:
        # Written before anything else happens: a later failure must not lose it.
        self._writer.append(ended.trial)
        self._writer.log(ended.trial.key, ended.trial.argv, ended.stderr)
        self._counts[ended.trial.status] += 1
        self._on_event(TrialEnded(self._devices[ended.trial.device], ended.trial))


def _until_all_ended(
    reports: Reports, phones: int
) -> Iterator[Event | Ended | Tried | BaseException]:
    while phones:
        report = reports.get()
        phones -= isinstance(report, PhoneDone | PhoneStopped)
        yield report
