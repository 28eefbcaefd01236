"""One row a cell: a device, a model and a config, its repetitions pooled.

A cell is what a table shows and what a comparison compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from bench import stats
from bench.doubts import judge_repetitions
from bench.frame import columns
from bench.frame.endured import Endured, endured
from bench.frame.passes import energy_of
from bench.frame.trials import (
    AnyPath,
    Values,
    device_of,
    device_values,
    doubt_kinds,
    frame_of,
    model_of,
    model_values,
    published_of,
    read_runs,
    titles_of,
    trials_of,
)
from bench.records import (
    Config,
    Device,
    Doubt,
    Measurement,
    Model,
    Published,
    Reported,
    Trial,
    device_id,
)
from bench.store import Run


class Done(NamedTuple):
    """A trial and the run it belongs to."""

    run: Path
    trial: Trial  # without what it endured: that is as large as all the rest
    endured: Endured | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """All trials of one device, one model file and one config."""

    device: Device
    title: str  # of the device
    model: Model
    config: Config
    virtual: bool
    done: tuple[Done, ...]
    latency: stats.Summary | None  # None: no repetition was ok
    first_inference_us: float | None
    init_us: float | None
    compile_us: float | None
    peak_memory_kb: int | None
    memory_steady_pss_kb: int | None = None
    energy: stats.InferenceEnergy | None = None
    sustained_ratio: float | None = None
    doubts: tuple[Doubt, ...] = ()  # that the repetitions show only together
    reported: Reported | None = None  # the first, where no repetition holds samples

    @property
    def device_id(self) -> str:
        return device_id(self.device)

    @property
    def trials(self) -> tuple[Trial, ...]:
        return tuple(done.trial for done in self.done)

    @property
    def all_doubts(self) -> tuple[Doubt, ...]:
        """Those of single trials, and those of all together."""
        return (*(doubt for trial in self.trials for doubt in trial.doubts), *self.doubts)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(t.measurement for t in self.trials if t.measurement is not None)


def load_cells(path: AnyPath | Iterable[AnyPath]) -> pd.DataFrame:
    """The cells of some runs, one row each: repetitions pooled as the report pools them.

    Trials of several runs fall into one cell when device, model file and config are equal.
    """
    runs = read_runs(path)
    return frame_of_cells(pool_cells(runs), published_of(runs))


def pool_cells(runs: Sequence[Run]) -> list[Cell]:
    """The trials of some runs gathered into cells, in the order in which each cell is first met.

    A device is told as the last of the runs saw it.
    """
    titles = titles_of(runs)
    devices: dict[str, Device] = {}
    models: dict[tuple[str, str], Model] = {}
    gathered: dict[tuple[str, str, str, Config], list[Done]] = {}
    for run, trial in trials_of(runs):
        device = device_of(run, trial)
        devices[device_id(device)] = device
        models[trial.model, trial.model_sha256] = model_of(run, trial)
        place = (device_id(device), trial.model, trial.model_sha256, trial.config)
        gathered.setdefault(place, []).append(_done(run, trial))
    return [
        _cell(devices[device], titles[device], models[model, sha256], config, tuple(done))
        for (device, model, sha256, config), done in gathered.items()
    ]


def without_endured(trial: Trial) -> Trial:
    """A trial whose sustained run is let go, to spare memory."""
    return msgspec.structs.replace(trial, sustained=None) if trial.sustained else trial


def frame_of_cells(cells: Iterable[Cell], chosen: Mapping[str, Published]) -> pd.DataFrame:
    """Cells as a frame with the columns of `columns.CELL_COLUMNS`."""
    return frame_of(columns.CELL_COLUMNS, [_values(cell, chosen) for cell in cells])


def _done(run: Run, trial: Trial) -> Done:
    told = trial.sustained
    figures = endured(told.samples_us, told.series) if told else None
    return Done(run.path, without_endured(trial), figures)


def _cell(device: Device, title: str, model: Model, config: Config, done: tuple[Done, ...]) -> Cell:
    measured = [d.trial.measurement for d in done if d.trial.measurement is not None]
    reported = [d.trial.reported for d in done if d.trial.reported is not None]
    trials = [d.trial for d in done]
    ends = [d.endured.ends for d in done if d.endured is not None]
    return Cell(
        device=device,
        title=title,
        model=model,
        config=config,
        virtual=device.virtual or any(d.trial.virtual for d in done),
        done=done,
        latency=stats.pool([m.samples_us for m in measured]) if measured else None,
        first_inference_us=_middle(m.first_inference_us for m in measured),
        init_us=_middle(m.init_us for m in measured),
        compile_us=_middle(m.compile_us for m in measured),
        peak_memory_kb=_highest(m.memory.peak_kb for m in measured),
        memory_steady_pss_kb=_highest(t.memory.steady.pss_kb for t in trials if t.memory),
        energy=_energy(told for t in trials if (told := energy_of(t.energy)) is not None),
        sustained_ratio=_middle(end.ratio for end in ends if end is not None),
        doubts=judge_repetitions(measured, trials[0].precision),
        reported=reported[0] if reported and not measured else None,
    )


def _middle(values: Iterable[float]) -> float | None:
    told = list(values)
    return stats.median(told) if told else None


def _highest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _energy(told: Iterable[stats.InferenceEnergy]) -> stats.InferenceEnergy | None:
    """The median of the repetitions, in an interval that covers all of theirs."""
    found = list(told)
    if not found:
        return None
    net = [one.net_mj for one in found if one.net_mj is not None]
    return stats.InferenceEnergy(
        _around([one.gross_mj for one in found]), _around(net) if net else None
    )


def _around(estimates: Sequence[stats.Estimate]) -> stats.Estimate:
    ends = [end for one in estimates for end in one.interval or ()]
    middle = stats.median([one.value for one in estimates])
    ends += [one.value for one in estimates] if ends else []
    return stats.Estimate(middle, stats.Interval(min(ends), max(ends)) if ends else None)


def _energy_values(energy: stats.InferenceEnergy | None) -> Values:
    if energy is None:
        return (None,) * 4
    net = energy.net_mj.value if energy.net_mj else None
    return (energy.gross_mj.value, *(energy.gross_mj.interval or (None, None)), net)


def _values(cell: Cell, chosen: Mapping[str, Published]) -> Values:
    latency = cell.latency
    interval = latency.interval if latency else None
    return (
        *device_values(cell.device, cell.title, virtual=cell.virtual),
        *model_values(cell.model, cell.trials[0].model_sha256, chosen),
        cell.config.threads,
        cell.config.delegate,
        cell.config.affinity,
        cell.config.xnnpack,
        len(cell.done),
        latency.repetitions if latency else 0,
        latency.median if latency else None,
        interval.low if interval else None,
        interval.high if interval else None,
        latency.samples if latency else 0,
        cell.first_inference_us,
        cell.init_us,
        cell.compile_us,
        cell.peak_memory_kb,
        cell.memory_steady_pss_kb,
        *_energy_values(cell.energy),
        cell.sustained_ratio,
        _least_delegation(cell),
        doubt_kinds(cell.all_doubts),
    )


def _least_delegation(cell: Cell) -> Any:
    told = [m.delegation for m in cell.measurements if m.delegation is not None]
    return min(told, key=columns.DELEGATIONS.index, default=None)
