"""The workers, one a phone, and the one who writes down what they report.

What a worker does is one function of a phone and a plan, so that a fleet of hosts can take
the threads' place with nothing else changed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from bench import store
from bench.device import (
    Hold,
    Preparation,
    describe,
    prepared,
    remove_leftovers,
    restore_leftovers,
)
from bench.engine.events import (
    Event,
    Outcome,
    PhoneDone,
    PhoneFit,
    PhoneNoted,
    PhoneStopped,
    PhoneUnfit,
    PhoneWaited,
    Share,
    TrialEnded,
    TrialRepeated,
    TrialStarted,
)
from bench.engine.prepare import Connect
from bench.errors import BenchError, DeviceBusy, DeviceError, DeviceFull, DeviceLost
from bench.records import (
    Device,
    Doubt,
    Model,
    Plan,
    PlannedTrial,
    device_id,
    sharers,
    trial_key,
)
from bench.trial import Ended, Gate, Passes, Station, run_trial
from bench.trial.passes import LATENCY_ALONE


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


class Patience(NamedTuple):
    """How long a phone that went away is waited for, and how often."""

    return_within_s: float = 300.0  # a boot, an update of the adb server, a cable put back
    poll_s: float = 1.0
    losses: int = 3  # a phone that failed this often on one trial is given up


PATIENCE = Patience()


def shares_of(
    devices: Iterable[Device], present: Collection[str], plan: Plan, done: Mapping[str, set[str]]
) -> tuple[Share, ...]:
    """Who does what is left: each phone the plan, or all of one build of one model together.

    Also phones of the run that are not present now count for what they did in it.
    """
    total = len(plan.trials)
    return tuple(
        Share(tuple(ids), total, total - len(_left(ids, plan, done)))
        for ids in sharers(plan, devices)
        if not set(ids).isdisjoint(present)
    )


def workers_of(
    stations: Sequence[Station],
    holds: Mapping[str, Hold],
    shares: Sequence[Share],
    plan: Plan,
    models: Sequence[Model],
    done: Mapping[str, set[str]],
    connect: Connect,
    patience: Patience,
) -> list[_Worker]:
    """A worker a phone; those of one share take their trials from one list."""
    by_name = {model.name: model for model in models}
    by_id = {device_id(station.device): station for station in stations}
    workers = []
    for share in shares:
        todo = deque(_left(share.devices, plan, done))
        sharing = [one for one in share.devices if one in by_id]
        for one in sharing:
            station = by_id[one]._replace(shared_by=len(sharing))
            workers.append(_Worker(station, holds[one], todo, by_name, plan, connect, patience))
    return workers


def _left(ids: Sequence[str], plan: Plan, done: Mapping[str, set[str]]) -> list[PlannedTrial]:
    """The trials that none of these phones has done."""
    return [
        trial for trial in plan.trials if not any(trial_key(one, trial) in done[one] for one in ids)
    ]


def run_all(
    workers: Sequence[_Worker],
    not_begun: Mapping[str, DeviceError],
    writer: store.RunWriter,
    on_event: Callable[[Event], None],
    trials: int,
    tried: Mapping[str, int],
) -> Outcome:
    """Start the workers, and write and tell what they report, until the last has ended.

    A fault of ours in one of them is raised when the others are done.
    `not_begun` are phones that others hold, or that are missing; `trials` are to be done, and
    `tried` of them, by key, so often in an earlier start of the run.
    """
    reports: Reports = queue.SimpleQueue()
    devices = [worker.device for worker in workers]
    tally = _Tally(writer, on_event, not_begun, trials, devices, tried)
    interrupted = False
    try:
        for worker in workers:
            worker.start_for(reports)
        tally.take(reports, len(workers))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        try:
            for worker in workers:
                worker.abort()
            for worker in workers:
                if worker.is_alive():  # Ctrl-C may have come before its start
                    worker.join()
        finally:  # also when a second Ctrl-C does not wait for the phones
            tally.keep_rest(reports)
    return tally.outcome(interrupted)


class _Worker(threading.Thread):
    """Runs one phone's trials in order and reports each; ends with PhoneDone or PhoneStopped."""

    def __init__(
        self,
        station: Station,
        hold: Hold,
        todo: deque[PlannedTrial],
        models: Mapping[str, Model],
        plan: Plan,
        connect: Connect,
        patience: Patience,
    ) -> None:
        super().__init__(name=f"phone {station.device.serial}", daemon=True)
        self.todo = todo
        self.device = station.device
        self._station = station
        self._hold = hold
        self._models = models
        self._plan = plan
        self._connect = connect
        self._patience = patience
        self._stop_asked = threading.Event()
        self._gate = Gate(plan.fitness, pause=self._pause, on_wait=self._waits)
        self._once = Passes(plan.profile, plan.memory, plan.energy)
        self._failures = 0  # of the phone, since a trial was done
        self._noted: set[str] = set()

    def start_for(self, reports: Reports) -> None:
        """Start, and report there."""
        self._report = reports.put
        self.start()

    def run(self) -> None:
        device = self._station.device
        try:
            self._run_until_done()
            if not self._stop_asked.is_set():
                self._report(PhoneDone(device))
        except BenchError as error:
            self._note(getattr(error, "__notes__", ()))
            if not self._stop_asked.is_set():
                self._report(PhoneStopped(device, error))
        except BaseException as error:
            self._report(Fault(device, error))
        finally:
            self._hold.release()

    def _run_until_done(self) -> None:
        """All of the list; a phone that fails in the middle is begun with anew, in all steps."""
        while not self._stop_asked.is_set():
            try:
                with self._prepared():
                    self._run_list()
                return
            except (DeviceFull, DeviceBusy):
                raise  # nothing that waiting would cure
            except DeviceError as error:
                self._failures += 1
                if self._failures >= self._patience.losses or self._stop_asked.is_set():
                    raise
                self._report(PhoneWaited(self._station.device, error.what))
                self._reconnect(error)
                if self._stop_asked.is_set():  # abort() may have met the old connection
                    raise

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[None]:
        """The phone without traces of a killed bench, and with settings as the sweep wants them.

        We hold it, so what was left there is of nobody who lives, and of ours after a failure.
        """
        phone = self._station.phone
        wanted = Preparation(**dict.fromkeys(self._plan.prepare, True))
        self._note(remove_leftovers(phone))
        restored = restore_leftovers(phone, by_force=True)
        self._note(restored if not self._failures else ())
        with prepared(phone, wanted, self._hold.owner) as applied:
            self._note([*applied.changed, *applied.refused])
            yield
        self._note(applied.left)

    def _note(self, notes: Sequence[str]) -> None:
        """Tell each once: a phone that comes back often is prepared as often."""
        for note in notes:
            if note not in self._noted:
                self._noted.add(note)
                self._report(PhoneNoted(self._station.device, note))

    def _run_list(self) -> None:
        while (planned := self._next()) is not None:
            self._report(TrialStarted(self._station.device, planned))
            try:
                ended = self._run(planned)
            except BaseException:
                self.todo.appendleft(planned)  # another phone that shares the list may do it
                raise
            self._failures = 0
            self._report(ended)

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

    def _run(self, planned: PlannedTrial) -> Ended:
        """One trial, on a phone that nobody else has used meanwhile."""
        self._hold.check()
        ended = run_trial(
            self._station,
            planned,
            self._models[planned.model],
            self._plan.precision,
            self._gate,
            self._passes(planned),
            on_try=lambda ended, why: self._report(Tried(ended, why)),
        )
        self._hold.check()
        return ended

    def _passes(self, planned: PlannedTrial) -> Passes:
        """Once a cell: most with the first repetition, the hottest with the last one."""
        plan = self._plan
        passes = self._once if planned.repetition == 0 else LATENCY_ALONE
        last = planned.repetition == plan.repetitions - 1
        return passes._replace(sustained_s=plan.sustained_s if last else 0.0)

    def _waits(self, doubts: Sequence[Doubt]) -> None:
        if not doubts:
            self._report(PhoneFit(self._station.device))
        for doubt in doubts:
            self._report(PhoneUnfit(self._station.device, doubt, self._plan.fitness.max_wait_s))

    def _pause(self, seconds: float) -> None:
        if self._stop_asked.wait(seconds):
            raise DeviceError("the sweep was stopped while the phone was waited for.")

    def _reconnect(self, lost: DeviceError) -> None:
        """Wait until the phone answers again, and is still ours."""
        give_up_at = time.monotonic() + self._patience.return_within_s
        while not self._stop_asked.wait(self._patience.poll_s):
            try:
                phone = self._connect(self._station.target)
                self._station = self._station._replace(phone=phone)
                self._hold.confirm(phone)
                self._recognize()
                return
            except DeviceBusy:
                raise
            except DeviceError as error:
                if time.monotonic() > give_up_at:
                    given_up = DeviceLost(
                        f"{lost.what} It did not come back within"
                        f" {self._patience.return_within_s:g} s: {error.what}",
                        next_step="Mend the connection and go on with --resume.",
                    )
                    for note in getattr(lost, "__notes__", ()):
                        given_up.add_note(note)
                    raise given_up from error
        raise lost

    def _recognize(self) -> None:
        """An address that another phone has now must not lend it the name of the first."""
        found = device_id(describe(self._station.phone))
        if found != device_id(self._station.device):
            raise DeviceError(f"{self._station.target!r} leads to another phone now, {found!r}.")


class _Tally:
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
