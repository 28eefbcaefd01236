"""What the figures come from: runs, devices, binaries and model files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.frame.cells import Cell
from bench.records import Device, Model, Plan, RunnerIdentity, device_id
from bench.report import text
from bench.report.collect import Collection
from bench.store import Run

Facts = tuple[tuple[str, str], ...]


class Provenance(NamedTuple):
    """Facts by what they are of."""

    runs: tuple[Facts, ...]
    devices: tuple[tuple[Device, Facts], ...]
    binaries: tuple[Facts, ...]
    models: tuple[tuple[str, str, str, str], ...]  # name, file, how it was made, sha256


def provenance(collection: Collection) -> Provenance:
    """All that is needed to ask the same question again."""
    runners = dict.fromkeys(d.trial.runner for d in collection.done if d.trial.runner)
    models = {
        (cell.model.name, cell.trials[0].model_sha256): cell.model for cell in collection.cells
    }
    return Provenance(
        runs=tuple(tuple(_run(run)) for run in collection.runs),
        devices=tuple((d, tuple(_device(d, collection.cells))) for d in collection.devices),
        binaries=tuple(tuple(_binaries(runner)) for runner in runners),
        models=tuple(
            (text.clean(name), text.file_name(model.path), _making(model), sha256)
            for (name, sha256), model in models.items()
        ),
    )


def _run(run: Run) -> Iterator[tuple[str, str]]:
    plan = run.plan
    precision = plan.precision
    yield "run", text.clean(f"{run.path.parent.name}/{run.path.name}", 120)
    yield "planned", text.moment(plan.created_at)
    trials, devices = len(plan.trials), len(plan.devices)
    shared = ", identical ones sharing them" if plan.shard else ""
    yield "asked", f"{text.counted(trials, 'trial')} on {text.counted(devices, 'device')}{shared}"
    yield "order", f"{text.counted(plan.repetitions, 'repetition')}, by seed {plan.seed}"
    yield (
        "precision",
        (
            f"until the median is known to ±{precision.interval:.1%}, {precision.min_samples:,} to"
            f" {precision.max_samples:,} samples, at most {precision.max_seconds:g} s"
        ),
    )
    yield "runner", f"asked for {plan.runner}"
    if beside := ", ".join(_beside(plan)):
        yield "beside latency", beside
    fitness = plan.fitness
    yield (
        "fitness",
        (
            f"waited for at most {fitness.max_wait_s:g} s before a trial; a throttled one tried at"
            f" most {text.counted(fitness.max_tries, 'time')}, {fitness.cool_down_s:g} s apart"
        ),
    )
    if plan.prepare:
        yield "prepared", text.clean(", ".join(plan.prepare), 200)
    yield "versions", _pairs(plan.versions)
    yield "host", _pairs(plan.host)


def _beside(plan: Plan) -> Iterator[str]:
    """What was asked for in processes of their own."""
    if plan.profile:
        yield "operators"
    if plan.memory:
        yield "memory"
    if plan.energy:
        yield "energy"
    if plan.sustained_s:
        yield f"sustained for {plan.sustained_s:g} s"


def _device(device: Device, cells: Sequence[Cell]) -> Iterator[tuple[str, str]]:
    states = [
        state
        for cell in cells
        if cell.device_id == device_id(device)
        for trial in cell.trials
        for state in (trial.state_before, trial.state_after)
        if state is not None
    ]
    told = {
        "kind": _kind(device),
        "maker": device.manufacturer,
        "SoC": device.soc,
        "cores": _cores(device),
        "memory": device.mem_total_kb and f"{device.mem_total_kb / 1024**2:.1f} GiB",
        "Android": device.android_release and f"{device.android_release} (SDK {device.sdk})",
        "ABIs": ", ".join(device.abis),
        "kernel": device.kernel,
        "fingerprint": device.fingerprint,
        "id": device_id(device),
        "battery temperature": _range([s.battery_temp_c for s in states], "°C"),
        "thermal status": _range([s.thermal_status for s in states], ""),
        "battery": _range([s.battery_level for s in states], "%"),
        "load, 1 min": _range([s.load_1min for s in states], ""),
    }
    yield from ((what, text.clean(value, 160)) for what, value in told.items() if value)


def _kind(device: Device) -> str:
    if not device.virtual:
        return "phone"
    told = [f"virtual phone, profile {device.profile or 'not told'}", f"{device.fidelity} fidelity"]
    told += ["emulated: no latency at all"] if device.emulated else []
    return ", ".join(told)


def _cores(device: Device) -> str | None:
    if not device.clusters:
        return str(device.cores) if device.cores else None
    return " + ".join(
        f"{len(cluster.cpus)} × {cluster.max_khz / 1e6:.2f} GHz"
        if cluster.max_khz
        else str(len(cluster.cpus))
        for cluster in device.clusters
    )


def _range(values: Sequence[float | None], unit: str) -> str | None:
    """From the lowest to the highest that the trials saw."""
    told = [value for value in values if value is not None]
    if not told:
        return None
    low, high = min(told), max(told)
    shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{shown} {unit}".strip() + " over all trials"


def _binaries(runner: RunnerIdentity) -> Iterator[tuple[str, str]]:
    yield "ABI", text.clean(runner.abi)
    yield "runner", text.clean(", ".join(_versions(runner)))
    yield "runner sha256", text.clean(runner.sha256)
    if runner.why:
        yield "chosen because", text.clean(runner.why, text.PROSE_LIMIT)
    yield "LiteRT library", text.clean(runner.library_version or "version not told")
    yield "library sha256", text.clean(runner.library_sha256 or "a part of the runner")


def _versions(runner: RunnerIdentity) -> Iterator[str]:
    yield runner.name
    yield runner.version or "version not told"
    if runner.contract is not None:
        yield f"contract {runner.contract}"


def _making(model: Model) -> str:
    """How a model was quantized, and what a check against its float parent found."""
    told = [model.recipe or ""]
    if check := model.check:
        if check.reason:
            told.append(f"found wrong: {check.reason}")
        elif check.top1_agreement is not None:
            told.append(f"{check.top1_agreement:.0%} the same top-1 as its float parent")
        if check.snr_db is not None:
            told.append(f"{check.snr_db:.0f} dB")
    return text.clean("; ".join(part for part in told if part), 300) or text.NONE


def _pairs(told: dict[str, str]) -> str:
    return text.clean(", ".join(f"{key} {value}" for key, value in told.items()), 200) or text.NONE
