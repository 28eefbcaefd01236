"""How many times as long one cell takes as another, and how sure that is.

What differs from start to start of a process is part of what a reader may see again, so the
repetition is the unit, not the sample: samples of one process are no independent witnesses
(Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013). The medians of the
repetitions are compared on a logarithmic scale: by ranks where there are enough repetitions for
ranks to tell anything, whatever the distribution, and by Welch's t below. A bootstrap, which
draws from what there is, holds the truth too seldom (benchmarks/interval_coverage.py;
docs/formats.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from bench import stats
from bench.stats import ranks, student

CONFIDENCE = 0.95
ERROR_RATE = 0.05  # chance of any wrong verdict of a kind in a whole comparison
MOST_BY_RANK = 2500  # differences; with so many means are normal, and counting orders grows slow

Method = Literal["rank", "t"]
METHODS: tuple[Method, ...] = ("rank", "t")


class Repetitions(NamedTuple):
    """What a comparison asks of a cell."""

    logs: tuple[float, ...]  # logarithm of each repetition's median
    scatter: float  # their variance, never below what the repetitions' own samples leave open


class Ratio(NamedTuple):
    """Median of b over median of a; what is None needs a second repetition on each side."""

    ratio: float
    low: float | None = None
    high: float | None = None
    method: Method | None = None
    p_slower: float | None = None  # chance of this, if b were slower by the threshold at most
    p_faster: float | None = None  # the same of faster
    p_same: float | None = None  # chance of this, if b differed by the threshold or more


def repetitions(samples: Sequence[Sequence[float]]) -> Repetitions:
    """The repetitions of a cell from the samples of each.

    Two or three repetitions agree now and then by chance; what their samples leave open keeps
    that from looking like certainty.
    """
    logs = tuple(math.log(stats.median(each)) for each in samples)
    mean = sum(logs) / len(logs)
    between = sum((log - mean) ** 2 for log in logs) / max(len(logs) - 1, 1)
    return Repetitions(logs, max(between, sum(map(_within, samples)) / len(logs)))


def typical(cells: Iterable[Repetitions]) -> float:
    """The scatter that half of a device's cells exceed.

    Where starts fall into two modes, some of many cells have all their few repetitions in one
    and look certain. That most cells of the same device scatter tells of those.
    """
    scatters = [cell.scatter for cell in cells if len(cell.logs) > 1]
    return stats.median(scatters) if scatters else 0.0


def ratio_of(
    a: Repetitions,
    b: Repetitions,
    *,
    threshold: float,
    pairs: int = 1,
    floors: tuple[float, float] = (0.0, 0.0),
) -> Ratio:
    """The ratio of two cells' medians, judged at a threshold as one of so many pairs.

    `floors` are the scatters that t does not go below, as `typical` tells them.
    """
    ratio = math.exp(stats.median(b.logs) - stats.median(a.logs))
    method = method_of(len(a.logs), len(b.logs), pairs)
    if method is None:
        return Ratio(ratio)
    apart = math.log1p(threshold)
    judged = _by_rank(a, b, apart) if method == "rank" else _by_t(a, b, apart, floors)
    low, high, above, not_above, below, not_below = judged
    return Ratio(
        ratio,
        min(math.exp(low), ratio),  # a median may stand beside the middle of what it is of
        max(math.exp(high), ratio),
        method,
        p_slower=above,
        p_faster=below,
        p_same=max(not_above, not_below),
    )


def method_of(a: int, b: int, pairs: int) -> Method | None:
    """By what cells of so many repetitions are compared; their values have no say in it.

    Ranks, where the most extreme order of the repetitions is rare enough to be a verdict among
    so many pairs. None: a single repetition tells nothing of what differs between starts.
    """
    if min(a, b) < 2:
        return None
    enough = ranks.least_p(a, b) * pairs < ERROR_RATE and a * b <= MOST_BY_RANK
    return "rank" if enough else "t"


# Bounds of the ratio's logarithm; then the chances of this if b were above the threshold by
# nothing at most, by nothing at least, below its inverse by nothing at most, at least.
_Judged = tuple[float, float, float, float, float, float]


def _by_rank(a: Repetitions, b: Repetitions, apart: float) -> _Judged:
    up = [log_b - log_a for log_b in b.logs for log_a in a.logs]
    down = [-difference for difference in up]
    sizes = len(a.logs), len(b.logs)
    return (
        *ranks.interval(up, *sizes, CONFIDENCE),
        ranks.p_above(up, apart, *sizes),
        ranks.p_above(down, -apart, *sizes),
        ranks.p_above(down, apart, *sizes),
        ranks.p_above(up, -apart, *sizes),
    )


def _by_t(a: Repetitions, b: Repetitions, apart: float, floors: tuple[float, float]) -> _Judged:
    center = sum(b.logs) / len(b.logs) - sum(a.logs) / len(a.logs)
    parts = [
        (max(side.scatter, floor) / len(side.logs), len(side.logs) - 1)
        for side, floor in zip((a, b), floors, strict=True)
    ]
    variance = sum(part for part, _ in parts)
    if variance == 0:  # not even the samples differ
        above, below = float(center > apart), float(-center > apart)
        return center, center, 1 - above, above, 1 - below, below
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    error = math.sqrt(variance)
    reach = student.quantile((1 + CONFIDENCE) / 2, freedom) * error
    above, below = (center - apart) / error, (-center - apart) / error
    return (
        center - reach, center + reach,
        student.cdf(-above, freedom), student.cdf(above, freedom),
        student.cdf(-below, freedom), student.cdf(below, freedom),
    )  # fmt: skip


def _within(samples: Sequence[float]) -> float:
    interval = stats.median_interval(samples)
    if interval is None:
        return 0.0
    return (math.log(interval.high / interval.low) / (2 * stats.Z_95)) ** 2
