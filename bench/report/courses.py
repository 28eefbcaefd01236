"""Clocks and temperatures while a trial ran, as lines a few characters high."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from bench.records import Moment
from bench.report import text

WIDTH, HEIGHT = 640, 40  # of a plot; it is stretched to the page's width
MOST_CORES = 4  # one a cluster
FEWEST_POINTS, MOST_POINTS, ALL_POINTS = 10, 60, 12_000  # of a line, and of a line in all plots

Points = list[tuple[float, float]]  # seconds, value


class Curve(NamedTuple):
    """One line of a plot."""

    name: str
    path: str
    told: str  # its range in words


class Course(NamedTuple):
    """A small plot."""

    what: str
    low: str
    high: str
    seconds: float
    curves: tuple[Curve, ...]

    @property
    def described(self) -> str:
        """What a reader sees, for one who does not."""
        curves = ", ".join(f"{curve.name} {curve.told}" for curve in self.curves)
        return f"{self.what} over {self.seconds:.1f} s: {curves}"


def courses(series: Sequence[Moment], plots: int) -> list[Course]:
    """The clocks and the temperatures of a series; `plots` are to be drawn in the page."""
    points = max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(plots, 1)))
    every = max(1, -(-len(series) // points))
    parts = [series[start : start + every] for start in range(0, len(series), every)]
    return [
        course
        for course in (_clocks(parts), _temperatures(parts))
        if course is not None and course.seconds > 0
    ]


def _clocks(parts: Sequence[Sequence[Moment]]) -> Course | None:
    """Of each cluster, the lowest clock of each part: a short dip is what is looked for."""
    cores = sorted({core for part in parts for m in part for core in m.current_khz}, key=_number)
    lines = {
        f"core {text.clean(core, 8)}": _points(parts, lambda m: m.current_khz, core, min)
        for core in cores[:MOST_CORES]
    }
    return _course("Clocks, MHz", lines, lambda khz: f"{khz / 1000:,.0f}")


def _temperatures(parts: Sequence[Sequence[Moment]]) -> Course | None:
    """Of the sensor that grew hottest, and of the skin, which phones go by when they throttle."""
    peaks: dict[str, float] = {}
    for moment in (moment for part in parts for moment in part):
        for sensor, temp_c in moment.temps_c.items():
            peaks[sensor] = max(temp_c, peaks.get(sensor, temp_c))
    hottest = sorted(peaks, key=lambda sensor: (-peaks[sensor], sensor))[:1]
    skin = [sensor for sensor in sorted(peaks) if "skin" in sensor.lower()][:1]
    lines = {
        text.clean(sensor, 30): _points(parts, lambda m: m.temps_c, sensor, max)
        for sensor in dict.fromkeys([*hottest, *skin])
    }
    return _course("Temperature, °C", lines, lambda temp_c: f"{temp_c:.1f}")


def _points(
    parts: Iterable[Sequence[Moment]],
    read: Callable[[Moment], Mapping[str, float]],
    name: str,
    of_part: Callable[[list[float]], float],
) -> Points:
    found = []
    for part in parts:
        told = [read(moment)[name] for moment in part if name in read(moment)]
        if told:
            found.append((part[0].at_s, of_part(told)))
    return found


def _course(what: str, lines: dict[str, Points], show: Callable[[float], str]) -> Course | None:
    told = {name: points for name, points in lines.items() if len(points) > 1}
    values = [value for points in told.values() for _, value in points]
    if not values:
        return None
    low, high = min(values), max(values)
    times = [at for points in told.values() for at, _ in points]
    first, seconds = min(times), max(times) - min(times)

    def path(points: Points) -> str:
        places = [
            f"{WIDTH * (at - first) / (seconds or 1):.0f} {_up(value, low, high):.0f}"
            for at, value in points
        ]
        return "M" + "L".join(places)

    def span(points: Points) -> str:
        ends = sorted(value for _, value in points)
        return f"from {show(ends[0])} to {show(ends[-1])}"

    curves = tuple(Curve(name, path(points), span(points)) for name, points in told.items())
    return Course(what, show(low), show(high), seconds, curves)


def _up(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return 3 + (HEIGHT - 6) * (1 - share)


def _number(core: str) -> tuple[int, str]:
    return (int(core), core) if core.isdecimal() else (1 << 30, core)
