"""The figures of one run, each held against the other places where the tool prints it.

Warm-up and measurement print `count=` lines of one shape, and a killed run leaves only the first.
So a line counts as the measurement's when the summary after it (or LiteRT's result block) gives
the same mean; and whatever is told twice must agree, else lines of two runs are mixed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bench.errors import RunnerError
from bench.runtime.benchmark_model.result_file import ResultFile
from bench.runtime.benchmark_model.runs import Run
from bench.runtime.benchmark_model.timings import Count, Summary

_DIGITS = 1.1e-5  # the tool prints six significant digits
_BLOCK_US = 5.1  # LiteRT's block prints hundredths of a millisecond
_MAX_US = 1e11  # more than a day
_AGAIN = "Run the trial again."


class Figures(NamedTuple):
    """What one run measured; microseconds, None: not told."""

    inferences: int
    mean_us: float
    min_us: float | None
    max_us: float | None
    std_us: float | None
    median_us: float | None
    p5_us: float | None
    p95_us: float | None
    init_us: float | None
    first_inference_us: float | None
    warmup_count: int | None
    warmup_mean_us: float | None
    growth_kb: int | None
    coarse: bool = False  # from LiteRT's block alone: hundredths of a millisecond


def read_figures(run: Run) -> Figures:
    """The figures of a run; RunnerError (stage `output`) when they are cut or disagree."""
    if run.damaged is not None:
        raise _wrong(f"This line is damaged: {run.damaged[:200]!r}.")
    if run.summary is None and "Inference (avg)" not in run.block:
        raise _wrong("The output of benchmark_model is cut: it ends before the summary.")
    if len(run.counts) > 2:
        raise _wrong("There are counts of more than one run, and nothing tells them apart.")
    figures = _from_block(run) if run.summary is None else _from_summary(run, run.summary)
    _refuse_nonsense(figures)
    return figures


def _from_summary(run: Run, summary: Summary) -> Figures:
    if not run.counts:
        raise _wrong("The line that counts the inferences is missing: it was cut away.")
    steady = run.counts[-1]
    warmup = run.counts[0] if len(run.counts) == 2 else None
    if steady.inferences == 0:
        raise _wrong("benchmark_model ran no inference (a dry run, or 0 runs).")
    if not _same_number(steady.mean, summary.mean):
        raise _wrong(
            f"The count line ends in a mean of {steady.mean} us, the summary in {summary.mean}: "
            "the output is cut, or holds lines of two runs."
        )
    if warmup is not None and not _same_number(warmup.mean, summary.warmup):
        raise _wrong(
            f"The warm-up's mean is {warmup.mean} us by its count line, {summary.warmup} by the "
            "summary: the output holds lines of two runs."
        )
    init_us = float(summary.init)
    if run.init_ms is not None and not _near(run.init_ms * 1000, init_us, slack=0.51):
        raise _wrong("The time of the start is told twice and differs: lines of two runs.")
    if "Inference (avg)" in run.block:
        raise _wrong("There are summaries of two kinds: lines of two runs.")
    first = float(summary.first) if summary.first is not None else None
    return _figures(
        steady,
        warmup,
        init_us=init_us,
        first_us=first if first is not None else warmup.first_us if warmup else None,
        warmup_us=float(summary.warmup),
        growth_mb=run.growth_mb,
    )


def _from_block(run: Run) -> Figures:
    """LiteRT's tool: the count lines where they came, held against the block; else the block."""
    mean_ms, runs = run.block["Inference (avg)"]
    if not runs:
        raise _wrong("benchmark_model ran no inference, or didn't say how many.")
    _, warmups = run.block.get("Warmup (avg)", (None, None))
    init_ms, _ = run.block.get("Model initialization", (None, None))
    if run.init_ms is not None:
        if init_ms is not None and not _near(run.init_ms * 1000, init_ms * 1000, slack=_BLOCK_US):
            raise _wrong("The time of the start is told twice and differs: lines of two runs.")
        init_ms = run.init_ms
    if len(run.counts) == 2:
        warmup, steady = run.counts
        same = steady.inferences == runs and _near(
            float(steady.mean), mean_ms * 1000, slack=_BLOCK_US
        )
        if not same or (warmups is not None and warmups != warmup.inferences):
            raise _wrong("The count lines and the result block disagree: lines of two runs.")
        return _figures(
            steady,
            warmup,
            init_us=None if init_ms is None else _us(init_ms),
            first_us=warmup.first_us,
            warmup_us=float(warmup.mean),
            growth_mb=run.growth_mb,
        )
    if run.counts:
        raise _wrong("One of the two count lines is missing: the output is cut.")
    return _from_block_alone(run, runs, None if init_ms is None else _us(init_ms))


def _from_block_alone(run: Run, runs: int, init_us: float | None) -> Figures:
    """Without the count lines there are only hundredths of a millisecond."""
    warmup_ms, warmups = run.block.get("Warmup (avg)", (None, None))
    return Figures(
        inferences=runs,
        mean_us=_us(run.block["Inference (avg)"][0]),
        min_us=_block_us(run, "Inference (min)"),
        max_us=_block_us(run, "Inference (max)"),
        std_us=_block_us(run, "Inference (std)"),
        median_us=_block_us(run, "Inference (median)"),
        p5_us=_block_us(run, "Inference (p5)"),
        p95_us=_block_us(run, "Inference (p95)"),
        init_us=init_us,
        first_inference_us=_block_us(run, "Warmup (first)", "First inference"),
        warmup_count=warmups,
        warmup_mean_us=None if warmup_ms is None else _us(warmup_ms),
        growth_kb=_kb(run.growth_mb),
        coarse=True,
    )


def _figures(
    steady: Count,
    warmup: Count | None,
    *,
    init_us: float | None,
    first_us: float | None,
    warmup_us: float,
    growth_mb: float | None,
) -> Figures:
    return Figures(
        inferences=steady.inferences,
        mean_us=float(steady.mean),
        min_us=steady.min_us,
        max_us=steady.max_us,
        std_us=steady.std_us,
        median_us=steady.median_us,
        p5_us=steady.p5_us,
        p95_us=steady.p95_us,
        init_us=init_us,
        first_inference_us=first_us if warmup is None or warmup.inferences else None,
        warmup_count=warmup.inferences if warmup else None,
        warmup_mean_us=warmup_us if warmup is None or warmup.inferences else None,
        growth_kb=_kb(growth_mb),
    )


def hold_against_file(figures: Figures, file: ResultFile) -> Figures:
    """The figures with what only the file tells; RunnerError when the two disagree.

    Where the text gave only LiteRT's hundredths of a millisecond, the file's digits are taken.
    """
    for told, filed in (
        (figures.inferences, file.count),
        (figures.warmup_count, file.warmup_count),
    ):
        if told is not None and told != filed:
            raise _disagree("the number of inferences", told, filed)
    merged = figures._asdict()
    for name in _TIMES:
        told, filed = getattr(figures, name), getattr(file, name)
        if told is not None and filed is not None:
            # std is cut to whole microseconds, in the text at least.
            close = _BLOCK_US if figures.coarse else 1.01 if name == "std_us" else 0.02
            if not _near(told, filed, slack=close):
                raise _disagree(name, told, filed)
        if told is None or (figures.coarse and filed is not None):
            merged[name] = filed
    if figures.warmup_count is None:
        merged["warmup_count"] = file.warmup_count
    if file.growth_kb is not None:
        growth = figures.growth_kb
        if growth is not None and abs(growth - file.growth_kb) > 6 + growth * _DIGITS:
            raise _disagree("growth_kb", growth, file.growth_kb)
        merged["growth_kb"] = file.growth_kb
    whole = Figures(**merged)
    _refuse_nonsense(whole)
    return whole


_TIMES = (
    "mean_us",
    "min_us",
    "max_us",
    "std_us",
    "median_us",
    "p5_us",
    "p95_us",
    "init_us",
    "first_inference_us",
    "warmup_mean_us",
)


def _refuse_nonsense(figures: Figures) -> None:
    """Numbers that no run can have: a digit was lost or changed on the way."""
    told = [getattr(figures, name) for name in _TIMES]
    if any(value is not None and not 0 <= value < _MAX_US for value in told):
        raise _wrong("A time is impossibly long.")
    if figures.mean_us == 0:
        raise _wrong("The model is too fast for benchmark_model, which counts microseconds.")
    low = figures.min_us if figures.min_us is not None else 0.0
    high = figures.max_us if figures.max_us is not None else math.inf
    order = [figures.p5_us, figures.median_us, figures.p95_us]
    ranks = [low, *(value for value in order if value is not None), high]
    slack = 1 + _DIGITS
    if ranks != sorted(ranks) or not low <= figures.mean_us * slack <= high * slack * slack:
        raise _wrong("Minimum, percentiles, mean and maximum contradict each other.")


def _same_number(counted: str, summed_up: str) -> bool:
    """Whether two texts are one number: both are printed with six digits, or counted in full."""
    value, other = float(counted), float(summed_up)
    return value == other or float(f"{value:.6g}") == other


def _near(one: float, other: float, *, slack: float = 0.0) -> bool:
    return abs(one - other) <= slack + _DIGITS * max(abs(one), abs(other))


def _block_us(run: Run, *names: str) -> float | None:
    """What the block gives under the first of these names that it has."""
    return next((_us(run.block[name][0]) for name in names if name in run.block), None)


def _us(ms: float) -> float:
    return round(ms * 1000, 3)


def _kb(mb: float | None) -> int | None:
    return None if mb is None or not mb < 1e9 else round(mb * 1024)


def _disagree(name: str, told: object, filed: object) -> RunnerError:
    return _wrong(f"Text and result file disagree on {name}: {told} and {filed}.")


def _wrong(what: str) -> RunnerError:
    return RunnerError(what, stage="output", next_step=_AGAIN)
