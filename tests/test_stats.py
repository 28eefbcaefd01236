"""Statistics against known tables and by their properties."""

import math
import random
import statistics

import pytest
from hypothesis import example, given
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


def autoregressive(draw, count, memory):
    """Normal samples, each of which remembers a share of the one before."""
    state, out = draw.gauss(0, 1), []
    for _ in range(count):
        state = memory * state + draw.gauss(0, math.sqrt(1 - memory**2))
        out.append(100 * math.exp(0.02 * state))
    return out


def share_held(rounds, count, memory):
    draw = random.Random(3)
    intervals = [stats.median_interval(autoregressive(draw, count, memory)) for _ in range(rounds)]
    return sum(found.low <= 100 <= found.high for found in intervals) / rounds


@pytest.mark.parametrize(
    ("count", "memory"), [(30, 0.0), (30, 0.3), (100, 0.3), (100, 0.6), (300, 0.9), (500, 0.9)]
)
def test_the_interval_holds_the_median_of_samples_that_remember_each_other(count, memory):
    assert share_held(400, count, memory) > 0.91


@pytest.mark.parametrize(("count", "at_most"), [(30, 1.10), (100, 1.08), (1000, 1.04)])
def test_independent_samples_pay_little_for_the_question(count, at_most):
    draw = random.Random(11)
    asked = plain = 0.0
    for _ in range(400):
        samples = sorted(draw.lognormvariate(0, 0.02) for _ in range(count))
        low, high = stats.median_ranks(count)
        plain += samples[high - 1] - samples[low - 1]
        draw.shuffle(samples)
        interval = stats.median_interval(samples)
        asked += interval.high - interval.low
    assert 1 <= asked / plain < at_most


def test_the_correlation_time_is_that_of_theory():
    """Sides of a normal series correlate as 2/pi asin(memory^lag) (Sheppard's formula)."""
    expected = 1 + 2 * sum(2 / math.pi * math.asin(0.8**lag) for lag in range(1, 200))
    samples = autoregressive(random.Random(1), 100_000, 0.8)
    assert stats.correlation_time(samples) == pytest.approx(expected, rel=0.15)


def test_a_steady_drift_counts_as_a_sample_or_two():
    rising = [100.0 + n for n in range(300)]
    assert 1 < stats.effective_count(rising) < 2
    assert stats.median_interval(rising) == (100.0, 399.0)


@given(st.lists(st.floats(1, 1e6) | st.sampled_from([1.0, 2.0, 3.0]), max_size=150))
def test_dependence_never_narrows_an_interval(samples):
    assert stats.correlation_time(samples) >= 1
    assert stats.correlation_time(samples[::-1]) == pytest.approx(stats.correlation_time(samples))
    interval, ranks = stats.median_interval(samples), stats.median_ranks(len(samples))
    if ranks is not None:
        ordered = sorted(samples)
        assert interval.low <= ordered[ranks[0] - 1]
        assert interval.high >= ordered[ranks[1] - 1]


def test_samples_that_swing_or_never_change_count_in_full():
    assert stats.effective_count([1.0, 2.0] * 50) == 100
    assert stats.effective_count([7.0] * 100) == 100


def test_a_step_shows_also_where_the_median_is_one_of_many_equal_samples():
    assert stats.correlation_time([100.0] * 60 + [101.0] * 40) > 20


def test_fewer_than_six_samples_have_no_interval():
    assert stats.median_interval([1.0] * 5) is None
    assert stats.half_width_share([1.0] * 5) is None


def test_what_never_ended_leaves_the_median_of_the_others():
    assert stats.median([3.0, math.inf, 1.0, 2.0, math.inf]) == 3.0


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


def noise(seed, count=50, middle=100.0, spread=0.02):
    draw = random.Random(seed)
    return [middle * draw.lognormvariate(0, spread) for _ in range(count)]


def test_repetitions_that_agree_are_one_body_of_samples():
    repetitions = [noise(seed, 200) for seed in range(3)]
    pooled = stats.pool(repetitions)
    alone = [stats.median_interval(samples) for samples in repetitions]
    assert stats.disagree(repetitions) is None
    width = pooled.interval.high - pooled.interval.low
    assert width < min(interval.high - interval.low for interval in alone)


def test_the_interval_of_repetitions_that_disagree_spans_all_of_theirs():
    repetitions = [noise(1), noise(2), noise(3, middle=110.0)]
    intervals = [stats.median_interval(samples) for samples in repetitions]
    assert stats.disagree(repetitions) == pytest.approx(0.1, abs=0.02)
    assert stats.pool(repetitions).interval == (
        min(interval.low for interval in intervals),
        max(interval.high for interval in intervals),
    )


def test_a_drift_within_a_repetition_widens_the_pooled_interval():
    drifting = [sorted(noise(seed)) for seed in range(3)]
    apart, together = stats.pool(drifting), stats.pool([noise(seed) for seed in range(3)])
    assert apart.median == together.median
    assert apart.interval.high - apart.interval.low > together.interval.high - together.interval.low


@pytest.mark.parametrize(("repetitions", "at_most"), [(2, 0.01), (3, 0.02), (5, 0.05)])
def test_repetitions_of_one_distribution_rarely_disagree(repetitions, at_most):
    rounds = 400
    wrong = sum(
        stats.disagree([noise(10 * number + each) for each in range(repetitions)]) is not None
        for number in range(rounds)
    )
    assert wrong / rounds <= at_most


def test_what_is_too_short_for_an_interval_does_not_disagree():
    assert stats.disagree([[1.0] * 5, [2.0] * 5]) is None
    assert stats.disagree([[1.0] * 5, [2.0] * 50]) is None
    assert stats.disagree([]) is None


def test_two_modes_are_told_with_their_shares():
    found = stats.modes(noise(1, 70) + noise(2, 30, middle=130.0))
    assert found.low == pytest.approx(100, rel=0.02)
    assert found.high == pytest.approx(130, rel=0.02)
    assert found.high_share == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("shape", ["uniform", "exponential", "normal", "outliers"])
@pytest.mark.parametrize("count", [30, 100, 1000])
def test_one_mode_is_not_taken_for_two(shape, count):
    draw = random.Random(f"{shape}{count}")
    one = {
        "uniform": lambda: draw.uniform(100, 110),
        "exponential": lambda: 100 + draw.expovariate(0.1),
        "normal": lambda: draw.gauss(100, 2),
        "outliers": lambda: draw.gauss(100, 2) + (draw.random() < 0.1) * draw.uniform(10, 400),
    }[shape]
    rounds = 200
    assert sum(stats.modes([one() for _ in range(count)]) is not None for _ in range(rounds)) <= 4


def test_the_step_of_a_clock_shows_in_what_repeats():
    assert stats.step([10.0, 20.0, 20.0, 40.0] * 5) == 10.0
    assert stats.step(noise(1)) is None
    assert stats.step([3.0] * 50) is None


def test_a_step_that_is_rounded_in_two_ways_is_still_one():
    ticks = [2.968, 2.969, 3.02, 3.021, 3.073] * 4  # of 19.2 MHz, in whole nanoseconds
    assert stats.step(ticks, 0.005) == pytest.approx(0.052)
    assert stats.step([3 + n / 1000 for n in range(20)] * 9 + [3.5], 0.005) is None


def test_drift_is_the_last_fifth_over_the_first():
    assert stats.drift_share([100.0] * 24 + [110.0] * 6) == pytest.approx(0.1)
    assert stats.drift_share([100.0] * 23 + [110.0] * 6) is None
    assert stats.drift_share([100.0] * 30) is None


def test_the_median_absolute_deviation_ignores_one_wild_sample():
    assert stats.mad([1.0, 2.0, 3.0, 4.0, 1000.0]) == 1.0


def test_a_sustained_run_is_told_by_its_first_and_its_last_minute():
    samples = [0.5e6] * 120 + [9e6] * 7 + [1e6] * 60
    assert stats.sustained(samples) == stats.Ends(0.5e6, 1e6, 60e6)
    assert stats.sustained(samples).ratio == 2


def test_a_run_shorter_than_two_minutes_is_told_by_its_halves():
    assert stats.sustained([1e6] * 20 + [2e6] * 10) == stats.Ends(1e6, 2e6, 20e6)


def test_a_sustained_run_of_few_long_samples_has_ends_and_of_one_has_none():
    assert stats.sustained([130e6, 260e6]) == stats.Ends(130e6, 260e6, 60e6)
    assert stats.sustained([1e6]) is None


@given(st.lists(st.floats(1, 3e7), min_size=2, max_size=200))
def test_a_sustained_run_backwards_has_the_ends_of_the_run_the_other_way_round(samples):
    ends, mirrored = stats.sustained(samples), stats.sustained(samples[::-1])
    assert (ends.first, ends.last) == (mirrored.last, mirrored.first)
    assert ends.window <= 60e6


def test_the_power_of_half_an_ampere_at_four_volts_is_two_watts():
    assert stats.power_mw(500, 4000) == 2000


def test_readings_that_alternate_are_independent_and_their_interval_is_students():
    # Mean 2, variance (with n) 1, n = 4: the error is sqrt(1 / 3), and t of 3 degrees 3.182.
    mean, interval = stats.mean_of_readings([1, 3, 1, 3])
    assert mean == 2
    assert interval == pytest.approx((2 - 3.1824463 * 3**-0.5, 2 + 3.1824463 * 3**-0.5))


def test_readings_that_remember_each_other_are_told_less_of():
    # Off by -1.5, -0.5, 0.5, 1.5: r = (0.75 - 0.25 + 0.75) / 5 = 0.25;
    # freed of its bias 0.25 + 2 / 4 = 0.75; 4 * 0.25 / 1.75 = 0.571 tell less than the least, 2;
    # error sqrt(1.25 / 1), t of 1 degree 12.706.
    mean, interval = stats.mean_of_readings([1, 2, 3, 4])
    assert mean == 2.5
    assert interval.high - 2.5 == pytest.approx(12.7062047 * 1.25**0.5)


def test_a_value_that_an_instrument_holds_counts_once():
    held = [value for value in [1, 3, 1, 3] for _ in range(5)]
    assert stats.mean_of_readings(held) == stats.mean_of_readings([1, 3, 1, 3])
    assert stats.mean_of_readings([5, 5, 5, 6, 6, 6]) == (5.5, None)
    assert stats.mean_of_readings([7]) == (7, None)


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=60))
@example([0.0, 1e-200, 0.0])
def test_a_mean_lies_in_its_interval_and_among_its_readings(readings):
    mean, interval = stats.mean_of_readings(readings)
    assert min(readings) - 1e-6 <= mean <= max(readings) + 1e-6
    assert interval is None or interval.low <= mean <= interval.high


@pytest.mark.parametrize(("memory", "least"), [(0, 0.94), (0.4, 0.90), (0.7, 0.84)])
def test_the_interval_of_a_mean_holds_also_where_readings_remember(memory, least):
    draw = random.Random(5)
    held = 0
    for _ in range(1000):
        state, readings = draw.gauss(0, 1), []
        for _ in range(14):
            state = memory * state + draw.gauss(0, math.sqrt(1 - memory**2))
            readings.append(state)
        low, high = stats.mean_of_readings(readings).interval
        held += low <= 0 <= high
    assert held / 1000 > least


def test_the_energy_of_an_inference_is_its_share_of_the_power():
    # 2 W against 0.5 W for 10 ms: 20 mJ, 15 mJ of them beyond idling. Errors: busy
    # sqrt(100^2 / 3) = 57.74 with 3 degrees; idle sqrt(10^2 / 3) = 5.774 with 3. Welch:
    # hypot = 58.02 mW, (57.74^2 + 5.774^2)^2 / (57.74^4 / 3 + 5.774^4 / 3) = 3.06, so t = 3.182.
    busy, idle = [1900, 2100, 1900, 2100], [490, 510, 490, 510]
    gross, net = stats.inference_energy(busy, idle, 0.010)
    assert gross.value == pytest.approx(20)
    assert gross.interval.high - 20 == pytest.approx(3.1824463 * 57.735 * 0.010, rel=1e-4)
    assert net.value == pytest.approx(15)
    assert net.interval.high - 15 == pytest.approx(3.1824463 * 58.023 * 0.010, rel=1e-4)


def test_without_an_idle_stretch_or_with_steady_readings_less_is_told():
    assert stats.inference_energy([1900, 2100, 1900], [], 0.01).net_mj is None
    net = stats.inference_energy([1900, 2100, 1900, 2100], [500, 500, 500], 0.01).net_mj
    assert net == (pytest.approx(15), None)
    with pytest.raises(ValueError, match="no readings"):
        stats.inference_energy([], [1], 0.01)
