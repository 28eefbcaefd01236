"""Everything that a report tells, read once from the runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.frame.cells import Cell, Done, pool_cells, without_endured
from bench.frame.trials import AnyPath, earlier_tries, read_runs
from bench.records import Config, Device, Trial, device_id, sharers
from bench.report import text
from bench.store import Run


class Collection(NamedTuple):
    """Some runs and their cells; the order is that of the tables."""

    runs: Sequence[Run]
    cells: Sequence[Cell]
    devices: Sequence[Device]  # phones first, then virtual ones
    configs: Sequence[Config]
    tries: Mapping[tuple[Path, str], Sequence[Trial]] = {}  # that another followed, by run and key

    def tries_of(self, done: Done) -> Sequence[Trial]:
        """The tries that a trial followed."""
        return self.tries.get((done.run, done.trial.key), ())

    @property
    def all_tries(self) -> list[Trial]:
        """Every try that another followed."""
        return [trial for tries in self.tries.values() for trial in tries]

    @property
    def done(self) -> list[Done]:
        """Every trial, cell by cell."""
        return [done for cell in self.cells for done in cell.done]

    @property
    def planned(self) -> int:
        """Trials that the runs set out to do."""
        return sum(len(run.plan.trials) * _doers(run) for run in self.runs)

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the devices by id, fit to be shown."""
        return text.titles(self.devices)

    @property
    def virtual(self) -> list[Device]:
        return [device for device in self.devices if device.virtual]

    @property
    def emulated(self) -> list[Device]:
        return [device for device in self.devices if device.emulated]

    @property
    def reduced(self) -> list[Device]:
        return [device for device in self.devices if device.fidelity == "reduced"]


def collect(path: AnyPath | Iterable[AnyPath]) -> Collection:
    """The runs at some paths, merged by device, model file and config."""
    runs = read_runs(path)
    cells = pool_cells(runs)
    devices = {device_id(d): d for run in runs for d in run.devices.values()}
    return Collection(
        runs=runs,
        cells=sorted(cells, key=_place),
        devices=sorted(devices.values(), key=lambda d: (d.virtual, d.model or d.serial, d.serial)),
        configs=sorted({cell.config for cell in cells}, key=_config_place),
        tries={
            (run.path, key): [without_endured(trial) for trial in tries]
            for run in runs
            for key, tries in earlier_tries(run).items()
        },
    )


def mixed(collection: Collection) -> list[str]:
    """What differs between trials that stand side by side, in words."""
    runners = [d.trial.runner for d in collection.done if d.trial.runner is not None]
    told = {
        "runner": {
            _binary(f"{r.name} {r.version or ''}".strip(), r.abi, r.sha256) for r in runners
        },
        "LiteRT library": {
            _binary(r.library_version, r.abi, r.library_sha256 or "in the runner") for r in runners
        },
        "input": {m.input_source[:12] for cell in collection.cells for m in cell.measurements},
    }
    programs = len({(r.name, r.abi) for r in runners})
    expected = {"runner": programs, "LiteRT library": programs, "input": 1}
    # Each ABI has a binary of its own, but all of one version.
    versions = {
        "runner": {(r.name, r.version) for r in runners if r.version},
        "LiteRT library": {(r.name, r.library_version) for r in runners if r.library_version},
    }
    found = [
        f"{len(values)} kinds of {what}: {', '.join(sorted(values))}"
        for what, values in told.items()
        if len(values) > expected[what] > 0
        or len(of := versions.get(what, ())) > len({name for name, _ in of})
    ]
    for program in dict.fromkeys(name for run in collection.runs for name in run.plan.versions):
        asked = {r.plan.versions[program] for r in collection.runs if program in r.plan.versions}
        if len(asked) > 1:
            found.append(f"{len(asked)} versions of {program}: {', '.join(sorted(asked))}")
    for id_, title in collection.titles.items():
        builds = {run.devices[id_].fingerprint for run in collection.runs if id_ in run.devices}
        if len(builds) > 1:
            found.append(f"{len(builds)} builds of Android on {title}")
    return [text.clean(what, text.PROSE_LIMIT) for what in found]


def _doers(run: Run) -> int:
    """How many do a run's plan: phones, or groups of identical ones that share it."""
    by_id = {device_id(device): device for device in run.devices.values()}
    known = [by_id[one] for one in run.plan.devices if one in by_id]
    return len(sharers(run.plan, known)) + len(run.plan.devices) - len(known)


def _binary(version: str | None, abi: str, sha256: str) -> str:
    return f"{version or 'version not told'} {abi} {sha256[:12]}"


def _place(cell: Cell) -> tuple[object, ...]:
    model = cell.model
    return (
        -(model.macs or -1),
        model.name,
        cell.trials[0].model_sha256,
        _config_place(cell.config),
    )


def _config_place(config: Config) -> tuple[int, str, str, str]:
    return (config.threads, config.delegate, config.affinity, config.xnnpack)
