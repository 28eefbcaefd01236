"""One row a trial."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.doubts import IN_TITLE
from bench.errors import StoreError
from bench.frame import columns
from bench.frame.latency import statistics
from bench.frame.passes import (
    busy_cores,
    check_values,
    energy_values,
    memory_values,
    sustained_values,
)
from bench.frame.published import choose
from bench.records import (
    Device,
    DeviceState,
    Doubt,
    Measurement,
    Model,
    Published,
    Reported,
    RunnerIdentity,
    Trial,
    device_id,
    device_titles,
)
from bench.store import Run, find_runs, read_run, read_trials, read_tries

AnyPath = str | os.PathLike[str]
Values = tuple[Any, ...]


class Shared(NamedTuple):
    """What rows tell that depends on all runs."""

    titles: dict[str, str]  # by device id
    published: dict[str, Published]  # by model name


def load(path: AnyPath | Iterable[AnyPath], *, tries: bool = False) -> pd.DataFrame:
    """All trials of a run, of a sweep's folder or of all results, one row each.

    The columns are those of docs/formats.md. Several paths make one frame. With `tries`, the
    throttled tries that another followed are rows too, each before its trial; they are not
    `final`.
    """
    rows: list[Values] = []
    samples, counts = array("d"), array("q")
    runs = read_runs(path)
    shared = shared_of(runs)
    for run, trial, final in starts_of(runs, tries=tries):
        rows.append(_row(run, trial, shared, final=final))
        measured = trial.measurement.samples_us if trial.measurement else ()
        samples.extend(measured)
        counts.append(len(measured))
    return _frame(rows, statistics(np.asarray(samples), np.asarray(counts, dtype=np.int64)))


def read_runs(path: AnyPath | Iterable[AnyPath]) -> list[Run]:
    """The runs at one or several paths, none twice, without their trials."""
    return [read_run(folder) for folder in runs_at(path)]


def trials_of(runs: Iterable[Run]) -> Iterator[tuple[Run, Trial]]:
    """Each trial with the run it belongs to."""
    for run in runs:
        for trial in read_trials(run.path):
            yield run, trial


def starts_of(runs: Iterable[Run], *, tries: bool) -> Iterator[tuple[Run, Trial, bool]]:
    """Each trial and whether it is final; with `tries`, after those that it followed."""
    for run in runs:
        earlier = earlier_tries(run) if tries else {}
        for trial in read_trials(run.path):
            yield from ((run, one, False) for one in earlier.pop(trial.key, ()))
            yield run, trial, True
        yield from ((run, one, False) for left in earlier.values() for one in left)


def earlier_tries(run: Run) -> dict[str, list[Trial]]:
    """The tries of a run that another followed, by key."""
    found: dict[str, list[Trial]] = {}
    for trial in read_tries(run.path):
        found.setdefault(trial.key, []).append(trial)
    return found


def titles_of(runs: Iterable[Run]) -> dict[str, str]:
    """Titles by device id, no two alike."""
    devices = {device_id(device): device for run in runs for device in run.devices.values()}
    return device_titles(devices.values())


def published_of(runs: Iterable[Run]) -> dict[str, Published]:
    """By model name, the published error that stands beside it wherever these runs are shown."""
    return choose(model for run in runs for model in run.models.values())


def shared_of(runs: Sequence[Run]) -> Shared:
    """What rows tell that depends on all runs."""
    return Shared(titles_of(runs), published_of(runs))


def runs_at(path: AnyPath | Iterable[AnyPath]) -> list[Path]:
    """The runs at one or several paths, none twice."""
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    found = [run for each in paths for run in find_runs(Path(each))]
    return list({run.resolve(): run for run in found}.values())


def device_of(run: Run, trial: Trial) -> Device:
    """The phone of a trial, by its id or by the serial that it was written under.

    A trial and its device must agree on whether it is virtual: nobody may take the latency of
    one for that of the other.
    """
    device = run.devices.get(trial.device)
    if device is None:
        by_id = {device_id(device): device for device in run.devices.values()}
        device = by_id.get(trial.device)
    if device is None:
        raise StoreError(
            f"{run.path / 'devices.json'} does not tell of device {trial.device!r}, which trials"
            " name.",
            next_step="Copy the whole folder of the run.",
        )
    if device.virtual != trial.virtual:
        kinds = ("virtual", "a phone") if device.virtual else ("a phone", "virtual")
        raise StoreError(
            f"{run.path / 'devices.json'} says that {trial.device!r} is {kinds[0]}, trial"
            f" {trial.key} that it is {kinds[1]}.",
            next_step="Take the run's folder from where it was made.",
        )
    return device


def model_of(run: Run, trial: Trial) -> Model:
    """The model of a trial."""
    if trial.model in run.models:
        return run.models[trial.model]
    raise StoreError(
        f"{run.path / 'models.json'} does not tell of model {trial.model!r}, which trials name.",
        next_step="Copy the whole folder of the run.",
    )


def frame_of(
    columns_: Iterable[columns.Column], rows: list[Values], given: dict[str, Any] | None = None
) -> pd.DataFrame:
    """Rows as a frame; `given` arrays stand for the columns that the rows lack."""
    given = given or {}
    told = [column for column in columns_ if column.name not in given]
    lists = zip(*rows, strict=True) if rows else iter([()] * len(told))
    arrays = {c.name: columns.series_of(c, list(v)) for c, v in zip(told, lists, strict=True)}
    return pd.DataFrame({c.name: (given | arrays)[c.name] for c in columns_})


def _frame(rows: list[Values], latency: dict[str, Any]) -> pd.DataFrame:
    return frame_of(columns.TRIAL_COLUMNS, rows, latency)


def _row(run: Run, trial: Trial, shared: Shared, *, final: bool) -> Values:
    """Every column but the statistics, in the order of `columns.TRIAL_COLUMNS`."""
    return (
        *axis_values(run, trial, shared),
        *_outcome(trial, final=final),
        *_process(trial.measurement, trial.reported),
        *_reported(trial.reported),
        *check_values(trial.check),
        *memory_values(trial.memory),
        *energy_values(trial.energy),
        *sustained_values(trial.sustained),
        *_states(trial.state_before, trial.state_after),
        *_binaries(trial.runner),
    )


def axis_values(run: Run, trial: Trial, shared: Shared) -> Values:
    """The columns of `columns.RUN`, `DEVICE`, `MODEL` and `CONFIG`."""
    device = device_of(run, trial)
    return (
        run.plan.name,
        run.path.name,
        *device_values(device, shared.titles[device_id(device)], virtual=trial.virtual),
        *model_values(model_of(run, trial), trial.model_sha256, shared.published),
        trial.config.threads,
        trial.config.delegate,
        trial.config.affinity,
        trial.config.xnnpack,
        trial.repetition,
    )


def device_values(device: Device, title: str, *, virtual: bool) -> Values:
    """The columns of `columns.DEVICE`."""
    return (
        title,
        device_id(device),
        device.model,
        device.soc,
        device.android_release,
        device.virtual or virtual,
        device.fidelity,
        device.emulated,
    )


def model_values(model: Model, sha256: str, chosen: Mapping[str, Published]) -> Values:
    """The columns of `columns.MODEL`; `chosen` is what `published_of` tells."""
    published = chosen.get(model.name)
    return (
        model.name,
        sha256,
        model.family,
        model.alpha,
        model.scale,
        model.groups,
        model.resolution,
        model.quantization,
        model.recipe,
        model.variant,
        model.macs,
        model.macs_conv,
        model.params,
        model.size_bytes,
        published.top1_error_pct if published else None,
        published.source if published else None,
        model.measured.top1_error_pct if model.measured else None,
        model.measured.dataset if model.measured else None,
        model.measured.runtime if model.measured else None,
        model.check.snr_db if model.check else None,
        model.check.top1_agreement if model.check else None,
        model.check.reason if model.check else None,
    )


def doubt_kinds(doubts: Iterable[Doubt]) -> str:
    """The kinds of some doubts, sorted, none twice, but for what the title says."""
    return ", ".join(sorted({doubt.kind for doubt in doubts} - IN_TITLE))


def _outcome(trial: Trial, *, final: bool) -> Values:
    told = trial.measurement or trial.reported
    return (
        trial.key,
        trial.index,
        trial.status,
        trial.stage,
        trial.reason,
        told.delegation if told else None,
        doubt_kinds(trial.doubts),
        trial.tries,
        final,
        trial.waited_s,
        ", ".join(trial.waited_for),
        trial.started_at,
        trial.duration_s,
        trial.pushed_bytes,
    )


def _process(measured: Measurement | None, reported: Reported | None) -> Values:
    if measured is None:
        told = (reported.warmup_count, reported.first_inference_us, reported.init_us) if (
            reported
        ) else (None, None, None)  # fmt: skip
        return (*told, *(None,) * (len(columns.PROCESS) - len(told)))
    memory = measured.memory
    return (
        len(measured.warmup_us),
        measured.first_inference_us,
        measured.init_us,
        measured.compile_us,
        memory.before_load_kb,
        memory.after_compile_kb,
        memory.peak_kb,
        measured.stopped_by,
        measured.clock,
        measured.input_source,
        measured.affinity_mask,
        busy_cores(measured.usage),
    )


def _reported(told: Reported | None) -> Values:
    if told is None:
        return (None,) * len(columns.REPORTED)
    return (told.tool, told.count, told.mean_us, told.median_us, told.std_us)


def _states(before: DeviceState | None, after: DeviceState | None) -> Values:
    return (
        before.thermal_status if before else None,
        after.thermal_status if after else None,
        before.battery_level if before else None,
        after.battery_level if after else None,
        before.battery_temp_c if before else None,
        after.battery_temp_c if after else None,
        before.charging if before else None,
        before.load_1min if before else None,
    )


def _binaries(runner: RunnerIdentity | None) -> Values:
    if runner is None:
        return (None,) * len(columns.BINARIES)
    return (
        runner.name,
        runner.version,
        runner.sha256,
        runner.library_version,
        runner.library_sha256,
        runner.abi,
    )
