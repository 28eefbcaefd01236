"""How many times as long one cell takes as another, and how sure that is.

What differs from start to start of a process is part of what a reader may see again, so the
repetition is the unit, not the sample: samples of one process are no independent witnesses
(Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013). The medians of the
repetitions are compared on a logarithmic scale by Welch's t. A rank test can't reach 95 % with
three repetitions a side, and a bootstrap, which draws from what there is, holds the truth too
seldom (benchmarks/interval_coverage.py; docs/formats.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench import stats

CONFIDENCE = 0.95


class Ratio(NamedTuple):
    """Median of b over median of a."""

    ratio: float
    low: float | None  # None: a side has a single repetition
    high: float | None
    standard_error: float | None  # of the ratio's logarithm
    freedom: float | None  # degrees of

    def p_slower(self, threshold: float) -> float | None:
        """Chance of such a ratio, or a larger one, if b were slower by the threshold at most."""
        if self.standard_error is None or self.freedom is None:
            return None
        beyond = math.log(self.ratio) - math.log1p(threshold)
        if self.standard_error == 0:
            return 0.0 if beyond > 0 else 1.0
        shift = beyond / self.standard_error
        return 1 - t_cdf(shift, self.freedom)

    def p_faster(self, threshold: float) -> float | None:
        """The same of b being faster by the threshold at most."""
        if self.standard_error is None:
            return None
        return Ratio(1 / self.ratio, *self[1:]).p_slower(threshold)

    def p_same(self, threshold: float) -> float | None:
        """Chance of a ratio so near to 1 if b were slower or faster by the threshold or more."""
        slower, faster = self.p_slower(threshold), self.p_faster(threshold)
        if slower is None or faster is None:
            return None
        return 1 - min(slower, faster)


def ratio_of(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> Ratio:
    """The ratio of two cells' medians from the samples of their repetitions."""
    center = math.log(_middle(b) / _middle(a))
    if len(a) < 2 or len(b) < 2:
        return Ratio(math.exp(center), None, None, None, None)
    parts = [(_scatter(side) * _of_a_median(len(side)), len(side) - 1) for side in (a, b)]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Ratio(math.exp(center), math.exp(center), math.exp(center), 0.0, math.inf)
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    error = math.sqrt(variance)
    reach = t_quantile((1 + CONFIDENCE) / 2, freedom) * error
    return Ratio(
        math.exp(center), math.exp(center - reach), math.exp(center + reach), error, freedom
    )


def holm(chances: Sequence[float]) -> list[float]:
    """Chances adjusted for their number (Holm, 1979), in the order given."""
    adjusted = [0.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda n: chances[n])):
        highest = max(highest, min(1.0, chances[place] * (len(chances) - rank)))
        adjusted[place] = highest
    return adjusted


def t_cdf(t: float, freedom: float) -> float:
    """Student's distribution."""
    if math.isinf(freedom) or freedom > 1e6:
        return 0.5 * math.erfc(-t / math.sqrt(2))
    tail = 0.5 * _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)
    return 1 - tail if t > 0 else tail


def t_quantile(chance: float, freedom: float) -> float:
    """The t below which a share `chance`, at least half, of Student's distribution lies."""
    low, high = 0.0, 2.0
    while t_cdf(high, freedom) < chance:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < chance else (low, middle)
    return high


def _middle(repetitions: Sequence[Sequence[float]]) -> float:
    return stats.median([stats.median(samples) for samples in repetitions])


def _scatter(repetitions: Sequence[Sequence[float]]) -> float:
    """Variance of a repetition's log median, never below what its own samples leave open.

    Two or three repetitions agree now and then by chance; the floor keeps that from looking
    like certainty.
    """
    logs = [math.log(stats.median(samples)) for samples in repetitions]
    mean = sum(logs) / len(logs)
    between = sum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
    return max(between, sum(_within(samples) for samples in repetitions) / len(repetitions))


def _of_a_median(count: int) -> float:
    """Variance of the median of so many normal values, as a share of theirs.

    It tends to pi/2 of the mean's; the constants fit the exact ones of small numbers to 3 %.
    """
    nearer = 0.53 if count % 2 else 1.2
    return max(1.0, math.pi / 2 * count / (count + nearer)) / count


def _within(samples: Sequence[float]) -> float:
    interval = stats.median_interval(samples)
    if interval is None:
        return 0.0
    return (math.log(interval.high / interval.low) / (2 * stats.Z_95)) ** 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularized incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    scale = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    return scale / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), from the inside out; 300 terms are plenty where x is small."""
    value = 1.0
    for term in range(300, 0, -1):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + d / value
    return value
