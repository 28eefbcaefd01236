"""Columns of the comparison table that each device has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.frame.cells import Cell
from bench.frame.trials import doubt_kinds
from bench.records import Reported
from bench.report import text
from bench.report.tables import Entry
from bench.report.values import Head, Value, number

DeviceColumn = tuple[Head, Callable[[Entry, Cell], Value]]


def device_columns(cells: Sequence[Cell]) -> tuple[DeviceColumn, ...]:
    """The median's column first, and those of passes that were taken."""
    return (
        (
            Head("median", "Median latency", "ms", "and its 95 % interval over all repetitions"),
            _median,
        ),
        (
            Head("first", "First inference", "ms", "the first after compiling"),
            lambda _, cell: number(cell.first_inference_us, text.milliseconds),
        ),
        (
            Head(
                "rate",
                "Per second",
                "",
                "inferences, which are images for a model that takes one",
                minor="always",
            ),
            lambda entry, _: number(entry.per_second, text.significant),
        ),
        (
            Head(
                "efficiency",
                "MMACs/ms",
                "",
                "million MACs a millisecond: how well the phone is used",
                minor="always",
            ),
            lambda entry, _: number(entry.mmacs_per_ms, text.significant),
        ),
        (
            Head(
                "memory",
                "Peak memory",
                "MiB",
                "highest resident set of the process, all repetitions",
            ),
            lambda _, cell: number(cell.peak_memory_kb, text.mebibytes),
        ),
        *_of_passes(cells),
    )


def _of_passes(cells: Sequence[Cell]) -> Iterator[DeviceColumn]:
    if any(cell.memory_steady_pss_kb is not None for cell in cells):
        yield (
            Head(
                "pss",
                "Memory in use",
                "MiB",
                "proportional set size after inferences, where shared pages are divided",
                minor="always",
            ),
            lambda _, cell: number(cell.memory_steady_pss_kb, text.mebibytes),
        )
    if any(cell.energy is not None for cell in cells):
        yield (
            Head("energy", "Energy", "mJ", "of one inference, all that the phone drew meanwhile"),
            _energy,
        )
    if any(cell.sustained_ratio is not None for cell in cells):
        yield (
            Head(
                "sustained",
                "Sustained",
                "× its start",
                "median of the last minute over the first’s",
            ),
            lambda _, cell: number(cell.sustained_ratio, text.ratio),
        )


def device_values(
    entry: Entry, columns: Sequence[DeviceColumn], anchors: dict[int, str]
) -> Iterator[Value]:
    """What one device has to say under its columns."""
    cell, link = entry.cell, anchors.get(id(entry.cell), "")
    if cell is not None and cell.reported is not None:
        yield _of_a_tool(cell.reported, link)
        yield number(cell.reported.first_inference_us, text.milliseconds)
        yield from [Value("")] * (len(columns) - 2)
    elif cell is None or cell.latency is None:
        yield Value(_why_not(cell), link=link, bad=cell is not None)
        yield from [Value("")] * (len(columns) - 1)
    else:
        values = (value(entry, cell) for _, value in columns)
        yield next(values)._replace(link=link)
        yield from values


def _median(entry: Entry, cell: Cell) -> Value:
    us = entry.median_us
    return Value(
        text.milliseconds(us), us, detail=_interval(cell), best=entry.best, flag=_doubts(cell)
    )


def _energy(_: Entry, cell: Cell) -> Value:
    if cell.energy is None:
        reasons = {t.energy.not_told for t in cell.trials if t.energy and t.energy.not_told}
        note = f"not told: {'; '.join(sorted(reasons))}" if reasons else ""
        return Value(text.NONE, note=text.clean(note, text.PROSE_LIMIT))
    gross, net = cell.energy
    beyond = f"{text.significant(net.value)} of it beyond idling" if net else ""
    return Value(
        text.significant(gross.value), gross.value, detail=text.span(gross.interval), note=beyond
    )


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
    told = [doubt_kinds(cell.all_doubts)]
    missing = sum(trial.status != "ok" for trial in cell.trials)
    if missing:
        told.append(f"{missing} of {len(cell.trials)} repetitions not ok")
    return ", ".join(part for part in told if part)
