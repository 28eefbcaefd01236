"""Reasons to distrust a trial, with numbers and a cure; docs/variance.md has a heading for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import stats
from bench.records import (
    Config,
    Delegation,
    Device,
    DeviceState,
    Doubt,
    Measurement,
    Precision,
    Reported,
)

# Each threshold is of the field's practice or derived; docs/variance.md has the source.
DRIFT_SHARE = 0.05
MODES_SHARE = 0.05  # that two modes lie apart
OUTLIER_SIGMAS = 10
OUTLIER_SHARE = 0.05
DEFAULT_INTERVAL = Precision().interval  # where a trial was to run to a limit instead
HOT_C = 37.0  # skin or battery at the start
LOW_BATTERY = 25  # percent; below it some phones switch cores off
CAPPED_SHARE = 0.98  # of the clock that a core could have

KINDS = (
    "few samples",
    "wide",
    "drifting",
    "bimodal",
    "first-run outlier",
    "timer too coarse",
    "reported only",
    "partial delegation",
    "no profile",
    "throttled",
    "hot start",
    "capped clocks",
    "low battery",
    "repetitions differ",
    "outputs differ",
)


def judge(
    told: Measurement | Reported | None,
    config: Config,
    precision: Precision,
    before: DeviceState | None,
    after: DeviceState | None,
    device: Device | None = None,
) -> tuple[Doubt, ...]:
    """Every doubt about what was measured, or reported, in one trial.

    Without the device it is not known what clocks it could have.
    """
    found: list[Doubt] = []
    if isinstance(told, Reported):
        found += _of_report(told)
    elif told is not None:
        found += _of_precision(told.samples_us, precision)
        found += _of_shape(told.samples_us)
        found += _of_clock(told.samples_us, precision)
    if told is not None:
        found += _of_delegation(told.delegation, config)
    found += _of_throttling(before, after)
    if before is not None:
        found += _of_start(before)
    if device is not None:
        found += _of_caps(device, [state for state in (before, after) if state is not None])
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


def _of_precision(samples: Sequence[float], precision: Precision) -> Iterator[Doubt]:
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
            numbers={
                "half_width_share": half_width,
                "interval": precision.interval,
                "effective_samples": stats.effective_count(samples),
            },
        )


def _of_shape(samples: Sequence[float]) -> Iterator[Doubt]:
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
    if modes is not None and modes.high > modes.low * (1 + MODES_SHARE):
        yield Doubt(
            kind="bimodal",
            message=f"{1 - modes.high_share:.0%} of the samples lie around {modes.low:.4g} us and"
            f" {modes.high_share:.0%} around {modes.high:.4g} us",
            cure="set an affinity, or as many threads as there are cores of one kind",
            numbers={
                "low_us": modes.low,
                "high_us": modes.high,
                "high_share": modes.high_share,
            },
        )
    middle, spread = stats.median(samples), stats.SIGMAS_PER_MAD * stats.mad(samples)
    if samples[0] > middle + max(OUTLIER_SIGMAS * spread, OUTLIER_SHARE * middle):
        yield Doubt(
            kind="first-run outlier",
            message=f"the first sample took {samples[0] / middle:.1f} times the median",
            cure="raise warmup_max_seconds",
            numbers={"first_us": samples[0], "median_us": middle},
        )


def _of_clock(samples: Sequence[float], precision: Precision) -> Iterator[Doubt]:
    step, middle = stats.step(samples), stats.median(samples)
    if step is not None and step > (precision.interval or DEFAULT_INTERVAL) * middle:
        yield Doubt(
            kind="timer too coarse",
            message=f"the clock advances by {step:.4g} us, {step / middle:.1%} of the median",
            cure="measure a larger model, or compare by whole steps only",
            numbers={"step_us": step, "median_us": middle},
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


def _of_throttling(before: DeviceState | None, after: DeviceState | None) -> Iterator[Doubt]:
    for state, when in ((after, "end"), (before, "start")):
        if state is not None and state.thermal_status is not None and state.thermal_status > 0:
            yield Doubt(
                kind="throttled",
                message=f"thermal status {state.thermal_status} at the {when}",
                cure="let the phone cool down and repeat the trial",
                numbers={"thermal_status": state.thermal_status},
            )
            return


def _of_caps(device: Device, states: Sequence[DeviceState]) -> Iterator[Doubt]:
    told: list[str] = []
    numbers: dict[str, float] = {}
    for cluster in device.clusters:
        names = [str(cpu) for cpu in cluster.cpus]
        caps = [s.max_khz[name] for s in states for name in names if name in s.max_khz]
        if cluster.max_khz is None or not caps or min(caps) >= CAPPED_SHARE * cluster.max_khz:
            continue
        told.append(f"{min(caps) // 1000} of {cluster.max_khz // 1000} MHz (core {names[0]})")
        numbers |= {f"cpu{names[0]}_cap_khz": min(caps), f"cpu{names[0]}_max_khz": cluster.max_khz}
    if told:
        yield Doubt(
            kind="capped clocks",
            message=f"clocks were capped: {', '.join(told)}",
            cure="let the phone cool down; switch battery saver and power limits off",
            numbers=numbers,
        )


def _body_temps(state: DeviceState) -> Iterator[float]:
    """Skin and battery: what the whole phone has warmed to, not what a busy core shows."""
    if state.battery_temp_c is not None:
        yield state.battery_temp_c
    for name, temp_c in state.temps_c.items():
        if "skin" in name.lower():
            yield temp_c
