"""What is settled before the first trial: models, phones, binaries, the plan, and its folder."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bench import __version__, store, zoo
from bench import sweep as sweeps
from bench.device import Hold, Phone, describe, held
from bench.engine.choose import MayFetch, Wanted, runners_for
from bench.engine.events import Event, ModelReady
from bench.errors import DeviceBusy, DeviceError, DeviceLost, ModelError, StoreError, UsageError
from bench.records import Device, Model, ModelSpec, Plan, device_id
from bench.sweep import Sweep
from bench.trial import Station, why_skipped
from bench.trial.host_check import NO_HOST_CHECK, HostCheck
from bench.zoo.reference import Reference, reference

if TYPE_CHECKING:
    from bench.zoo.host import HostRuntime

Connect = Callable[[str], Phone]  # what was asked for to a phone that answers, or DeviceError


def make_models(
    sweep: Sweep,
    host_runtime: HostRuntime | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[Model, ...]:
    """Every model that a sweep asks for; errors name the line of the sweep file.

    With a host runtime each quantized model is held against its float parent on this
    computer; what is wrong with it stands in its `check`.
    """
    for spec in sweep.models:  # all are looked at before the first is made
        with _line_named(sweep, spec):
            zoo.check(spec)
    models: dict[str, Model] = {}
    for spec in sweep.models:
        with _line_named(sweep, spec):
            model = zoo.realize(spec, model_cache())
            if model.name in models:
                cure = "Rename one file." if spec.file is not None else "Ask for it once."
                raise ModelError(f"two models are called {model.name!r}.", next_step=cure)
            models[model.name] = _checked(spec, model, host_runtime)
        on_event(ModelReady("made", len(models), len(sweep.models)))
    return tuple(models.values())


def _checked(spec: ModelSpec, model: Model, host_runtime: HostRuntime | None) -> Model:
    parent = zoo.parent_of(spec)
    if parent is None or host_runtime is None:
        return model
    directory = model_cache()
    check = zoo.verify(model, zoo.realize(parent, directory), host_runtime, directory=directory)
    return msgspec.structs.replace(model, check=check)


def host_check_of(
    sweep: Sweep,
    models: Sequence[Model],
    host_runtime: HostRuntime | None,
    on_event: Callable[[Event], None],
) -> HostCheck:
    """What this computer computes for each model, before a phone is measured: a virtual one runs
    here, and would be disturbed. benchmark_model tells no outputs."""
    if host_runtime is None or sweep.runner == "benchmark_model":
        return NO_HOST_CHECK
    right = [model for model in models if model.check is None or model.check.ok]
    references: dict[str, Reference] = {}
    for done, one in enumerate(right, start=1):
        references[one.sha256] = reference(one, host_runtime, directory=model_cache())
        on_event(ModelReady("run here", done, len(right)))
    return HostCheck(references)


@contextlib.contextmanager
def _line_named(sweep: Sweep, spec: ModelSpec) -> Iterator[None]:
    """A ModelError inside gets the line of the sweep file that asks for the model."""
    try:
        yield
    except ModelError as error:
        line = sweeps.line_of(sweep, spec, error.what)
        place = f"{sweep.file}, line {line}: " if line else ""
        raise ModelError(place + error.what, next_step=error.next_step) from error


def model_cache() -> Path:
    """Where made models are kept from sweep to sweep; any of them may be removed."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tflite-phone-bench" / "models"


class Reached(NamedTuple):
    """The phones that were asked for: ours now, held by others, or not to be reached."""

    stations: list[Station]
    holds: dict[str, Hold]  # by device id, as the next
    busy: dict[str, tuple[Device, DeviceBusy]]
    missing: dict[str, DeviceError]  # as they were asked for

    @property
    def devices(self) -> list[Device]:
        """All that were reached."""
        return [s.device for s in self.stations] + [device for device, _ in self.busy.values()]


def reach_phones(
    targets: Sequence[str],
    connect: Connect,
    wanted: Wanted,
    may_fetch: MayFetch,
    again_after_s: float,
    until: contextlib.ExitStack,
) -> Reached:
    """Describe every phone, hold it until then, and settle its runners; DeviceError without any.

    One that goes away meanwhile is tried once more. Nothing is started on a phone that somebody
    else holds: it would disturb their measurement.
    """
    found = Reached([], {}, {}, {})
    for target in targets:
        try:
            try:
                _reach(target, connect, wanted, may_fetch, until, found)
            except DeviceLost:
                time.sleep(again_after_s)
                _reach(target, connect, wanted, may_fetch, until, found)
        except DeviceError as error:
            found.missing[target] = error
    if not found.stations:
        failures = [*(error for _, error in found.busy.values()), *found.missing.values()]
        if failures:
            raise failures[0]
    return found


def _reach(
    target: str,
    connect: Connect,
    wanted: Wanted,
    may_fetch: MayFetch,
    until: contextlib.ExitStack,
    found: Reached,
) -> None:
    phone = connect(target)
    device = describe(phone)
    one = device_id(device)
    if one in map(device_id, found.devices):  # the same phone by cable and by network
        return
    try:
        if one in found.holds:  # it went away after that
            found.holds[one].confirm(phone)
        else:
            found.holds[one] = until.enter_context(held(phone))
    except DeviceBusy as error:
        found.busy[one] = (device, error)
        return
    runners = runners_for(phone, device, wanted, may_fetch)
    found.stations.append(Station(target, phone, device, runners))


def plan_of(sweep: Sweep, models: Sequence[Model], devices: Sequence[Device]) -> Plan:
    return Plan(
        name=sweep.name,
        seed=sweep.seed,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        repetitions=sweep.repetitions,
        precision=sweep.precision,
        runner=sweep.runner,
        profile=sweep.profile,
        memory=sweep.memory,
        energy=sweep.energy,
        sustained_s=sweep.sustained_s,
        fitness=sweep.fitness,
        shard=sweep.shard,
        prepare=sweep.prepare,
        trials=sweeps.plan_trials(sweep, [model.name for model in models]),
        devices=tuple(device_id(device) for device in devices),
        versions={
            "bench": __version__,
            "python": platform.python_version(),
            "ai-edge-litert": metadata.version("ai-edge-litert"),
            "adbutils": metadata.version("adbutils"),
        },
        host={"system": platform.system(), "machine": platform.machine()},
    )


def skips(stations: Sequence[Station], plan: Plan) -> dict[str, int]:
    """How many trials will be skipped, by reason."""
    reasons = [why_skipped(station, trial.config) for station in stations for trial in plan.trials]
    return dict(Counter(reason for reason in reasons if reason is not None))


class OpenRun(NamedTuple):
    """A run that is written into."""

    writer: store.RunWriter
    devices: list[Device]  # all that take part, or did
    done: dict[str, set[str]]  # keys that are final, by device id
    tried: Mapping[str, int]  # how often what has no end was tried, by key


def open_run(
    sweep: Sweep,
    plan: Plan,
    devices: Sequence[Device],
    models: Sequence[Model],
    results: Path,
    resume: bool,
) -> OpenRun:
    """A new run, or with `resume` the newest one of the sweep with what is final in it."""
    ids = {device_id(device): device for device in devices}
    if not resume:
        by_name = {model.name: model for model in models}
        writer = store.create_run(results, sweep.text, plan, ids, by_name)
        return OpenRun(writer, list(devices), {one: set() for one in ids}, {})
    path = store.latest_run(results, sweep.name)
    if path is None:
        raise StoreError(
            f"no run of {sweep.name!r} to resume in {results}.", next_step="Leave out --resume."
        )
    before = store.read_run(path)
    _refuse_other_plan(before, plan, models)
    writer = store.resume_run(path)  # first, so that nobody adds a trial after they are read
    try:
        done: dict[str, set[str]] = {one: set() for one in before.devices}
        for trial in store.read_trials(path):
            done.setdefault(trial.device, set()).add(trial.key)
        ended = set().union(*done.values())
        tries = (trial.key for trial in store.read_tries(path))
        tried = Counter(key for key in tries if key not in ended)
    except BaseException:
        writer.close()
        raise
    return OpenRun(writer, list(before.devices.values()), done, tried)


def _refuse_other_plan(before: store.Run, plan: Plan, models: Sequence[Model]) -> None:
    """Only the same trials of the same models on phones of the run may go on in it."""
    cure = "Start a new run without --resume."
    fields = (
        "trials", "precision", "runner", "profile", "memory", "energy", "sustained_s", "shard",
        "prepare",
    )  # fmt: skip
    if any(getattr(before.plan, field) != getattr(plan, field) for field in fields):
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
