"""The two lines that hold latencies, exactly as the tool prints them: `count=` and the summary."""

from __future__ import annotations

import re
from typing import NamedTuple

NUMBER = r"\d{1,20}(?:\.\d{1,20})?(?:e[+-]?\d{1,3})?"


class Count(NamedTuple):
    """One `count=` line: the inferences of a warm-up or of the measurement, microseconds."""

    inferences: int
    mean: str  # as printed: `avg=`, or the one value that there is
    first_us: float | None
    min_us: float | None
    max_us: float | None
    std_us: float | None
    median_us: float | None
    p5_us: float | None
    p95_us: float | None


class Summary(NamedTuple):
    """The `Inference timings in us` line, or `Average inference timings in us` of old versions."""

    init: str
    first: str | None
    warmup: str
    mean: str
    old: bool


def read_count(text: str) -> Count | None:
    """The figures of a `count=` line; None when it isn't exactly one."""
    found = _COUNT.match(text)
    if found is None:
        return None
    p5, median, p95 = (_float(found[name]) for name in ("p5", "median", "p95"))
    if found["only"] is not None:
        only = _float(found["only"])
        same = 0.0 if found["same"] else None
        median = only if median is None else median
        count = Count(int(found["count"]), found["only"], only, only, only, same, median, p5, p95)
        return (
            count
            if (count.inferences > 1) == bool(found["same"]) and count.inferences > 0
            else None
        )
    if found["avg"] is None:
        return Count(0, "0", *[None] * 7) if int(found["count"]) == 0 else None
    first, low, high = (_float(found[name]) for name in ("first", "min", "max"))
    std = _float(found["std"]) if found["std"][0].isdigit() else None  # the root of a rounding
    return Count(int(found["count"]), found["avg"], first, low, high, std, median, p5, p95)


def read_summary(text: str) -> Summary | None:
    """The figures of a summary, old or new; None when it isn't exactly one."""
    found = _SUMMARY.match(text)
    if found:
        return Summary(found["init"], found["first"], found["warmup"], found["mean"], False)
    found = _OLD_SUMMARY.match(text)
    if found:
        return Summary(found["init"], None, found["warmup"], found["mean"], True)
    return None


_COUNT = re.compile(
    rf"count=(?P<count>\d{{1,10}})(?: first=(?P<first>{NUMBER}) curr={NUMBER} "
    rf"min=(?P<min>{NUMBER}) max=(?P<max>{NUMBER}) avg=(?P<avg>{NUMBER}) "
    rf"std=(?P<std>{NUMBER}|-?nan|-\d{{1,20}})| curr=(?P<only>{NUMBER})(?P<same> ?\(all same\))?"
    rf")?(?: p5=(?P<p5>{NUMBER}) median=(?P<median>{NUMBER}) p95=(?P<p95>{NUMBER}))?$"
)
_SUMMARY = re.compile(
    rf"Inference timings in us: Init: (?P<init>{NUMBER}), First inference: (?P<first>{NUMBER}), "
    rf"Warmup \(avg\): (?P<warmup>{NUMBER}), Inference \(avg\): (?P<mean>{NUMBER})$"
)
_OLD_SUMMARY = re.compile(
    rf"Average inference timings in us: Warmup: (?P<warmup>{NUMBER}), "
    rf"Init: (?P<init>{NUMBER}), (?:no stats|Inference): (?P<mean>{NUMBER})$"
)


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)
