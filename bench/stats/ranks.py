"""The exact test of Mann and Whitney, and the interval of Hodges and Lehmann that inverts it.

Both count pairs of one value of each side, and hold whatever the values' distribution is, as
long as it is the same on both sides but for a shift (Hodges and Lehmann, Estimates of location
based on rank tests, 1963).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate


def p_above(differences: Sequence[float], shift: float, a: int, b: int) -> float:
    """Chance of so many of the a * b differences above `shift` if the sides were apart by it.

    Equal values count as not above, so that ties never make anything certain.
    """
    return _tail(a, b)[sum(difference > shift for difference in differences)]


def interval(
    differences: Sequence[float], a: int, b: int, confidence: float
) -> tuple[float, float]:
    """The shifts that the test does not reject, of values that `reaches` says are enough."""
    inside = sum(chance > (1 - confidence) / 2 for chance in _tail(a, b))
    ordered = sorted(differences)
    outside = a * b + 1 - inside  # differences to leave out at either end, less one
    return ordered[outside - 1], ordered[-outside]


def least_p(a: int, b: int) -> float:
    """The smallest chance, of both directions, that so many values a side can reach."""
    return 2 / math.comb(a + b, a)


@lru_cache(maxsize=64)
def _tail(a: int, b: int) -> tuple[float, ...]:
    """The chance of u differences above or more, for every u from 0 to a * b.

    The orders of a + b values by their u are the coefficients of a Gaussian binomial.
    """
    counts = [1] + [0] * (a * b)
    for step in range(1, a + 1):
        for u in range(a * b, b + step - 1, -1):
            counts[u] -= counts[u - b - step]
        for u in range(step, a * b + 1):
            counts[u] += counts[u - step]
    orders = math.comb(a + b, a)
    return tuple(count / orders for count in accumulate(reversed(counts)))[::-1]
