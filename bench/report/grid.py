"""The comparison table as heads and values, ready for the page to lay out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from bench.frame.cells import Cell
from bench.records import Measured, Model, Published, Reported, device_id
from bench.report import tables, text
from bench.report.collect import Collection
from bench.report.tables import Entry, Level, Row


class Head(NamedTuple):
    """A column."""

    key: str
    label: str
    unit: str = ""
    note: str = ""
    numeric: bool = True
    minor: Literal["", "narrow", "always"] = ""  # when hidden at first, to be brought back


class Value(NamedTuple):
    """What stands in a row under one head."""

    shown: str
    number: float | None = None  # what to sort by; None: by what is shown
    detail: str = ""  # smaller, beside it
    best: bool = False
    link: str = ""  # id of what it is made of
    flag: str = ""  # a reason for care, in words
    note: str = ""
    name: bool = False  # a foreign string
    bad: bool = False  # not measured though asked for


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
    def grouped(self) -> bool:
        """Whether a level holds more than one model."""
        names = [[row.values[0].shown for row in level.rows] for level in self.levels]
        return any(len(set(level)) > 1 for level in names) and len(names) > 1


_ON_DEVICE = (
    Head("median", "Median latency", "ms", "and its 95 % interval over all repetitions"),
    Head("first", "First inference", "ms", "the first after compiling"),
    Head(
        "rate",
        "Per second",
        "",
        "inferences, which are images for a model that takes one",
        minor="always",
    ),
    Head(
        "efficiency",
        "MMACs/ms",
        "",
        "million MACs a millisecond: how well the phone is used",
        minor="always",
    ),
    Head("memory", "Peak memory", "MiB", "highest resident set of the process, all repetitions"),
)


def grid(collection: Collection, chosen: dict[str, Published], anchors: dict[int, str]) -> Grid:
    """The table of a collection; `anchors` tells, by cell, where its trials are told."""
    measured_on = {cell.device_id for cell in collection.cells}
    devices = [device for device in collection.devices if device_id(device) in measured_on]
    titles = collection.titles
    levels = tables.comparison(collection.cells, devices, chosen)
    rows = [row for level in levels for row in level.rows]
    own = tuple(_own_columns(rows))
    notes = Notes(
        sources=tuple(dict.fromkeys(r.published.source for r in rows if r.published)),
        measured_with=tuple(
            dict.fromkeys(_measured_with(r.model.measured) for r in rows if r.model.measured)
        ),
    )
    return Grid(
        heads=(
            *(head for head, _ in own),
            *(
                head._replace(key=f"{head.key}-{n}", minor=head.minor if len(devices) > 1 else "")
                for n in range(len(devices))
                for head in _ON_DEVICE
            ),
        ),
        own=len(own),
        groups=tuple(
            Group(titles[device_id(device)], device_id(device), device.virtual, len(_ON_DEVICE))
            for device in devices
        ),
        levels=tuple(_level(level, own, notes, anchors) for level in levels),
        sources=notes.sources,
        measured_with=notes.measured_with,
    )


class Notes(NamedTuple):
    """Where errors come from, in the order of their numbers."""

    sources: tuple[str, ...]
    measured_with: tuple[str, ...]


Own = tuple[Head, Callable[[Row, Notes], Value]]


def _own_columns(rows: Sequence[Row]) -> Iterator[Own]:
    """Columns that belong to no device, but for those that would tell nothing."""
    yield (
        Head("model", "Model", numeric=False),
        lambda r, _: Value(
            text.clean(r.model.name), note=_whole(r.model.name), name=True, flag=_check(r.model)
        ),
    )
    if len({row.model.quantization for row in rows}) > 1:
        yield Head("quantization", "Quantization", numeric=False), _quantization
    if len({row.config.threads for row in rows}) > 1:
        yield Head("threads", "Threads"), lambda r, _: _number(r.config.threads, str)
    if len({row.config.delegate for row in rows}) > 1:
        yield Head("delegate", "Delegate", numeric=False), lambda r, _: Value(r.config.delegate)
    if len({row.config.affinity for row in rows}) > 1:
        yield Head("affinity", "Cores", numeric=False), lambda r, _: Value(r.config.affinity)
    if len({row.config.xnnpack for row in rows}) > 1:
        yield Head("xnnpack", "XNNPACK", numeric=False), lambda r, _: Value(r.config.xnnpack)
    yield Head("macs", "Complexity", "million MACs", "the papers’ MFLOPs"), _complexity
    yield (
        Head("params", "Parameters", "million", minor="narrow"),
        lambda r, _: _number(r.model.params, text.millions),
    )
    yield (
        Head("size", "Size", "MB", minor="narrow"),
        lambda r, _: _number(r.model.size_bytes, text.megabytes),
    )
    if any(row.published for row in rows):
        yield Head("error", "Published top-1 error", "%", "printed by others, not measured"), _error
    if any(row.delta_pct is not None for row in rows):
        yield (
            Head("delta", "Δ error", "points", "lower than the MobileNet v1 of its complexity"),
            _delta,
        )
    if any(row.model.measured for row in rows):
        yield (
            Head("measured", "Measured top-1 error", "%", "of this very file, as its sweep tells"),
            _measured,
        )


def _quantization(row: Row, _: Notes) -> Value:
    return Value(text.clean(row.model.quantization or text.NONE))


def _complexity(row: Row, _: Notes) -> Value:
    if row.model.macs is None:
        why = row.model.not_countable or "not counted"
        return Value(text.NONE, note=text.clean(why, text.PROSE_LIMIT))
    return _number(row.model.macs, text.millions)


def _error(row: Row, notes: Notes) -> Value:
    if row.published is None:
        return Value(text.NONE)
    number = notes.sources.index(row.published.source) + 1
    return Value(
        f"{row.published.top1_error_pct:.1f}",
        row.published.top1_error_pct,
        detail=f"[{number}]",
        best=row.best_error,
        link=f"source-{number}",
        note=text.clean(row.published.source, text.PROSE_LIMIT),
    )


def _delta(row: Row, _: Notes) -> Value:
    if row.delta_pct is None or row.pair is None:
        return Value(text.NONE)
    pair = text.clean(row.pair.name)
    return Value(
        text.signed(row.delta_pct),
        row.delta_pct,
        note=f"against {pair}, {text.millions(row.pair.macs)} million MACs",
    )


def _measured(row: Row, notes: Notes) -> Value:
    measured = row.model.measured
    if measured is None:
        return Value(text.NONE)
    told = _measured_with(measured)
    number = notes.measured_with.index(told) + 1
    return Value(
        f"{measured.top1_error_pct:.2f}",
        measured.top1_error_pct,
        detail=f"[m{number}]",
        best=row.best_measured,
        link=f"measured-{number}",
        note=told,
    )


def _measured_with(measured: Measured) -> str:
    return f"on {text.clean(measured.dataset, 200)}, with {text.clean(measured.runtime, 200)}"


def _level(level: Level, own: Sequence[Own], notes: Notes, anchors: dict[int, str]) -> GridLevel:
    return GridLevel(
        title=f"About {text.significant(level.macs / 1e6, 2)} million MACs"
        if level.macs
        else "Complexity not counted",
        rows=tuple(
            GridRow(
                values=(
                    *(value(row, notes) for _, value in own),
                    *(v for entry in row.entries for v in _on_device(entry, anchors)),
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


def _on_device(entry: Entry, anchors: dict[int, str]) -> Iterator[Value]:
    """The values of `_ON_DEVICE`."""
    cell, us = entry.cell, entry.median_us
    link = anchors.get(id(cell), "")
    if cell is not None and cell.reported is not None:
        yield _of_a_tool(cell.reported, link)
        yield _number(cell.reported.first_inference_us, text.milliseconds)
        yield from [Value("")] * (len(_ON_DEVICE) - 2)
        return
    if cell is None or us is None:
        yield Value(_why_not(cell), link=link, bad=cell is not None)
        yield from [Value("")] * (len(_ON_DEVICE) - 1)
        return
    yield Value(
        text.milliseconds(us), us, detail=_interval(cell), best=entry.best, link=link,
        flag=_doubts(cell),
    )  # fmt: skip
    yield _number(cell.first_inference_us, text.milliseconds)
    yield _number(entry.per_second, text.significant)
    yield _number(entry.mmacs_per_ms, text.significant)
    yield _number(cell.peak_memory_kb, text.mebibytes)


def _of_a_tool(told: Reported, link: str) -> Value:
    """A mean is no median: it says so, and is never the best."""
    tool = text.clean(told.tool)
    return Value(
        text.milliseconds(told.mean_us), told.mean_us, detail="mean", link=link,
        flag=f"mean of {told.count:,} as reported by {tool}, which keeps its samples to itself",
    )  # fmt: skip


def _why_not(cell: Cell | None) -> str:
    if cell is None:
        return text.NONE
    return "failed" if any(trial.status == "failed" for trial in cell.trials) else "skipped"


def _interval(cell: Cell) -> str:
    interval = cell.latency.interval if cell.latency else None
    if interval is None:
        return "no interval"
    return f"{text.milliseconds(interval.low)}–{text.milliseconds(interval.high)}"


def _doubts(cell: Cell) -> str:
    kinds = sorted({doubt.kind for trial in cell.trials for doubt in trial.doubts})
    missing = sum(trial.status != "ok" for trial in cell.trials)
    told = [text.clean(kind) for kind in kinds]
    if missing:
        told.append(f"{missing} of {len(cell.trials)} repetitions not ok")
    return ", ".join(told)


def _number(value: float | None, show: Callable[..., str]) -> Value:
    return Value(show(value) if value is not None else text.NONE, value)


def _check(model: Model) -> str:
    if model.check is None or model.check.reason is None:
        return ""
    return f"its outputs were found wrong: {text.clean(model.check.reason, text.PROSE_LIMIT)}"


def _whole(name: str) -> str:
    """The name as a tooltip, where the table cuts it."""
    return text.clean(name, text.PROSE_LIMIT) if len(name) > text.NAME_LIMIT else ""
