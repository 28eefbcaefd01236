"""Accuracies that papers and authors printed, by the axes of the model that they are of."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

from bench.records import Published, Record
from bench.zoo.family import PAPER_AXES, Value


class Row(Record, frozen=True, kw_only=True):
    """One line of published.csv; an axis is empty where the family has none such."""

    family: str
    alpha: float | None = None
    scale: float | None = None
    groups: int | None = None
    resolution: int | None = None
    options: str = ""  # "key=value,..." as in Model.variant
    quantization: str
    top1_error_pct: float | None = None
    macs_m: float | None = None
    params_m: float | None = None
    source: str


def lookup(
    family: str, values: Mapping[str, Value], options: str, quantization: str
) -> tuple[Published, ...]:
    """What was printed about a model, one entry a source; nothing for a model nobody printed."""
    return tuple(
        Published(top1_error_pct=row.top1_error_pct, source=row.source, macs_m=row.macs_m)
        for row in rows()
        if row.top1_error_pct is not None
        and (row.family, row.options, row.quantization) == (family, options, quantization)
        and all(getattr(row, axis) == values.get(axis) for axis in PAPER_AXES)
    )


@cache
def rows() -> tuple[Row, ...]:
    """All of published.csv, in its order."""
    import msgspec

    text = resources.files("bench.zoo").joinpath("published.csv").read_text("utf-8")
    lines = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    told = [{key: cell for key, cell in line.items() if cell} for line in lines]
    return tuple(msgspec.convert(line, Row, strict=False) for line in told)
