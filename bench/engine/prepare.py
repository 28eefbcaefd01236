"""What is settled before the first trial: models, phones, binaries, the plan, and its folder."""

from __future__ import annotations

import contextlib
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench import __version__, store, zoo
from bench import sweep as sweeps
from bench.device import Phone, describe
from bench.engine.choose import MayFetch, Wanted, runners_for
from bench.errors import ModelError, StoreError, UsageError
from bench.records import Model, ModelSpec, Plan, device_id
from bench.sweep import Sweep
from bench.trial import Station, why_skipped

if TYPE_CHECKING:
    from bench.zoo.host import HostRuntime

Connect = Callable[[str], Phone]  # what was asked for to a phone that answers, or DeviceError


def make_models(sweep: Sweep, host_runtime: HostRuntime | None = None) -> tuple[Model, ...]:
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
                raise ModelError(
                    f"two models are called {model.name!r}.", next_step="Rename one file."
                )
            models[model.name] = _checked(spec, model, host_runtime)
    return tuple(models.values())


def _checked(spec: ModelSpec, model: Model, host_runtime: HostRuntime | None) -> Model:
    parent = zoo.parent_of(spec)
    if parent is None or host_runtime is None:
        return model
    directory = model_cache()
    check = zoo.verify(model, zoo.realize(parent, directory), host_runtime, directory=directory)
    return msgspec.structs.replace(model, check=check)


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


def stations_of(
    targets: Sequence[str], connect: Connect, wanted: Wanted, may_fetch: MayFetch
) -> list[Station]:
    """Reach and describe every phone, and settle its runners, before any is measured."""
    stations: dict[str, Station] = {}
    for target in targets:
        phone = connect(target)
        device = describe(phone)
        if device_id(device) in stations:  # the same phone by cable and by network
            continue
        runners = runners_for(phone, device, wanted, may_fetch)
        stations[device_id(device)] = Station(target, phone, device, runners)
    return list(stations.values())


def plan_of(sweep: Sweep, models: Sequence[Model], stations: Sequence[Station]) -> Plan:
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
        devices=tuple(device_id(station.device) for station in stations),
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


def open_run(
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
    done: dict[str, set[str]] = {i: set() for i in {*ids, *before.devices}}
    for trial in store.read_trials(path):
        done[trial.device].add(trial.key)
    return store.resume_run(path), done


def _refuse_other_plan(before: store.Run, plan: Plan, models: Sequence[Model]) -> None:
    """Only the same trials of the same models on phones of the run may go on in it."""
    cure = "Start a new run without --resume."
    fields = (
        "trials", "precision", "runner", "profile", "memory", "energy", "sustained_s", "shard",
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
