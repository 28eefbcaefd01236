"""Statistics against known tables and by their properties."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import stats

SAMPLES = st.lists(st.floats(1, 1e6), min_size=1, max_size=200)


@given(SAMPLES)
def test_the_median_is_that_of_the_standard_library(samples):
    assert stats.median(samples) == pytest.approx(statistics.median(samples))


@given(SAMPLES, st.floats(0, 100))
def test_a_percentile_lies_within_the_samples(samples, percent):
    assert min(samples) <= stats.percentile(samples, percent) <= max(samples)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (20, (6, 15)), (30, (10, 21)),
     (50, (18, 33)), (70, (27, 44)), (100, (40, 61)), (1000, (469, 532))],
)  # fmt: skip
def test_the_ranks_are_those_of_the_published_table(count, ranks):
    assert stats.median_ranks(count) == ranks


@pytest.mark.parametrize("count", [9, 30, 100])
def test_the_interval_holds_the_true_median_nineteen_times_in_twenty(count):
    draw = random.Random(7)
    rounds = 2000
    held = 0
    for _ in range(rounds):
        interval = stats.median_interval([draw.expovariate(1) for _ in range(count)])
        held += interval.low <= 0.6931 <= interval.high
    assert held / rounds > 0.94


def test_fewer_than_six_samples_have_no_interval():
    assert stats.median_interval([1.0] * 5) is None
    assert stats.half_width_share([1.0] * 5) is None


def test_no_samples_is_an_error_not_a_zero():
    with pytest.raises(ValueError, match="no samples"):
        stats.median([])
    with pytest.raises(ValueError, match="no samples"):
        stats.pool([[]])


def test_the_pooled_interval_covers_the_spread_between_repetitions():
    slow, fast = [100.0 + i / 100 for i in range(50)], [80.0 + i / 100 for i in range(50)]
    pooled = stats.pool([slow, fast])
    assert pooled.interval.low <= stats.median(fast)
    assert pooled.interval.high >= stats.median(slow)
    assert pooled.median == pytest.approx((stats.median(fast) + stats.median(slow)) / 2)
    assert (pooled.samples, pooled.repetitions) == (100, 2)


def test_drift_is_the_last_fifth_over_the_first():
    assert stats.drift_share([100.0] * 20 + [110.0] * 5) == pytest.approx(0.1)
    assert stats.drift_share([100.0] * 24) is None


def test_the_median_absolute_deviation_ignores_one_wild_sample():
    assert stats.mad([1.0, 2.0, 3.0, 4.0, 1000.0]) == 1.0
