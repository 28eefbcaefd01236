"""Reasons to distrust a trial, with numbers and a cure; docs/variance.md has a heading for each."""

from __future__ import annotations

from collections.abc import Iterator

from bench import stats
from bench.records import (
    Config,
    Delegation,
    DeviceState,
    Doubt,
    Measurement,
    Precision,
    Reported,
)

# Each threshold is of the field's practice, collected in docs/variance.md with its source.
DRIFT_SHARE = 0.05
HOT_C = 37.0  # skin or battery at the start
LOW_BATTERY = 25  # percent; below it some phones switch cores off

KINDS = (
    "few samples",
    "wide",
    "drifting",
    "reported only",
    "partial delegation",
    "no profile",
    "throttled",
    "hot start",
    "low battery",
)


def judge(
    told: Measurement | Reported | None,
    config: Config,
    precision: Precision,
    before: DeviceState | None,
    after: DeviceState | None,
) -> tuple[Doubt, ...]:
    """Every doubt about what was measured, or reported, in one trial."""
    found: list[Doubt] = []
    if isinstance(told, Reported):
        found += _of_report(told)
    elif told is not None:
        found += _of_samples(told, precision)
    if told is not None:
        found += _of_delegation(told.delegation, config)
    if before is not None:
        found += _of_start(before)
    if after is not None:
        found += _of_end(after)
    return tuple(found)


def _of_samples(measurement: Measurement, precision: Precision) -> Iterator[Doubt]:
    samples = measurement.samples_us
    if len(samples) < precision.min_samples:
        yield Doubt(
            kind="few samples",
            message=f"{len(samples)} samples where {precision.min_samples} were asked for",
            cure="raise max_seconds",
            numbers={"samples": len(samples), "min_samples": precision.min_samples},
        )
    half_width = stats.half_width_share(samples)
    if half_width is not None and precision.interval and half_width > precision.interval:
        yield Doubt(
            kind="wide",
            message=f"the median is known to ±{half_width:.1%} where"
            f" ±{precision.interval:.1%} was asked for",
            cure="quieten the phone, or raise max_seconds",
            numbers={"half_width_share": half_width, "interval": precision.interval},
        )
    drift = stats.drift_share(samples)
    if drift is not None and abs(drift) > DRIFT_SHARE:
        yield Doubt(
            kind="drifting",
            message=f"the last fifth of the samples is {abs(drift):.0%}"
            f" {'slower' if drift > 0 else 'faster'} than the first",
            cure="let the phone cool down, and look at what else runs on it",
            numbers={"drift_share": drift},
        )


def _of_report(reported: Reported) -> Iterator[Doubt]:
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


def _of_start(before: DeviceState) -> Iterator[Doubt]:
    hottest = max(_body_temps(before), default=None)
    if hottest is not None and hottest > HOT_C:
        yield Doubt(
            kind="hot start",
            message=f"{hottest:.1f} °C at the start",
            cure=f"let the phone cool below {HOT_C:.0f} °C",
            numbers={"temp_c": hottest},
        )
    if before.battery_level is not None and before.battery_level < LOW_BATTERY:
        yield Doubt(
            kind="low battery",
            message=f"battery at {before.battery_level} %",
            cure=f"charge it above {LOW_BATTERY} %",
            numbers={"battery_level": before.battery_level},
        )


def _of_end(after: DeviceState) -> Iterator[Doubt]:
    if after.thermal_status is not None and after.thermal_status > 0:
        yield Doubt(
            kind="throttled",
            message=f"thermal status {after.thermal_status} at the end",
            cure="let the phone cool down and repeat the trial",
            numbers={"thermal_status": after.thermal_status},
        )


def _body_temps(state: DeviceState) -> Iterator[float]:
    """Skin and battery: what the whole phone has warmed to, not what a busy core shows."""
    if state.battery_temp_c is not None:
        yield state.battery_temp_c
    for name, temp_c in state.temps_c.items():
        if "skin" in name.lower():
            yield temp_c
