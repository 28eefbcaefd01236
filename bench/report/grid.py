"""The comparison table as heads and values, ready for the page to lay out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.records import Published, device_id
from bench.report import tables, text
from bench.report.collect import Collection
from bench.report.device_columns import DeviceColumn, device_columns, device_values
from bench.report.model_columns import Notes, Own, measured_with, model_columns
from bench.report.tables import Level, Row
from bench.report.values import Head, Value

FEW_COLUMNS = 5  # of a device that a screen has room for
WIDE_COLUMNS, WIDER_COLUMNS = 25, 50  # that a printed A4 and A2 have room for, landscape


class Group(NamedTuple):
    """Columns of one device."""

    title: str
    device: str
    virtual: bool
    span: int


class GridRow(NamedTuple):
    """Values of one model and config."""

    values: tuple[Value, ...]
    facets: dict[str, str]  # what the row can be filtered by


class GridLevel(NamedTuple):
    """Rows of like complexity."""

    title: str
    rows: tuple[GridRow, ...]


class Grid(NamedTuple):
    """The whole table."""

    heads: tuple[Head, ...]
    own: int  # columns that belong to no device
    groups: tuple[Group, ...]
    levels: tuple[GridLevel, ...]
    sources: tuple[str, ...]  # of published errors, numbered from 1
    measured_with: tuple[str, ...]  # data sets and runtimes of measured errors, from m1 on

    @property
    def sheet(self) -> str:
        """The sheet that the table is printed on, by the columns that stand in it at first."""
        shown = sum(head.minor != "always" for head in self.heads)
        sheets = (("widest", WIDER_COLUMNS), ("wider", WIDE_COLUMNS))
        few = "wide" if len(self.groups) > 2 else ""
        return next((name for name, most in sheets if shown > most), few)

    @property
    def grouped(self) -> bool:
        """Whether a level holds more than one model."""
        names = [[row.values[0].shown for row in level.rows] for level in self.levels]
        return any(len(set(level)) > 1 for level in names) and len(names) > 1


def grid(collection: Collection, chosen: dict[str, Published], anchors: dict[int, str]) -> Grid:
    """The table of a collection; `anchors` tells, by cell, where its trials are told."""
    measured_on = {cell.device_id for cell in collection.cells}
    devices = [device for device in collection.devices if device_id(device) in measured_on]
    titles = collection.titles
    levels = tables.comparison(collection.cells, devices, chosen)
    rows = [row for level in levels for row in level.rows]
    own = tuple(model_columns(rows))
    each = device_columns(collection.cells)
    crowded = len(devices) > 1 or len(each) > FEW_COLUMNS
    notes = Notes(
        sources=tuple(dict.fromkeys(r.published.source for r in rows if r.published)),
        measured_with=tuple(
            dict.fromkeys(measured_with(r.model.measured) for r in rows if r.model.measured)
        ),
    )
    return Grid(
        heads=(
            *(head for head, _ in own),
            *(
                head._replace(key=f"{head.key}-{n}", minor=head.minor if crowded else "")
                for n in range(len(devices))
                for head, _ in each
            ),
        ),
        own=len(own),
        groups=tuple(
            Group(titles[device_id(device)], device_id(device), device.virtual, len(each))
            for device in devices
        ),
        levels=tuple(_level(level, own, each, notes, anchors) for level in levels),
        sources=notes.sources,
        measured_with=notes.measured_with,
    )


def _level(
    level: Level,
    own: Sequence[Own],
    each: Sequence[DeviceColumn],
    notes: Notes,
    anchors: dict[int, str],
) -> GridLevel:
    return GridLevel(
        title=f"About {text.significant(level.macs / 1e6, 2)} million MACs"
        if level.macs
        else "Complexity not counted",
        rows=tuple(
            GridRow(
                values=(
                    *(value(row, notes) for _, value in own),
                    *(v for entry in row.entries for v in device_values(entry, each, anchors)),
                ),
                facets=_facets(row),
            )
            for row in level.rows
        ),
    )


def _facets(row: Row) -> dict[str, str]:
    return {
        "family": text.clean(row.model.family or "other"),
        "quantization": text.clean(row.model.quantization or "other"),
        "threads": str(row.config.threads),
        "delegate": row.config.delegate,
        "cores": row.config.affinity,
        "xnnpack": row.config.xnnpack,
    }
