"""Every cell's trials: samples drawn in order, states, doubts, arguments and hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench import stats
from bench.frame.cells import Cell, Done
from bench.records import DeviceState, Measurement
from bench.report import text
from bench.report.collect import Collection

WIDTH, HEIGHT = 640, 56  # of a strip; it is stretched to the page's width
FEWEST_DOTS, MOST_DOTS, ALL_DOTS = 40, 400, 60_000  # of a strip, and of all strips together


class Strip(NamedTuple):
    """Samples in order from left to right, latency upwards; paths of dots."""

    warmups: str
    samples: str
    band: tuple[float, float, float] | None  # interval's top and height, and the median
    low_us: float
    high_us: float
    every: int  # one of so many samples is drawn


class TrialTrace(NamedTuple):
    """One trial of a cell."""

    done: Done
    strip: Strip | None
    facts: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str, str], ...]  # what, before, after
    doubts: tuple[tuple[str, str, str], ...]  # kind, message, cure


class CellTrace(NamedTuple):
    """One cell with its trials."""

    anchor: str
    cell: Cell
    trials: tuple[TrialTrace, ...]


def traces(collection: Collection, anchors: dict[int, str]) -> Iterator[CellTrace]:
    """The traces of all cells, in the table's order."""
    dots = max(FEWEST_DOTS, min(MOST_DOTS, ALL_DOTS // max(len(collection.done), 1)))
    for cell in collection.cells:
        bounds = _bounds(cell)
        trials = tuple(_trial(done, bounds, dots) for done in cell.done)
        yield CellTrace(anchors[id(cell)], cell, trials)


def strip(measured: Measurement, low_us: float, high_us: float, most_dots: int) -> Strip:
    """The samples as paths of dots between two latencies, thinned to so many."""
    samples, warmups = measured.samples_us, measured.warmup_us[-most_dots // 4 :]
    every = -(-len(samples) // most_dots)
    step = WIDTH / (len(warmups) + len(samples) / every + 1)

    def dots(drawn: Sequence[float], first: int) -> str:
        return "".join(
            f"M{(first + n) * step:.0f} {_up(us, low_us, high_us):.0f}h0"
            for n, us in enumerate(drawn, start=1)
        )

    middle, interval = stats.median(samples), stats.median_interval(samples)
    band = None
    if interval is not None:
        top, bottom = (_up(us, low_us, high_us) for us in (interval.high, interval.low))
        band = (top, max(bottom - top, 1.0), _up(middle, low_us, high_us))
    return Strip(
        dots(warmups, 0), dots(samples[::every], len(warmups)), band, low_us, high_us, every
    )


def _up(us: float, low_us: float, high_us: float) -> float:
    share = (us - low_us) / (high_us - low_us) if high_us > low_us else 0.5
    return 4 + (HEIGHT - 8) * (1 - min(max(share, 0), 1))


def _bounds(cell: Cell) -> tuple[float, float]:
    """One scale for all repetitions, so that they can be compared; warm-ups may leave it."""
    samples = [us for measured in cell.measurements for us in measured.samples_us]
    return (min(samples), max(samples)) if samples else (0.0, 0.0)


def _trial(done: Done, bounds: tuple[float, float], dots: int) -> TrialTrace:
    trial = done.trial
    measured = trial.measurement
    return TrialTrace(
        done=done,
        strip=strip(measured, *bounds, dots) if measured else None,
        facts=tuple(_facts(measured)) if measured else (),
        states=tuple(_states(trial.state_before, trial.state_after)),
        doubts=tuple(
            (
                text.clean(doubt.kind),
                text.clean(doubt.message, text.PROSE_LIMIT),
                text.clean(doubt.cure, text.PROSE_LIMIT),
            )
            for doubt in trial.doubts
        ),
    )


def _facts(measured: Measurement) -> Iterator[tuple[str, str]]:
    samples, interval = measured.samples_us, stats.median_interval(measured.samples_us)
    spread = "" if interval is None else (
        f" ({text.milliseconds(interval.low)}–{text.milliseconds(interval.high)})"
    )  # fmt: skip
    yield "median", f"{text.milliseconds(stats.median(samples))} ms{spread}"
    yield "p90, p99", " and ".join(
        text.milliseconds(stats.percentile(samples, percent)) for percent in (90, 99)
    ) + " ms"  # fmt: skip
    yield "samples", f"{len(samples):,} after {text.counted(len(measured.warmup_us), 'warm-up')}"
    yield "ended by", measured.stopped_by.replace("_", " ")
    yield "first inference", f"{text.milliseconds(measured.first_inference_us)} ms"
    yield (
        "init, compile",
        (f"{text.milliseconds(measured.init_us)} and {text.milliseconds(measured.compile_us)} ms"),
    )
    yield "peak memory", f"{text.mebibytes(measured.memory.peak_kb)} MiB"
    yield "delegation", measured.delegation or "not told"
    yield "clock", text.clean(measured.clock)
    yield "input", text.clean(measured.input_source, 24)


def _states(
    before: DeviceState | None, after: DeviceState | None
) -> Iterator[tuple[str, str, str]]:
    """What is told before or after, a line each."""
    if before is None and after is None:
        return
    shown = [_state(state) if state else {} for state in (before, after)]
    for what in dict.fromkeys([*shown[0], *shown[1]]):
        yield what, shown[0].get(what, text.NONE), shown[1].get(what, text.NONE)


def _state(state: DeviceState) -> dict[str, str]:
    hottest = max(state.temps_c.items(), key=lambda t: t[1], default=None)
    told = {
        "thermal status": None if state.thermal_status is None else str(state.thermal_status),
        "battery": None if state.battery_level is None else f"{state.battery_level} %",
        "battery temperature": _celsius(state.battery_temp_c),
        "hottest sensor": hottest and f"{_celsius(hottest[1])} ({text.clean(hottest[0], 24)})",
        "charging": None if state.charging is None else "yes" if state.charging else "no",
        "load, 1 min": None if state.load_1min is None else f"{state.load_1min:.2f}",
        "highest allowed clock": _megahertz(max(state.max_khz.values(), default=None)),
        "governors": text.clean(", ".join(state.governors)) or None,
    }
    return {what: value for what, value in told.items() if value is not None}


def _celsius(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} °C"


def _megahertz(khz: int | None) -> str | None:
    return None if khz is None else f"{khz / 1000:,.0f} MHz"
