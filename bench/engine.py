"""A whole plan over all phones: one worker a phone, retry, resume, progress.

Workers are threads here. What a worker does is one function of a phone and a plan, so that
a fleet of hosts can take the threads' place with nothing else changed.
"""

from __future__ import annotations

import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from bench import __version__, runtime, store, zoo
from bench import sweep as sweeps
from bench.device import Phone, describe
from bench.errors import (
    BenchError,
    DeviceError,
    DeviceLost,
    ModelError,
    RuntimeMissing,
    StoreError,
    UsageError,
)
from bench.records import Device, Model, Plan, PlannedTrial, Trial, device_id, trial_key
from bench.sweep import Sweep
from bench.trial import Ended, Station, run_trial

RETURN_WITHIN_S = 60.0  # how long a phone that went away is waited for
RETURN_POLL_S = 1.0
LOST_LIMIT = 3  # a phone lost this often on one trial is given up

Connect = Callable[[str], Phone]  # a serial to a phone that answers, or DeviceError


class TrialStarted(NamedTuple):
    """A worker begins a trial."""

    device: Device
    planned: PlannedTrial


class TrialEnded(NamedTuple):
    """A trial's record is on the disk."""

    device: Device
    trial: Trial


class PhoneWaited(NamedTuple):
    """A worker waits for a phone that went away."""

    device: Device
    reason: str


class PhoneStopped(NamedTuple):
    """A worker gave its phone up; its other trials stay to be done."""

    device: Device
    error: BenchError


class PhoneDone(NamedTuple):
    """A worker has nothing left to do."""

    device: Device


class SweepStarted(NamedTuple):
    """Everything is checked and the run's folder is made."""

    path: Path
    devices: tuple[Device, ...]
    models: tuple[Model, ...]
    plan: Plan
    done: int  # trials that an earlier start of this run has measured


Event = TrialStarted | TrialEnded | PhoneWaited | PhoneStopped | PhoneDone | SweepStarted


class Outcome(NamedTuple):
    """How a sweep ended."""

    path: Path
    ok: int
    failed: int
    skipped: int
    not_run: int
    stopped: Mapping[str, BenchError]  # by device id
    interrupted: bool


def make_models(sweep: Sweep) -> tuple[Model, ...]:
    """Every model that a sweep asks for; errors name the line of the sweep file."""
    directory = model_cache()
    models: dict[str, Model] = {}
    for realize in (False, True):  # all are checked before the first is made
        for spec in sweep.models:
            try:
                zoo.check(spec)
                if not realize:
                    continue
                model = zoo.realize(spec, directory)
                if model.name in models:
                    raise ModelError(
                        f"two models are called {model.name!r}.", next_step="Rename one file."
                    )
            except ModelError as error:
                place = f"{sweep.file}, line {spec.line}: " if spec.line else ""
                raise ModelError(place + error.what, next_step=error.next_step) from error
            models[model.name] = model
    return tuple(models.values())


def model_cache() -> Path:
    """Where made models are kept from sweep to sweep; any of them may be removed."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tflite-phone-bench" / "models"


def run_sweep(
    sweep: Sweep,
    serials: Sequence[str],
    *,
    connect: Connect,
    results: Path = Path("results"),
    resume: bool = False,
    fetch: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Run every trial of a sweep that is not yet final, on every phone; keep what is measured.

    With `resume` the newest run of this sweep goes on, else a new run begins. With `fetch` a
    LiteRT library that a phone needs is downloaded, else its absence is RuntimeMissing.
    Ctrl-C (KeyboardInterrupt) stops the phones and returns with `interrupted` set.
    """
    models = make_models(sweep)
    stations = _stations(serials, connect, fetch)
    plan = _plan(sweep, models, stations)
    writer, done = _open_run(sweep, plan, stations, models, results, resume)
    started = SweepStarted(
        writer.path, tuple(s.device for s in stations), models, plan, sum(map(len, done.values()))
    )
    on_event(started)
    try:
        return _run(stations, plan, {m.name: m for m in models}, done, connect, writer, on_event)
    finally:
        writer.close()


def _stations(serials: Sequence[str], connect: Connect, fetch: bool) -> list[Station]:
    """Reach and describe every phone, and find what to push to it, before any is touched."""
    stations: dict[str, Station] = {}
    for serial in serials:
        phone = connect(serial)
        device = describe(phone)
        if device_id(device) in stations:  # the same phone by cable and by network
            continue
        stations[device_id(device)] = Station(phone, device, _binaries(device, fetch))
    return list(stations.values())


def _binaries(device: Device, fetch: bool) -> runtime.Binaries:
    try:
        return runtime.find(device.abis, device.libc)
    except RuntimeMissing:
        if not fetch or not device.abis or device.libc == "glibc":
            raise
        runtime.fetch(device.abis[0])
        return runtime.find(device.abis, device.libc)


def _plan(sweep: Sweep, models: Sequence[Model], stations: Sequence[Station]) -> Plan:
    return Plan(
        name=sweep.name,
        seed=sweep.seed,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        repetitions=sweep.repetitions,
        precision=sweep.precision,
        trials=sweeps.plan_trials(sweep, [model.name for model in models]),
        devices=tuple(device_id(station.device) for station in stations),
        versions={
            "bench": __version__,
            "python": platform.python_version(),
            "ai-edge-litert": metadata.version("ai-edge-litert"),
            "adbutils": metadata.version("adbutils"),
        },
        host={"system": platform.system(), "machine": platform.machine()},
    )


def _open_run(
    sweep: Sweep,
    plan: Plan,
    stations: Sequence[Station],
    models: Sequence[Model],
    results: Path,
    resume: bool,
) -> tuple[store.RunWriter, dict[str, set[str]]]:
    """The run to write into, and the keys that are final in it, by device."""
    ids = {device_id(station.device): station.device for station in stations}
    if not resume:
        by_name = {model.name: model for model in models}
        return store.create_run(results, sweep.text, plan, ids, by_name), {i: set() for i in ids}
    path = store.latest_run(results, sweep.name)
    if path is None:
        raise StoreError(
            f"no run of {sweep.name!r} to resume in {results}.", next_step="Leave out --resume."
        )
    before = store.read_run(path)
    _refuse_other_plan(before, plan, models)
    done: dict[str, set[str]] = {i: set() for i in ids}
    for trial in store.read_trials(path):
        if trial.device in done:
            done[trial.device].add(trial.key)
    return store.resume_run(path), done


def _refuse_other_plan(before: store.Run, plan: Plan, models: Sequence[Model]) -> None:
    """Only the same trials of the same models on phones of the run may go on in it."""
    cure = "Start a new run without --resume."
    if (before.plan.trials, before.plan.precision) != (plan.trials, plan.precision):
        raise UsageError(f"the sweep file has changed since {before.path} began.", next_step=cure)
    for model in models:
        if before.models[model.name].sha256 != model.sha256:
            raise UsageError(
                f"model {model.name!r} has changed since {before.path} began.", next_step=cure
            )
    strangers = set(plan.devices) - set(before.plan.devices)
    if strangers:
        raise UsageError(
            f"{', '.join(sorted(strangers))} did not take part in {before.path}.",
            next_step=f"Name its devices with --device ({', '.join(before.plan.devices)}), or "
            + cure[0].lower()
            + cure[1:],
        )


def _run(
    stations: Sequence[Station],
    plan: Plan,
    models: Mapping[str, Model],
    done: Mapping[str, set[str]],
    connect: Connect,
    writer: store.RunWriter,
    on_event: Callable[[Event], None],
) -> Outcome:
    """Start the workers, and write and tell what they report, until the last has ended."""
    reports: queue.Queue[Event | Ended | BaseException] = queue.Queue()
    stop = threading.Event()
    workers = []
    for station in stations:
        mine = done[device_id(station.device)]
        todo = [t for t in plan.trials if trial_key(device_id(station.device), t) not in mine]
        worker = _Worker(station, todo, models, plan, connect, reports.put, stop)
        workers.append(worker)
        worker.start()
    tally = _Tally(writer, on_event, total=sum(len(worker.todo) for worker in workers))
    interrupted = False
    try:
        tally.take(reports, len(workers))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        stop.set()
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
        todo: Sequence[PlannedTrial],
        models: Mapping[str, Model],
        plan: Plan,
        connect: Connect,
        report: Callable[[Event | Ended | BaseException], None],
        stop: threading.Event,
    ) -> None:
        super().__init__(name=f"phone {station.device.serial}", daemon=True)
        self.todo = todo
        self._station = station
        self._models = models
        self._plan = plan
        self._connect = connect
        self._report = report
        self._stop_asked = stop

    def run(self) -> None:
        device = self._station.device
        try:
            for planned in self.todo:
                if self._stop_asked.is_set():
                    return
                self._report(TrialStarted(device, planned))
                self._report(self._run_until_kept(planned))
            self._report(PhoneDone(device))
        except BenchError as error:
            if not self._stop_asked.is_set():
                self._report(PhoneStopped(device, error))
        except BaseException as error:  # a fault of ours: the main thread shall raise it
            self._report(error)

    def abort(self) -> None:
        """End what runs on the phone; harmless when all is done."""
        self._station.phone.interrupt()

    def _run_until_kept(self, planned: PlannedTrial) -> Ended:
        """One trial, tried again when the phone goes away in the middle and comes back."""
        lost = 0
        while True:
            try:
                return run_trial(
                    self._station, planned, self._models[planned.model], self._plan.precision
                )
            except DeviceLost as error:
                lost += 1
                if lost == LOST_LIMIT or self._stop_asked.is_set():
                    raise
                self._report(PhoneWaited(self._station.device, str(error)))
                self._station = self._station._replace(phone=self._reconnect(error))

    def _reconnect(self, lost: DeviceLost) -> Phone:
        give_up_at = time.monotonic() + RETURN_WITHIN_S
        while not self._stop_asked.wait(RETURN_POLL_S):
            try:
                return self._connect(self._station.device.serial)
            except DeviceError as error:
                if time.monotonic() > give_up_at:
                    raise DeviceLost(
                        f"{lost.what} It did not come back within {RETURN_WITHIN_S:.0f} s:"
                        f" {error.what}",
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

    def take(self, reports: queue.Queue[Event | Ended | BaseException], phones: int) -> None:
        """Handle reports until every phone is done or given up."""
        for report in _until_all_ended(reports, phones):
            if isinstance(report, BaseException):
                raise report
            if isinstance(report, Ended):
                self._keep(report)
                continue
            if isinstance(report, TrialStarted):
                self._devices[device_id(report.device)] = report.device
            if isinstance(report, PhoneStopped):
                self._stopped[device_id(report.device)] = report.error
            self._on_event(report)

    def keep_rest(self, reports: queue.Queue[Event | Ended | BaseException]) -> None:
        """Trials that ended while the sweep was being stopped are measured all the same."""
        while not reports.empty():
            report = reports.get()
            if isinstance(report, Ended):
                self._keep(report)

    def outcome(self, interrupted: bool) -> Outcome:
        return Outcome(
            path=self._writer.path,
            **self._counts,
            not_run=self._total - sum(self._counts.values()),
            stopped=self._stopped,
            interrupted=interrupted,
        )

    def _keep(self, ended: Ended) -> None:
        # Written before anything else happens: a later failure must not lose it.
        self._writer.append(ended.trial)
        self._writer.log(ended.trial.key, ended.trial.argv, ended.stderr)
        self._counts[ended.trial.status] += 1
        self._on_event(TrialEnded(self._devices[ended.trial.device], ended.trial))


def _until_all_ended(
    reports: queue.Queue[Event | Ended | BaseException], phones: int
) -> Iterator[Event | Ended | BaseException]:
    while phones:
        report = reports.get()
        phones -= isinstance(report, PhoneDone | PhoneStopped)
        yield report
