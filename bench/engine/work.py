"""The workers, one a phone.

What a worker does is one function of a phone and a plan, so that a fleet of hosts can take
the threads' place with nothing else changed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

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
    TrialStarted,
)
from bench.engine.prepare import Connect
from bench.engine.tally import Fault, Reports, Tally, Tried
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
        todo = _Todo(_left(share.devices, plan, done))
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
    reports = Reports()
    devices = [worker.device for worker in workers]
    tally = Tally(writer, on_event, not_begun, trials, devices, tried)
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


_LOOK_EVERY_S = 0.05  # a phone that is done, whether the others are: a sweep ends as much later


class _Todo:
    """The trials that a phone is to do, or identical ones together."""

    def __init__(self, trials: Iterable[PlannedTrial]) -> None:
        self._left = deque(trials)
        self._under_way = 0
        self._lock = threading.Lock()

    def take(self) -> PlannedTrial | None:
        """The next one, which is to be ended or given back; None where there is none now."""
        with self._lock:
            if not self._left:
                return None
            self._under_way += 1
            return self._left.popleft()

    def end(self) -> None:
        with self._lock:
            self._under_way -= 1

    def give_back(self, planned: PlannedTrial) -> None:
        """It was not done: the next one that takes does it."""
        with self._lock:
            self._under_way -= 1
            self._left.appendleft(planned)

    @property
    def is_done(self) -> bool:
        """Nothing is left, and nothing can be given back."""
        with self._lock:
            return not self._left and not self._under_way


class _Worker(threading.Thread):
    """Runs one phone's trials in order and reports each; ends with PhoneDone or PhoneStopped."""

    def __init__(
        self,
        station: Station,
        hold: Hold,
        todo: _Todo,
        models: Mapping[str, Model],
        plan: Plan,
        connect: Connect,
        patience: Patience,
    ) -> None:
        super().__init__(name=f"phone {station.device.serial}", daemon=True)
        self.device = station.device
        self._todo = todo
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
                self._todo.give_back(planned)
                raise
            self._todo.end()
            self._failures = 0
            self._report(ended)

    def _next(self) -> PlannedTrial | None:
        while not self._stop_asked.is_set() and not self._todo.is_done:
            if (planned := self._todo.take()) is not None:
                return planned
            self._stop_asked.wait(_LOOK_EVERY_S)  # another phone may yet give one back
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
