"""What each cell is made of: samples drawn in order, and a column of facts a trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench import stats
from bench.frame.cells import Cell, Done
from bench.records import Doubt, Measurement, OpTime, Reported, Trial
from bench.report import text
from bench.report.collect import Collection
from bench.report.states import states

WIDTH, HEIGHT = 640, 56  # of a strip; it is stretched to the page's width
FEWEST_DOTS, MOST_DOTS, ALL_DOTS = 40, 400, 60_000  # of a strip, and of all strips together

MOST_KINDS = 4  # types of operators that are told of a trial
MOST_OPS = 8  # operators that are told of a cell


class Strip(NamedTuple):
    """Samples in order from left to right, latency upwards; paths of dots."""

    warmups: str
    samples: str
    band: tuple[float, float, float] | None  # interval's top and height, and the median
    every: int  # one of so many samples is drawn


class TrialTrace(NamedTuple):
    """One trial of a cell."""

    done: Done
    title: str
    log: str
    strip: Strip | None


class Operator(NamedTuple):
    """One operator of a profile, for the page."""

    name: str
    kind: str
    ran_by: str
    mean_us: float
    share: float


class CellTrace(NamedTuple):
    """One cell with its trials."""

    anchor: str
    cell: Cell
    low_us: float  # bounds of the strips
    high_us: float
    trials: tuple[TrialTrace, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]  # what, and its value for each trial
    doubts: tuple[tuple[Doubt, str], ...]  # with the trials they are of
    argvs: tuple[tuple[str, ...], ...]  # without those that are equal
    operators: tuple[Operator, ...]  # the slowest, of the first trial that was profiled
    operators_of: int  # how many there were


def traces(collection: Collection, anchors: dict[int, str]) -> Iterator[CellTrace]:
    """The traces of all cells, in the table's order."""
    dots = max(FEWEST_DOTS, min(MOST_DOTS, ALL_DOTS // max(len(collection.done), 1)))
    for cell in collection.cells:
        low_us, high_us = _bounds(cell)
        strips = {
            id(done): strip(done.trial.measurement, low_us, high_us, dots)
            for done in cell.done
            if done.trial.measurement is not None
        }
        profile = next((trial.ops for trial in cell.trials if trial.ops), ())
        several_runs = len({done.run for done in cell.done}) > 1
        yield CellTrace(
            anchor=anchors[id(cell)],
            cell=cell,
            low_us=low_us,
            high_us=high_us,
            trials=tuple(
                _trial(done, strips.get(id(done)), several_runs=several_runs) for done in cell.done
            ),
            facts=tuple(_facts(cell.trials)),
            doubts=tuple(_doubts(cell.done, several_runs=several_runs)),
            argvs=tuple(dict.fromkeys(trial.argv for trial in cell.trials if trial.argv)),
            operators=tuple(_slowest(profile)),
            operators_of=len(profile),
        )


def strip(measured: Measurement, low_us: float, high_us: float, most_dots: int) -> Strip:
    """The samples as paths of dots between two latencies, thinned to so many."""
    samples, warmups = measured.samples_us, measured.warmup_us[-(most_dots // 4) :]
    every = -(-len(samples) // most_dots)
    drawn = samples[::every]
    step = WIDTH / (len(warmups) + len(drawn) + 1)

    def dots(latencies: Sequence[float], first: int) -> str:
        return "".join(
            f"M{(first + n) * step:.0f} {_up(us, low_us, high_us):.0f}h0"
            for n, us in enumerate(latencies, start=1)
        )

    middle, interval = stats.median(samples), stats.median_interval(samples)
    band = None
    if interval is not None:
        top, bottom = (_up(us, low_us, high_us) for us in (interval.high, interval.low))
        band = (top, max(bottom - top, 1.0), _up(middle, low_us, high_us))
    return Strip(dots(warmups, 0), dots(drawn, len(warmups)), band, every)


def _trial(done: Done, drawn: Strip | None, *, several_runs: bool) -> TrialTrace:
    return TrialTrace(
        done=done,
        title=_title(done, several_runs=several_runs),
        log=text.clean(f"{done.run.name}/logs/{done.trial.key}.txt", 160),
        strip=drawn,
    )


def _up(us: float, low_us: float, high_us: float) -> float:
    share = (us - low_us) / (high_us - low_us) if high_us > low_us else 0.5
    return 4 + (HEIGHT - 8) * (1 - min(max(share, 0), 1))


def _bounds(cell: Cell) -> tuple[float, float]:
    """One scale for all repetitions, so that they can be compared; warm-ups may leave it."""
    samples = [us for measured in cell.measurements for us in measured.samples_us]
    return (min(samples), max(samples)) if samples else (0.0, 0.0)


def _title(done: Done, *, several_runs: bool) -> str:
    title = f"Repetition {done.trial.repetition}"
    return f"{title} of {text.clean(done.run.name, 40)}" if several_runs else title


def _facts(trials: Sequence[Trial]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Rows of facts, those left out that no trial tells."""
    told = [
        {
            "ended": trial.status,
            **(_measured(trial.measurement) if trial.measurement else {}),
            **(_reported(trial.reported) if trial.reported else {}),
            **_operators(trial.ops),
            **states(trial.state_before, trial.state_after),
            **_origin(trial),
        }
        for trial in trials
    ]
    for what in dict.fromkeys(key for facts in told for key in facts):
        yield what, tuple(facts.get(what, text.NONE) for facts in told)


def _measured(measured: Measurement) -> dict[str, str]:
    samples, interval = measured.samples_us, stats.median_interval(measured.samples_us)
    ms = text.milliseconds
    return {
        "median, ms": ms(stats.median(samples)),
        "its 95 % interval, ms": f"{ms(interval.low)}–{ms(interval.high)}"
        if interval
        else text.NONE,
        "90th percentile, ms": ms(stats.percentile(samples, 90)),
        "99th percentile, ms": ms(stats.percentile(samples, 99)),
        "samples": f"{len(samples):,}",
        "warm-ups": f"{len(measured.warmup_us):,}",
        "sampling ended by": measured.stopped_by,
        "first inference, ms": ms(measured.first_inference_us),
        "init, ms": ms(measured.init_us),
        "compile, ms": ms(measured.compile_us),
        "peak memory, MiB": text.mebibytes(measured.memory.peak_kb),
        "delegation": measured.delegation or "not told",
        "clock": text.clean(measured.clock),
        "input": text.clean(measured.input_source, 24),
    }


def _reported(told: Reported) -> dict[str, str]:
    ms = text.milliseconds
    return {
        "reported by": text.clean(told.tool),
        "mean, ms": ms(told.mean_us),
        "median, ms": ms(told.median_us),
        "standard deviation, ms": ms(told.std_us),
        "samples": f"{told.count:,}",
        "first inference, ms": ms(told.first_inference_us),
        "init, ms": ms(told.init_us),
        "delegation": told.delegation or "not told",
    }


def _operators(ops: Sequence[OpTime]) -> dict[str, str]:
    """Types of operators by their share of a profile, the largest first."""
    times: dict[str, float] = {}
    for op in ops:
        times[op.op] = times.get(op.op, 0.0) + op.mean_us
    total = sum(times.values())
    if not total:
        return {}
    largest = sorted(times.items(), key=lambda one: -one[1])[:MOST_KINDS]
    shares = [f"{text.clean(op, 30)} {us / total:.0%}" for op, us in largest]
    return {"operators by time": ", ".join(shares)}


def _slowest(profile: Sequence[OpTime]) -> Iterator[Operator]:
    total = sum(op.mean_us for op in profile)
    for op in sorted(profile, key=lambda op: -op.mean_us)[:MOST_OPS]:
        yield Operator(
            name=text.clean(op.name or f"number {op.index}", 60),
            kind=text.clean(op.op, 40),
            ran_by=text.clean(op.delegate or "builtin kernels, or not told", 40),
            mean_us=op.mean_us,
            share=op.mean_us / total if total else 0.0,
        )


def _origin(trial: Trial) -> dict[str, str]:
    told = {"took, s": f"{trial.duration_s:,.1f}", "model": trial.model_sha256[:12]}
    if trial.runner is not None:
        runner = trial.runner
        told["runner"] = text.clean(
            f"{runner.name} {runner.version or 'version not told'} {runner.sha256[:12]}"
        )
        sha256 = runner.library_sha256
        library = f"{runner.library_version or ''} {sha256[:12] if sha256 else 'in the runner'}"
        told["LiteRT library"] = text.clean(library.strip())
    return told


def _doubts(done: Sequence[Done], *, several_runs: bool) -> Iterator[tuple[Doubt, str]]:
    for each in done:
        for doubt in each.trial.doubts:
            yield doubt, _title(each, several_runs=several_runs)
