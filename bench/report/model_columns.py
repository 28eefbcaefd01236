"""Columns of the comparison table that belong to no device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bench.records import Measured, Model
from bench.report import text
from bench.report.tables import Row
from bench.report.values import Head, Value, number


class Notes(NamedTuple):
    """Where errors come from, in the order of their numbers."""

    sources: tuple[str, ...]
    measured_with: tuple[str, ...]


Own = tuple[Head, Callable[[Row, Notes], Value]]


def model_columns(rows: Sequence[Row]) -> Iterator[Own]:
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
        yield Head("threads", "Threads"), lambda r, _: number(r.config.threads, str)
    if len({row.config.delegate for row in rows}) > 1:
        yield Head("delegate", "Delegate", numeric=False), lambda r, _: Value(r.config.delegate)
    if len({row.config.affinity for row in rows}) > 1:
        yield Head("affinity", "Cores", numeric=False), lambda r, _: Value(r.config.affinity)
    if len({row.config.xnnpack for row in rows}) > 1:
        yield Head("xnnpack", "XNNPACK", numeric=False), lambda r, _: Value(r.config.xnnpack)
    yield Head("macs", "Complexity", "million MACs", "the papers’ MFLOPs"), _complexity
    yield (
        Head("params", "Parameters", "million", minor="narrow"),
        lambda r, _: number(r.model.params, text.millions),
    )
    yield (
        Head("size", "Size", "MB", minor="narrow"),
        lambda r, _: number(r.model.size_bytes, text.megabytes),
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
    return number(row.model.macs, text.millions)


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
        note=f"against {pair}, {text.millions(row.pair.macs)} million MACs"
        + ("" if row.one_source else "; the two errors are of different sources"),
    )


def _measured(row: Row, notes: Notes) -> Value:
    measured = row.model.measured
    if measured is None:
        return Value(text.NONE)
    told = measured_with(measured)
    number = notes.measured_with.index(told) + 1
    return Value(
        f"{measured.top1_error_pct:.2f}",
        measured.top1_error_pct,
        detail=f"[m{number}]",
        best=row.best_measured,
        link=f"measured-{number}",
        note=told,
    )


def measured_with(measured: Measured) -> str:
    return f"on {text.clean(measured.dataset, 200)}, with {text.clean(measured.runtime, 200)}"


def _check(model: Model) -> str:
    if model.check is None or model.check.reason is None:
        return ""
    return f"its outputs were found wrong: {text.clean(model.check.reason, text.PROSE_LIMIT)}"


def _whole(name: str) -> str:
    """The name as a tooltip, where the table cuts it."""
    return text.clean(name, text.PROSE_LIMIT) if len(name) > text.NAME_LIMIT else ""
