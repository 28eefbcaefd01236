"""Medians, their intervals, and the shape of a trial's samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

EXACT_UP_TO = 70  # samples; above, the normal approximation of the ranks is good enough
Z_95 = 1.96
SIGMAS_PER_MAD = 1.4826  # of a normal distribution
MAX_LAG = 1000  # samples; a longer memory than that shows as a drift
SUSTAINED_WINDOW_US = 60e6  # the first and the last minute of a sustained run


class Interval(NamedTuple):
    """Two bounds in the unit of the samples."""

    low: float
    high: float


class Summary(NamedTuple):
    """The middle of one or several repetitions, with what it may be off by."""

    median: float
    interval: Interval | None  # None: too few samples for one
    samples: int
    repetitions: int


class Modes(NamedTuple):
    """Two values that samples gather around, and the share of samples near the higher one."""

    low: float
    high: float
    high_share: float


class Ends(NamedTuple):
    """How a run that went on for long began and ended."""

    first: float  # median of its first minute
    last: float  # and of its last
    window: float  # what stands for a minute where the run was shorter than two

    @property
    def ratio(self) -> float:
        """Last over first: above 1 the run became slower."""
        return self.last / self.first


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the mean of the two middle ones."""
    return percentile(samples, 50)


def percentile(samples: Sequence[float], percent: float) -> float:
    """Linear interpolation between closest ranks (Hyndman and Fan's type 7, as NumPy)."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    if position == below:  # also where the next one is infinite
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (position - below)


def median_ranks(count: int, tau: float = 1.0) -> tuple[int, int] | None:
    """1-based ranks of the samples that bound the median with 95 % confidence.

    Distribution-free: the number of samples below the median is binomial(count, 1/2).
    Exact up to 70 samples, then floor(n/2 - 0.98 sqrt n) and its mirror (Le Boudec,
    Performance Evaluation of Computer and Communication Systems, theorem 2.1 and table A).
    Serial dependence multiplies that number's variance by `tau`, see `correlation_time`, so
    the ranks move away from the middle by sqrt(tau); where they would leave the samples, the
    whole range is taken, and 95 % are not reached.
    None for fewer than six samples: no pair of ranks reaches 95 %.
    """
    if count <= EXACT_UP_TO:
        low, tail = 0, 0
        while (tail := tail + math.comb(count, low)) <= 0.025 * 2**count:
            low += 1
    else:
        low = math.floor(count / 2 - Z_95 / 2 * math.sqrt(count))
    if low < 1:
        return None
    low = max(math.floor(count / 2 - (count / 2 - low) * math.sqrt(tau)), 1)
    return low, count + 1 - low


def median_interval(samples: Sequence[float]) -> Interval | None:
    """The distribution-free 95 % interval of the median; None for fewer than six samples."""
    return _interval(sorted(samples), correlation_time(samples))


def half_width_share(samples: Sequence[float]) -> float | None:
    """Half the width of the median's interval as a share of the median."""
    interval = median_interval(samples)
    if interval is None:
        return None
    return (interval.high - interval.low) / 2 / median(samples)


def correlation_time(samples: Sequence[float]) -> float:
    """How many samples in a row tell as much about the median as one independent sample.

    That is the integrated autocorrelation time of whether a sample lies above or below the
    median, rather too high than too low: 1 for independent samples, more than half of their
    number for a steady drift. No less than 1, whatever the samples are.
    """
    if not samples:
        return 1.0
    middle = median(samples)
    above = int("".join(["1" if sample > middle else "0" for sample in samples]), 2)
    below = int("".join(["1" if sample < middle else "0" for sample in samples]), 2)
    return correlation_time_of_sides(above, below, len(samples))


def correlation_time_of_sides(above: int, below: int, count: int) -> float:
    """`correlation_time` from one bit a sample, set where it lies above or below the median.

    Autocorrelations are added up in pairs of lags until a pair is negative (C. J. Geyer,
    Practical Markov chain Monte Carlo, Statistical Science 7, 1992, section 3.3: the initial
    positive sequence), up to lag `MAX_LAG`. Keeping only positive pairs finds dependence in
    independent samples too: 3/sqrt(n), three times an autocorrelation's standard error there
    (Bartlett, 1946), is taken off again. What is left is raised by its own standard error,
    sqrt(2 (2 lags + 1) / n) of it (N. Madras and A. D. Sokal, The pivot algorithm, J. Stat.
    Phys. 50, 1988, appendix C): who stops at the first narrow interval meets the estimates
    that are too low. The runner on the phone computes the same.
    """
    balance = above.bit_count() - below.bit_count()
    aside = above.bit_count() + below.bit_count()
    if count * aside <= balance * balance:  # all at the median
        return 1.0
    lags, same, weight = 0, 0, 0  # sums over lags: products of two samples' sides, their number
    for lag in range(0, min(MAX_LAG, count - 1), 2):
        pair = (_products(above, below, lag) if lag else aside) + _products(above, below, lag + 1)
        pairs = 2 * (count - lag) - 1
        if count * count * pair <= balance * balance * pairs:
            break
        lags, same, weight = lags + 2, same + pair, weight + pairs
    mean_square = balance * balance / (count * count)
    variance = aside - count * mean_square
    tau = 2 * (same - weight * mean_square) / variance - 1
    excess = max(0.0, tau - 1 - 3 / math.sqrt(count))
    return 1 + excess * (1 + math.sqrt((4 * lags + 2) / count))


def mad(samples: Sequence[float]) -> float:
    """Median absolute deviation from the median, not scaled."""
    middle = median(samples)
    return median([abs(sample - middle) for sample in samples])


def drift_share(samples: Sequence[float]) -> float | None:
    """Median of the last fifth over that of the first fifth, minus one; None below 30 samples.

    None, too, where the two medians' intervals overlap: the difference may be chance.
    """
    fifth = len(samples) // 5
    if fifth < 6:
        return None
    first, last = samples[:fifth], samples[-fifth:]
    return None if disagree((first, last)) is None else median(last) / median(first) - 1


def modes(samples: Sequence[float]) -> Modes | None:
    """The two values that the samples gather around; None where one will do, or below 30 samples.

    The samples, without 5 % at either end, are split in two where the variance between the
    parts is largest (N. Otsu, A threshold selection method, IEEE Trans. SMC 9, 1979); each
    part must hold a fifth. They are two modes if Ashman's D, the distance of the parts'
    medians over their root mean square width, is above 4 + 60/n, with the widths from the
    median absolute deviations (K. M. Ashman and others, Astronomical Journal 108, 1994, ask for
    more than 2). Parts of one uniform distribution, the flattest that is still one, have 2.7;
    60/n keeps the scatter of few samples from passing for modes in more than 2 % of cases.
    """
    if len(samples) < 30:
        return None
    ordered = sorted(samples)
    place = _split(ordered[len(ordered) // 20 : len(ordered) - len(ordered) // 20])
    place += len(ordered) // 20
    low, high = ordered[:place], ordered[place:]
    width = SIGMAS_PER_MAD * math.hypot(mad(low), mad(high)) / math.sqrt(2)
    found = Modes(median(low), median(high), len(high) / len(ordered))
    apart = (4 + 60 / len(samples)) * width
    return found if found.high - found.low > apart else None


def step(samples: Sequence[float], grain: float = 0.0) -> float | None:
    """What the clock seems to advance by; None unless at least half the samples repeat others.

    Samples within `grain` of each other are one reading, rounded in two ways.
    """
    distinct = sorted(set(samples))
    steps: list[float] = []
    reading = distinct[0]
    for before, after in itertools.pairwise(distinct):
        if after - before > grain:
            steps.append(after - reading)
            reading = after
        elif after - reading > grain:
            return None  # the clock tells apart what lies closer
    return min(steps) if steps and len(steps) + 1 <= len(samples) / 2 else None


def disagree(repetitions: Sequence[Sequence[float]]) -> float | None:
    """By what share of their median the repetitions' medians differ; None where they agree.

    They agree when their 95 % intervals have a point in common. For two repetitions that
    differ by chance alone this fails less than once in a hundred times, for five less than
    once in twenty. A repetition of fewer than six samples has no interval and no say.
    """
    kept = [samples for samples in repetitions if len(samples) >= 6]
    intervals = [found for samples in kept if (found := median_interval(samples)) is not None]
    if not intervals or max(i.low for i in intervals) <= min(i.high for i in intervals):
        return None
    medians = [median(samples) for samples in kept]
    return (max(medians) - min(medians)) / median(medians)


def pool(repetitions: Sequence[Sequence[float]]) -> Summary:
    """One figure for several repetitions of a trial.

    The median is that of the repetitions' medians. Repetitions that agree, see `disagree`,
    are one body of samples, and the interval is its own; of those that don't it spans all
    their intervals. It covers every repetition's median in any case: what differs from start
    to start is part of what a reader may see again.

    What that interval means: with one repetition it is the median of that start, not of the
    model. The medians of k starts enclose the median of all possible starts with a chance of
    1 - 2^(1-k): 50, 75, 94 and 97 % for 2, 3, 5 and 6 of them. So with fewer than six
    repetitions that disagree it is a range of what was seen, and no 95 % interval.
    """
    kept = [samples for samples in repetitions if samples]
    if not kept:
        raise ValueError("no samples")
    medians = [median(samples) for samples in kept]
    pooled = sorted(sample for samples in kept for sample in samples)
    interval = _interval(pooled, len(pooled) / sum(effective_count(one) for one in kept))
    if interval is not None:
        ends = [*medians, *interval]
        if disagree(kept) is not None:
            ends = medians + [end for one in kept for end in median_interval(one) or ()]
        interval = Interval(min(ends), max(ends))
    return Summary(median(medians), interval, len(pooled), len(kept))


def effective_count(samples: Sequence[float]) -> float:
    """How many independent samples would tell as much about the median."""
    return len(samples) / correlation_time(samples)


def sustained(samples_us: Sequence[float]) -> Ends | None:
    """Medians of the first and the last minute of a run; None for fewer than two samples.

    The minutes are of time spent in inferences, which is the sum of the samples. Of a run
    shorter than two minutes they are its two halves, so that no sample is in both. A sample
    belongs to the first minute when its middle lies there, and so to the last; where none
    does, the outermost sample stands for it.
    """
    if len(samples_us) < 2:
        return None
    window = min(SUSTAINED_WINDOW_US, math.fsum(samples_us) / 2)
    outwards = samples_us, samples_us[::-1]
    first, last = (samples[: max(1, _within(samples, window))] for samples in outwards)
    return Ends(median(first), median(last), window)


def _interval(ordered: Sequence[float], tau: float) -> Interval | None:
    ranks = median_ranks(len(ordered), tau)
    return None if ranks is None else Interval(ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def _within(samples: Sequence[float], window: float) -> int:
    """How many samples, one after the other, have their middle within so much time."""
    ends = itertools.accumulate(samples)
    middles = (end - sample / 2 for sample, end in zip(samples, ends, strict=True))
    return sum(1 for _ in itertools.takewhile(lambda middle: middle < window, middles))


def _products(above: int, below: int, lag: int) -> int:
    """Sum over samples: 1 for the same side as `lag` samples earlier, -1 for the other one."""
    above_then, below_then = above >> lag, below >> lag
    same = (above & above_then) | (below & below_then)
    other = (above & below_then) | (below & above_then)
    return same.bit_count() - other.bit_count()


def _split(ordered: Sequence[float]) -> int:
    """How many go into the lower part of the two that lie furthest apart."""
    count, start = len(ordered), ordered[0]
    sums = list(itertools.accumulate(value - start for value in ordered))

    def between(low: int) -> float:
        mean_low, mean_high = sums[low - 1] / low, (sums[-1] - sums[low - 1]) / (count - low)
        return low * (count - low) * (mean_high - mean_low) ** 2

    return max(range(math.ceil(count / 5), count - math.ceil(count / 5) + 1), key=between)
