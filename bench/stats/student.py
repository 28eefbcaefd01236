"""Student's distribution, without SciPy."""

from __future__ import annotations

import math


def cdf(t: float, freedom: float) -> float:
    """The share of Student's distribution below t."""
    if math.isinf(freedom) or freedom > 1e6:
        return 0.5 * math.erfc(-t / math.sqrt(2))
    tail = 0.5 * _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)
    return 1 - tail if t > 0 else tail


def quantile(chance: float, freedom: float) -> float:
    """The t below which a share `chance`, at least half, of Student's distribution lies."""
    low, high = 0.0, 2.0
    while cdf(high, freedom) < chance:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle, freedom) < chance else (low, middle)
    return high


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
    """1 + d1/(1 + d2/(1 + ...)), from the inside out; 100 terms are plenty where x is small."""
    value = 1.0
    for term in range(100, 0, -1):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + d / value
    return value
