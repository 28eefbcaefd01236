"""Reasons to distrust a trial, with numbers and a cure; docs/variance.md has a heading for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from bench import stats
from bench.records import (
    Check,
    Config,
    Delegation,
    Doubt,
    DoubtKind,
    Measurement,
    Moment,
    Precision,
    Reported,
    Usage,
)

# Each threshold is of the field's practice or derived; docs/variance.md has the source.
DRIFT_SHARE = 0.05
MODES_SHARE = 0.05  # that two modes lie apart
OUTLIER_SIGMAS = 10
OUTLIER_SHARE = 0.05
DEFAULT_INTERVAL = Precision().interval  # where a trial was to run to a limit instead
FEWEST = 6  # samples that a 95 % interval of the median can be had of
CLOCK_ROUNDING_US = 0.005  # of ticks to nanoseconds, and by the kernel's trimming of their length
BUSY_CORES = 0.5  # of other processes
THROTTLED_SHARE = 0.85  # of the cap that a core had when the trial began

KINDS: tuple[DoubtKind, ...] = get_args(DoubtKind)
# What stands in the title of a device, so that it need not stand in every row as well.
IN_TITLE = frozenset({"virtual", "emulated"})


def judge(
    told: Measurement | Reported,
    config: Config,
    precision: Precision,
    series: Sequence[Moment] = (),
    check: Check | None = None,
) -> tuple[Doubt, ...]:
    """Every doubt that what was measured, or reported, shows of itself.

    `series` is what the phone told while it ran, `check` its outputs against the host's. What
    the phone was like before and after is `bench.device.fitness`'s to judge.
    """
    found: list[Doubt] = []
    if isinstance(told, Reported):
        found += _of_report(told, precision)
    else:
        step_us = stats.step(told.samples_us, CLOCK_ROUNDING_US)
        found += _of_precision(told, precision)
        found += _of_shape(told.samples_us, step_us)
        found += _of_start(told, precision)
        found += _of_clock(told.samples_us, step_us, precision)
        found += _of_usage(told.usage)
    found += _of_delegation(told.delegation, config)
    found += _of_clocks(series)
    found += _of_check(check)
    return tuple(found)


def judge_repetitions(
    repetitions: Sequence[Measurement], precision: Precision
) -> tuple[Doubt, ...]:
    """Every doubt about one row of a table that its repetitions show only together."""
    found: list[Doubt] = []
    differ = stats.disagree([one.samples_us for one in repetitions])
    if differ is not None and differ > 2 * (precision.interval or DEFAULT_INTERVAL):
        found.append(
            Doubt(
                kind="repetitions differ",
                message=f"the medians of {len(repetitions)} repetitions lie {differ:.1%} apart,"
                " more than chance explains",
                cure="repeat more often, and look at clocks, heat and affinity",
                numbers={"differ_share": differ, "repetitions": len(repetitions)},
            )
        )
    outputs: dict[str, set[tuple[str, ...]]] = {}
    for one in repetitions:
        outputs.setdefault(one.input_source, set()).add(tuple(o.crc32 for o in one.outputs))
    different = max(map(len, outputs.values()), default=0)
    if different > 1:
        found.append(
            Doubt(
                kind="outputs differ",
                message=f"{len(repetitions)} repetitions with one input gave {different} outputs",
                cure="run the model on the host with the same input; distrust this delegate",
                numbers={"repetitions": len(repetitions), "different": different},
            )
        )
    return tuple(found)


def _of_precision(told: Measurement, precision: Precision) -> Iterator[Doubt]:
    samples = told.samples_us
    limit = "max_samples" if told.stopped_by == "max_samples" else "max_seconds"
    fewest = max(precision.min_samples, FEWEST if precision.interval else 1)
    if len(samples) < fewest:
        yield _few(len(samples), fewest, precision, limit)
    half_width = stats.half_width_share(samples)
    if half_width is not None and precision.interval and half_width > precision.interval:
        yield Doubt(
            kind="wide",
            message=f"the median is known to ±{half_width:.1%} where"
            f" ±{precision.interval:.1%} was asked for",
            cure=f"quieten the phone, or raise {limit}",
            numbers={
                "half_width_share": half_width,
                "interval": precision.interval,
                "effective_samples": stats.effective_count(samples),
            },
        )


def _few(samples: int, fewest: int, precision: Precision, limit: str) -> Doubt:
    return Doubt(
        kind="few samples",
        message=f"{samples} samples where {fewest} were asked for"
        if fewest == precision.min_samples
        else f"{samples} samples, and an interval of the median takes {fewest}",
        cure=f"raise {limit}",
        numbers={"samples": samples, "min_samples": precision.min_samples},
    )


def _of_shape(samples: Sequence[float], step_us: float | None) -> Iterator[Doubt]:
    """What shows that the samples are no draws from one quiet distribution."""
    drift = stats.drift_share(samples)
    if drift is not None and abs(drift) > DRIFT_SHARE:
        yield Doubt(
            kind="drifting",
            message=f"the last fifth of the samples is {abs(drift):.0%}"
            f" {'slower' if drift > 0 else 'faster'} than the first",
            cure="let the phone cool down, and look at what else runs on it",
            numbers={"drift_share": drift},
        )
    modes = stats.modes(samples)
    # Two readings of a coarse clock, one after the other, may be of one latency.
    least = 0.0 if modes is None else max(modes.low * MODES_SHARE, 1.5 * (step_us or 0.0))
    if modes is not None and modes.high - modes.low > least:
        yield Doubt(
            kind="bimodal",
            message=f"{1 - modes.high_share:.0%} of the samples lie around"
            f" {modes.low / 1000:.4g} ms and {modes.high_share:.0%} around"
            f" {modes.high / 1000:.4g} ms",
            cure="set an affinity, or as many threads as there are cores of one kind",
            numbers={
                "low_us": modes.low,
                "high_us": modes.high,
                "high_share": modes.high_share,
            },
        )


def _of_start(told: Measurement, precision: Precision) -> Iterator[Doubt]:
    first = told.samples_us[0]
    middle = stats.median(told.samples_us)
    spread = stats.SIGMAS_PER_MAD * stats.mad(told.samples_us)
    if first <= middle + max(OUTLIER_SIGMAS * spread, OUTLIER_SHARE * middle):
        return
    # The warm-up ends earlier where the latency has flattened; then more time changes nothing.
    cut_short = sum(told.warmup_us) >= 0.9 * precision.warmup_max_seconds * 1e6
    yield Doubt(
        kind="first-run outlier",
        message=f"the first sample took {first / middle:.1f} times the median",
        cure="raise warmup_max_seconds"
        if cut_short
        else "none is needed: the warm-up was done, and the median hardly feels one sample",
        numbers={"first_us": first, "median_us": middle},
    )


def _of_clock(
    samples: Sequence[float], step_us: float | None, precision: Precision
) -> Iterator[Doubt]:
    middle = stats.median(samples)
    if step_us is not None and step_us > (precision.interval or DEFAULT_INTERVAL) * middle:
        yield Doubt(
            kind="timer too coarse",
            message=f"the clock advances by {step_us:.4g} us, {step_us / middle:.1%} of the median",
            cure="measure a larger model, or compare by whole steps only",
            numbers={"step_us": step_us, "median_us": middle},
        )


def _of_report(reported: Reported, precision: Precision) -> Iterator[Doubt]:
    if reported.count < precision.min_samples:
        yield _few(reported.count, precision.min_samples, precision, "max_seconds")
    yield Doubt(
        kind="reported only",
        message=f"{reported.tool} keeps its samples to itself: the median has no interval",
        cure='measure with `runner = "bench-runner"` where it has the delegate',
        numbers={"count": reported.count},
    )


def _of_delegation(delegation: Delegation | None, config: Config) -> Iterator[Doubt]:
    if config.delegate != "none" and delegation in ("partial", "none"):
        taken = "some" if delegation == "partial" else "none"
        yield Doubt(
            kind="partial delegation",
            message=f"delegate {config.delegate} took {taken} of the model's operators",
            cure="expect the latency of the builtin kernels for the rest",
        )


def _of_usage(usage: Usage | None) -> Iterator[Doubt]:
    if usage is None:
        return
    others = (usage.busy_us - usage.own_us) / usage.wall_us
    if others > BUSY_CORES:
        yield Doubt(
            kind="background load",
            message=f"other processes kept {others:.1f} cores busy while it sampled",
            cure="end what runs; airplane mode keeps updates away",
            numbers={"busy_cores": round(others, 3)},
        )


def _of_clocks(series: Sequence[Moment]) -> Iterator[Doubt]:
    """A cap that fell while the trial ran: what the phone calls its thermal status or not."""
    for core in sorted({core for moment in series for core in moment.max_khz}):
        caps = [moment.max_khz[core] for moment in series if core in moment.max_khz]
        if min(caps) < THROTTLED_SHARE * caps[0]:
            yield Doubt(
                kind="throttled",
                message=f"the clock of core {core} was cut from {caps[0] // 1000} to"
                f" {min(caps) // 1000} MHz while it ran",
                cure="let the phone cool down and repeat the trial",
                numbers={"first_cap_khz": caps[0], "lowest_cap_khz": min(caps)},
            )
            return


def _of_check(check: Check | None) -> Iterator[Doubt]:
    if check is not None and check.reason is not None:
        numbers = {"snr_db": check.snr_db} if check.snr_db is not None else {}
        yield Doubt(
            kind="outputs differ from host",
            message=f"against {check.runtime} on the host: {check.reason}",
            cure="distrust this delegate for this model, and look at the outputs",
            numbers=numbers,
        )
