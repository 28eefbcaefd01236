"""What each cell is made of: every start with its samples in order, and facts of each trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench import stats
from bench.doubts import IN_TITLE
from bench.frame.cells import Cell, Done
from bench.records import Doubt, Measurement, OpTime, Trial
from bench.report import text
from bench.report.collect import Collection
from bench.report.courses import Course, courses
from bench.report.facts import facts

WIDTH, HEIGHT = 640, 56  # of a strip; it is stretched to the page's width
FAR = 2.0  # times the distance of the 99th percentile from the lowest sample
FEWEST_DOTS, MOST_DOTS, ALL_DOTS = 40, 400, 60_000  # of a strip, and of all strips together
MOST_COURSES = 300  # starts whose clocks and temperatures are drawn
MOST_OPS = 8  # operators that are told of a cell


class Scale(NamedTuple):
    """What the lower and the upper edge of a strip stand for."""

    low_us: float
    high_us: float
    beyond: bool  # some samples lie higher, and are drawn at the edge


class Strip(NamedTuple):
    """Samples in order from left to right, latency upwards; paths of dots."""

    warmups: str
    samples: str
    band: tuple[float, float, float] | None  # interval's top and height, and the median
    every: int  # one of so many samples is drawn


class Start(NamedTuple):
    """One start of the runner: a trial, or a try that another followed."""

    trial: Trial
    title: str
    log: str  # of a trial
    strip: Strip | None
    courses: Sequence[Course]
    doubts: Sequence[Doubt] = ()  # of a try; a trial's stand below


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
    scale: Scale  # of the strips
    starts: tuple[Start, ...]
    titles: tuple[str, ...]  # of the trials
    facts: tuple[tuple[str, tuple[str, ...]], ...]  # what, and its value for each trial
    doubts: tuple[tuple[Doubt, str], ...]  # with the trials they are of
    no_energy: tuple[str, ...]  # why it could not be told, without reasons that are equal
    argvs: tuple[tuple[str, ...], ...]  # without those that are equal
    operators: tuple[Operator, ...]  # the slowest, of the first trial that was profiled
    operators_of: int  # how many there were


def traces(collection: Collection, anchors: dict[int, str]) -> Iterator[CellTrace]:
    """The traces of all cells, in the table's order."""
    pencil = _Pencil(collection)
    for cell in collection.cells:
        profile = next((trial.ops for trial in cell.trials if trial.ops), ())
        several_runs = len({done.run for done in cell.done}) > 1
        titles = [_title(done, several_runs=several_runs) for done in cell.done]
        tries = [collection.tries_of(done) for done in cell.done]
        scale = _scale([trial for one in tries for trial in one] + list(cell.trials))
        yield CellTrace(
            anchor=anchors[id(cell)],
            cell=cell,
            scale=scale,
            starts=tuple(
                start
                for done, title, earlier in zip(cell.done, titles, tries, strict=True)
                for start in pencil.starts(done, title, earlier, scale)
            ),
            titles=tuple(titles),
            facts=tuple(facts(cell.done)),
            doubts=tuple(_doubts(cell, titles)),
            no_energy=tuple(_no_energy(cell)),
            argvs=tuple(dict.fromkeys(trial.argv for trial in cell.trials if trial.argv)),
            operators=tuple(_slowest(profile)),
            operators_of=len(profile),
        )


class _Pencil:
    """Draws starts, each with as much detail as the page has room for."""

    def __init__(self, collection: Collection) -> None:
        starts = [*(done.trial for done in collection.done), *collection.all_tries]
        self._dots = max(FEWEST_DOTS, min(MOST_DOTS, ALL_DOTS // max(len(starts), 1)))
        doubtful = sum(1 for trial in starts if _is_doubtful(trial))
        self._plots = self._left = min(doubtful, MOST_COURSES)

    def starts(
        self, done: Done, title: str, tries: Sequence[Trial], scale: Scale
    ) -> Iterator[Start]:
        """The tries of a trial, and the trial itself."""
        for trial in tries:
            which = f"{title}, try {trial.tries} of {done.trial.tries}"
            yield self._start(trial, which, scale)._replace(doubts=trial.doubts)
        last = f", try {done.trial.tries}, which counts" if done.trial.tries > 1 else ""
        log = text.clean(f"{done.run.name}/logs/{done.trial.key}.txt", 160)
        yield self._start(done.trial, title + last, scale)._replace(log=log)

    def _start(self, trial: Trial, title: str, scale: Scale) -> Start:
        measured = trial.measurement
        drawn = strip(measured, scale, self._dots) if measured else None
        shown: Sequence[Course] = ()
        if self._left and _is_doubtful(trial):
            self._left -= 1
            shown = courses(trial.series, self._plots)
        return Start(trial, title, "", drawn, shown)


def strip(measured: Measurement, scale: Scale, most_dots: int) -> Strip:
    """The samples as paths of dots between two latencies, thinned to so many."""
    samples, warmups = measured.samples_us, measured.warmup_us[-(most_dots // 4) :]
    every = -(-len(samples) // most_dots)
    drawn = samples[::every]
    step = WIDTH / (len(warmups) + len(drawn) + 1)

    def dots(latencies: Sequence[float], first: int) -> str:
        return "".join(
            f"M{(first + n) * step:.0f} {_up(us, scale):.0f}h0"
            for n, us in enumerate(latencies, start=1)
        )

    middle, interval = stats.median(samples), stats.median_interval(samples)
    band = None
    if interval is not None:
        top, bottom = (_up(us, scale) for us in (interval.high, interval.low))
        band = (top, max(bottom - top, 1.0), _up(middle, scale))
    return Strip(dots(warmups, 0), dots(drawn, len(warmups)), band, every)


def _up(us: float, scale: Scale) -> float:
    low_us, high_us, _ = scale
    share = (us - low_us) / (high_us - low_us) if high_us > low_us else 0.5
    return 4 + (HEIGHT - 8) * (1 - min(max(share, 0), 1))


def _scale(trials: Sequence[Trial]) -> Scale:
    """One scale for all starts of a cell, so that they compare; warm-ups may leave it.

    A few samples of many times the others' latency would press these to the lower edge: where
    the highest lies more than twice as far from the lowest as 99 of 100 do, they leave it, too.
    """
    samples = [us for t in trials if t.measurement for us in t.measurement.samples_us]
    if not samples:
        return Scale(0.0, 0.0, beyond=False)
    low, high, most = min(samples), max(samples), stats.percentile(samples, 99)
    beyond = high - low > FAR * (most - low)
    return Scale(low, low + FAR * (most - low) if beyond else high, beyond)


def _title(done: Done, *, several_runs: bool) -> str:
    title = f"Repetition {done.trial.repetition}"
    return f"{title} of {text.clean(done.run.name, 40)}" if several_runs else title


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


def _doubts(cell: Cell, titles: Sequence[str]) -> Iterator[tuple[Doubt, str]]:
    for trial, title in zip(cell.trials, titles, strict=True):
        yield from ((doubt, title) for doubt in trial.doubts if doubt.kind not in IN_TITLE)
    yield from ((doubt, "all repetitions") for doubt in cell.doubts)


def _no_energy(cell: Cell) -> Iterator[str]:
    reasons = (trial.energy.not_told for trial in cell.trials if trial.energy)
    for reason in dict.fromkeys(reason for reason in reasons if reason):
        yield text.clean(reason, text.PROSE_LIMIT)


def _is_doubtful(trial: Trial) -> bool:
    """Whether its clocks and temperatures may explain something."""
    return len(trial.series) > 1 and any(doubt.kind not in IN_TITLE for doubt in trial.doubts)
