"""Accuracies that papers and authors printed, by the axes of the model that they are of."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from bench.records import Published, Record
from bench.zoo.family import PAPER_AXES, Family, Value

_COMPARISON = "ShuffleNet, arXiv 1707.01083v1 (July 2017), comparison with MobileNet"

# What a printed complexity counts: convolutions alone, fully connected layers too, a class of
# complexity that the network is only near to, or something that it isn't.
MacsKind = Literal["conv", "conv+fc", "nominal", "wrong"]


class Row(Record, frozen=True, kw_only=True):
    """One line of published.csv; an axis is empty where the family has none such."""

    family: str  # of the zoo, or the name of a network that the zoo hasn't
    alpha: float | None = None
    scale: float | None = None
    groups: int | None = None
    resolution: int | None = None
    options: str = ""  # "key=value,...", as in Model.variant
    quantization: str  # a scheme of the zoo, or words for one that it hasn't
    label: str | None = None  # the network as the source calls it
    top1_error_pct: float | None = None
    top5_error_pct: float | None = None
    macs_m: float | None = None  # as printed
    macs_kind: MacsKind | None = None
    right_macs_m: float | None = None  # counted, where the printed figure is wrong
    params_m: float | None = None
    params_without_top: int | None = None
    delta_pct: float | None = None  # how much lower the error is than that of ...
    paired_with: str | None = None  # ... the network with this label
    source: str

    @property
    def axes(self) -> dict[str, Value]:
        """What a sweep asks the family for, to get this network."""
        options = dict(part.split("=", 1) for part in self.options.split(",") if part)
        read = {"True": True, "False": False}
        return {axis: getattr(self, axis) for axis in PAPER_AXES if getattr(self, axis)} | {
            key: read.get(value, value) for key, value in options.items()
        }


def lookup(family: Family, values: Mapping[str, Value], quantization: str) -> tuple[Published, ...]:
    """What was printed about a model, one entry a source; nothing for a model nobody printed."""
    options = family.options_in_words(values, forms=False)
    return tuple(
        Published(
            top1_error_pct=row.top1_error_pct,
            source=row.source,
            macs_m=row.macs_m,
            label=row.label,
            delta_pct=row.delta_pct,
            paired_with=row.paired_with,
        )
        for row in rows()
        if row.top1_error_pct is not None
        and (row.family, row.options, row.quantization) == (family.name, options, quantization)
        and all(getattr(row, axis) == values.get(axis) for axis in PAPER_AXES)
    )


def comparison() -> tuple[Row, ...]:
    """MobileNet against ShuffleNet as the first version of the ShuffleNet paper printed it.

    In its order: each MobileNet, then the ShuffleNets that are compared with it.
    """
    return tuple(row for row in rows() if row.source == _COMPARISON)


@cache
def rows() -> tuple[Row, ...]:
    """All of published.csv, in its order."""
    import msgspec

    text = resources.files("bench.zoo").joinpath("published.csv").read_text("utf-8")
    lines = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    told = [{key: cell for key, cell in line.items() if cell} for line in lines]
    return tuple(msgspec.convert(line, Row, strict=False) for line in told)
