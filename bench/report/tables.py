"""The comparison table: a row a model and config, its figures device by device.

Rows of like complexity stand together, as in the papers, and each is set against the
MobileNet of its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bench.frame.cells import Cell
from bench.frame.published import paper
from bench.records import Config, Device, Model, Published, device_id

# The ShuffleNet paper sets networks of 524 and 569 million MACs side by side, of 292 and 325,
# of 140 and 149, of 38 and 41: at most 1.11 apart.
LEVEL_RATIO = 1.25


class Entry(NamedTuple):
    """What one device has to say of a row."""

    device: str  # id
    cell: Cell | None  # None: nothing was asked of this device
    best: bool  # no other row of its level is surely faster

    @property
    def median_us(self) -> float | None:
        return self.cell.latency.median if self.cell and self.cell.latency else None

    @property
    def per_second(self) -> float | None:
        return 1e6 / self.median_us if self.median_us else None

    @property
    def mmacs_per_ms(self) -> float | None:
        """Million MACs a millisecond: how well the phone is used."""
        macs = self.cell.model.macs if self.cell else None
        return macs / self.median_us / 1000 if macs is not None and self.median_us else None


class Row(NamedTuple):
    """One model under one config."""

    model: Model
    sha256: str
    config: Config
    entries: tuple[Entry, ...]  # one a device
    published: Published | None
    pair: Model | None  # the MobileNet v1 of its size
    delta_pct: float | None  # how much lower its published error is than the pair's
    one_source: bool  # of both errors
    best_error: bool
    best_measured: bool = False  # the lowest measured error on its data set


class Level(NamedTuple):
    """Rows of like complexity."""

    macs: int | None  # of the largest
    rows: tuple[Row, ...]


def comparison(
    cells: Sequence[Cell], devices: Sequence[Device], chosen: dict[str, Published]
) -> list[Level]:
    """All cells as rows, largest complexity first; `chosen` is what `published_of` tells."""
    models = list({(c.model.name, c.trials[0].model_sha256): c.model for c in cells}.values())
    levels = [_rows(group, devices, models, chosen) for group in _levels(cells)]
    return [_marked(level) for level in levels]


def paired(model: Model, models: Iterable[Model]) -> Model | None:
    """The MobileNet v1 nearest in MACs, of the same resolution and quantization.

    None for a MobileNet v1 itself, and where none lies within a quarter.
    """
    if model.family == "mobilenet_v1" or not model.macs:
        return None
    near = [
        (_apart(model.macs, other.macs), other.name, other)
        for other in models
        if other.family == "mobilenet_v1"
        and other.macs
        and other.resolution == model.resolution
        and other.quantization == model.quantization
        and other.variant is None
    ]
    apart, _, nearest = min(near, default=(LEVEL_RATIO + 1, "", None), key=lambda n: n[:2])
    return nearest if apart <= LEVEL_RATIO else None


def _apart(macs: int, other: int) -> float:
    return max(macs, other) / min(macs, other)


def _levels(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Cells, which are sorted by falling MACs, cut where complexity falls by a quarter."""
    level: list[Cell] = []
    for cell in cells:
        if level and not _same_level(level[0].model.macs, cell.model.macs):
            yield level
            level = []
        level.append(cell)
    if level:
        yield level


def _same_level(largest: int | None, macs: int | None) -> bool:
    if not largest or not macs:
        return not largest and not macs
    return _apart(largest, macs) <= LEVEL_RATIO


def _rows(
    cells: Sequence[Cell],
    devices: Sequence[Device],
    models: Sequence[Model],
    chosen: dict[str, Published],
) -> Level:
    by_row: dict[tuple[str, str, Config], dict[str, Cell]] = {}
    for cell in cells:
        place = (cell.model.name, cell.trials[0].model_sha256, cell.config)
        by_row.setdefault(place, {})[cell.device_id] = cell
    rows = []
    for (_, sha256, config), on in by_row.items():
        model = next(iter(on.values())).model
        pair = paired(model, models)
        own, others = chosen.get(model.name), chosen.get(pair.name) if pair else None
        ids = [device_id(device) for device in devices]
        rows.append(
            Row(
                model=model,
                sha256=sha256,
                config=config,
                entries=tuple(Entry(i, on.get(i), best=False) for i in ids),
                published=own,
                pair=pair,
                delta_pct=_delta(own, others),
                one_source=bool(own and others and paper(own) == paper(others)),
                best_error=False,
            )
        )
    return Level(cells[0].model.macs, tuple(rows))


def _delta(own: Published | None, other: Published | None) -> float | None:
    return other.top1_error_pct - own.top1_error_pct if own and other else None


def _marked(level: Level) -> Level:
    """The level with its best rows marked: those that no other with their config surely beats."""
    fastest = {
        config: [
            _fastest([row.entries[place] for row in level.rows if row.config == config])
            for place in range(len(level.rows[0].entries))
        ]
        for config in {row.config for row in level.rows}
    }
    errors = {row.published.top1_error_pct for row in level.rows if row.published}
    lowest = min(errors) if len(errors) > 1 else None
    lowest_measured = _lowest_measured(level.rows)
    rows = [
        row._replace(
            entries=tuple(
                entry._replace(best=_reaches(entry, bound))
                for entry, bound in zip(row.entries, fastest[row.config], strict=True)
            ),
            best_error=bool(row.published and row.published.top1_error_pct == lowest),
            best_measured=row.model.measured is not None
            and row.model.measured.top1_error_pct
            == lowest_measured.get(row.model.measured.dataset),
        )
        for row in level.rows
    ]
    return level._replace(rows=tuple(rows))


def _lowest_measured(rows: Iterable[Row]) -> dict[str, float]:
    """The lowest measured error by data set, where it has something to be lower than."""
    errors: dict[str, set[float]] = {}
    for measured in (row.model.measured for row in rows):
        if measured is not None:
            errors.setdefault(measured.dataset, set()).add(measured.top1_error_pct)
    return {dataset: min(told) for dataset, told in errors.items() if len(told) > 1}


def _fastest(column: Sequence[Entry]) -> float | None:
    """The upper bound of the fastest entry; None where there is nothing to choose from.

    An emulated device's times do not even compare models with each other.
    """
    told = [e for e in column if e.median_us is not None and e.cell and not e.cell.device.emulated]
    if len(told) < 2:
        return None
    return _bounds(min(told, key=lambda e: e.median_us or 0))[1]


def _reaches(entry: Entry, bound: float | None) -> bool:
    return bound is not None and entry.median_us is not None and _bounds(entry)[0] <= bound


def _bounds(entry: Entry) -> tuple[float, float]:
    if entry.cell is None or entry.cell.latency is None:
        raise ValueError("nothing was measured")
    latency = entry.cell.latency
    return latency.interval or (latency.median, latency.median)
