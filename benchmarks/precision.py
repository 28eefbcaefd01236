"""Is a stated ±1 % true, and what does it cost?

1. The runner samples series whose median is known, under a fake clock (tests/fake_litert), until
   it calls the median known to ±1 %. Prints in how many of 200 trials the interval holds that
   median (wanted: at least 93 %), and how many samples were taken.
2. The same on a virtual phone with LiteRT, 200 short trials one after the other. The long-run
   median is the median of the trials' medians. Told apart: how often the interval of a single
   trial holds it, and how often that of a row of five repetitions taken from the whole span of
   time; what else the computer does between the trials is in the first and not in its interval.
   How much that is, one long process tells: the medians of its own half seconds, which share
   memory, code and all else but the time.
3. Seconds of sampling to ±1 %, against a fixed policy of at least 50 runs and at least 1 s
   (benchmark_model's default), repeated until its interval is as narrow. Both are read off the
   same samples.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rig import virtual_station

from bench import stats
from bench.engine import model_cache
from bench.records import Config, Measurement, Model, ModelSpec, Precision
from bench.trial import Station, push_all
from bench.trial.runners import Start, model_file
from bench.zoo import realize

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

GOAL = 0.01
MIDDLE_US = 1000.0
FAKED = 14_000  # samples: more don't fit into the environment of a process
MIN_SECONDS = 0.5  # before which the runner does not look at the interval
ROW = 5  # repetitions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of policies")
    parser.add_argument("--without-phone", action="store_true", help="the known series alone")
    asked = parser.parse_args()
    for series in (independent, remembering, bursting):
        on_known_series(series, asked.trials)
    if asked.without_phone:
        return
    with virtual_station() as (station, _):
        small = realize(
            ModelSpec(family="mobilenet_v1", axes={"alpha": 0.25, "resolution": 128}),
            model_cache(),
        )
        large = realize(ModelSpec(family="mobilenet_v1", axes={"alpha": 1.0}), model_cache())
        on_the_phone(station, small, asked.trials)
        within_one_process(station, small)
        for model in (small, large):
            against_fixed_runs(station, model, asked.rounds)


def independent(draw: random.Random) -> list[float]:
    """5 % wide, skewed as latencies are."""
    return [MIDDLE_US * draw.lognormvariate(0, 0.05) for _ in range(FAKED)]


def remembering(draw: random.Random) -> list[float]:
    """5 % wide, each sample remembers 80 % of the one before."""
    state, out = draw.gauss(0, 0.05), []
    for _ in range(FAKED):
        state = 0.8 * state + draw.gauss(0, 0.03)
        out.append(MIDDLE_US * math.exp(state))
    return out


def bursting(draw: random.Random) -> list[float]:
    """3 % wide, and another level, 4 % wide, for some twenty samples at a time."""
    out: list[float] = []
    while len(out) < FAKED:
        level = draw.gauss(0, 0.04)
        held = draw.randint(1, 40)
        out += [MIDDLE_US * math.exp(level + draw.gauss(0, 0.03)) for _ in range(held)]
    return out[:FAKED]


def on_known_series(series: Callable[[random.Random], list[float]], trials: int) -> None:
    import runners

    held, stopped, taken, once = 0, 0, [], 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(trials):
            latencies = series(random.Random(seed))  # noqa: S311
            listed = ",".join(str(round(latency * 1000)) for latency in latencies)
            told = runners.run_fake(
                {"FAKE_LATENCIES_NS": listed}, Path(folder), interval=str(GOAL),
                min_samples="30", max_samples=str(FAKED - 1), max_seconds="3600",
            )  # fmt: skip
            if told["stopped_by"] != "interval":
                continue
            samples = told["samples_us"]
            stopped += 1
            held += _holds(stats.median_interval(samples), MIDDLE_US)
            once += _holds(_as_if_independent(samples), MIDDLE_US)
            taken.append(float(len(samples)))
    print(
        f"{series.__name__} samples: the interval holds the true median in"
        f" {_share(held, stopped)} of {stopped} trials that stopped at ±{GOAL:.0%}"
        f" (taken for independent: {_share(once, stopped)});"
        f" {stats.median(taken or [0.0]):.0f} samples"
    )


def on_the_phone(station: Station, model: Model, trials: int) -> None:
    precision = Precision(interval=GOAL, max_seconds=3, warmup_max_seconds=0.5)
    push_all(station.phone, station.runners[0], model)
    measured = [measure(station, model, precision) for _ in range(trials)]
    middle = stats.median([stats.median(m.samples_us) for m in measured])
    narrow = [m.samples_us for m in measured if m.stopped_by == "interval"]
    held = sum(_holds(stats.median_interval(samples), middle) for samples in narrow)
    near = sum(abs(stats.median(samples) / middle - 1) <= GOAL for samples in narrow)
    print(
        f"{model.name} on a virtual phone: {middle:.0f} us; {len(narrow)} of {trials} trials"
        f" stopped at ±{GOAL:.0%}; {_share(held, len(narrow))} of them hold the long-run median,"
        f" {_share(near, len(narrow))} lie within ±{GOAL:.0%} of it"
    )
    apart = max(1, trials // ROW)
    rows = [[m.samples_us for m in measured[start::apart]] for start in range(apart)]
    held = sum(_holds(stats.pool(row).interval, middle) for row in rows)
    differ = sum(stats.disagree(row) is not None for row in rows)
    print(
        f"  rows of {ROW} repetitions from the whole span: {_share(held, len(rows))} of"
        f" {len(rows)} hold it; in {_share(differ, len(rows))} the repetitions disagree"
    )


def within_one_process(station: Station, model: Model) -> None:
    precision = Precision(interval=0, max_seconds=30, warmup_max_seconds=0.5)
    windows: list[list[float]] = [[]]
    elapsed_us = 0.0
    for sample in measure(station, model, precision).samples_us:
        windows[-1].append(sample)
        elapsed_us += sample
        if elapsed_us >= MIN_SECONDS * 1e6:
            windows.append([])
            elapsed_us = 0.0
    medians = sorted(stats.median(window) for window in windows[:-1])
    middle = stats.median(medians)
    near = sum(abs(median / middle - 1) <= GOAL for median in medians)
    print(
        f"  one process for {precision.max_seconds:.0f} s: {_share(near, len(medians))} of its half"
        f" seconds have a median within ±{GOAL:.0%} of the middle one; they lie from"
        f" {medians[0]:.0f} to {medians[-1]:.0f} us"
    )


def against_fixed_runs(station: Station, model: Model, rounds: int) -> None:
    precision = Precision(interval=0, max_seconds=12, warmup_max_seconds=2)
    push_all(station.phone, station.runners[0], model)
    adaptive_s, fixed_s, after_one = [], [], []
    for _ in range(rounds):
        samples = measure(station, model, precision).samples_us
        looks, blocks = _looks(), _blocks(samples)
        after_one.append(stats.half_width_share(samples[: blocks[0]]) or math.inf)
        adaptive_s.append(_seconds_to_goal(samples, looks))
        fixed_s.append(_seconds_to_goal(samples, blocks))
    reached = sum(map(math.isfinite, fixed_s))
    adaptive, fixed = stats.median(adaptive_s), stats.median(fixed_s)
    print(
        f"{model.name}: {adaptive:.2f} s of sampling to ±{GOAL:.0%}; whole rounds of 50 runs and"
        f" 1 s: {fixed:.2f} s, ratio {adaptive / fixed:.2f} (they get there in {reached} of"
        f" {rounds} series of {precision.max_seconds:.0f} s; one such round is known to"
        f" ±{stats.median(after_one):.2%})"
    )


def measure(station: Station, model: Model, precision: Precision) -> Measurement:
    runner = station.runners[0]
    start = Start(model_file(model).remote, Config(), precision)
    finished = station.phone.run(runner.argv(start), deadline_s=120)
    measurement = runner.read(finished, start).measurement
    assert measurement is not None
    return measurement


def _looks() -> list[int]:
    """Where the runner looks at the interval."""
    looks = [30]
    while looks[-1] < 1_000_000:
        looks.append(looks[-1] + looks[-1] // 10 + 1)
    return looks


def _blocks(samples: Sequence[float]) -> list[int]:
    """Where rounds of at least 50 runs and at least 1 s end."""
    ends, start, elapsed_us = [], 0, 0.0
    for place, sample in enumerate(samples, 1):
        elapsed_us += sample
        if place - start >= 50 and elapsed_us >= 1e6:
            ends.append(place)
            start, elapsed_us = place, 0.0
    return ends or [len(samples)]


def _seconds_to_goal(samples: Sequence[float], looks: Sequence[int]) -> float:
    """Time of the samples up to the first look that finds the goal reached; else infinite."""
    for look in looks:
        if look > len(samples):
            break
        seconds = sum(samples[:look]) / 1e6
        half_width = stats.half_width_share(samples[:look])
        if seconds >= MIN_SECONDS and half_width is not None and half_width <= GOAL:
            return seconds
    return math.inf


def _as_if_independent(samples: Sequence[float]) -> stats.Interval | None:
    ranks = stats.median_ranks(len(samples))
    ordered = sorted(samples)
    return ranks and stats.Interval(ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def _holds(interval: stats.Interval | None, value: float) -> bool:
    return interval is not None and interval.low <= value <= interval.high


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


if __name__ == "__main__":
    main()
