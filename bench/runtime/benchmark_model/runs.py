"""The lines of a stream sorted into runs of the tool, and what each run said of itself.

A run begins with `STARTING!`, or, where the beginning is missing (logcat keeps only the newest
lines), with a line that can't come so late in a run: parameters after a loaded model, counts after
a summary. Processes of a logcat are kept apart by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.runtime.benchmark_model.delegation import Applied
from bench.runtime.benchmark_model.lines import Line, read_lines
from bench.runtime.benchmark_model.timings import (
    NUMBER,
    Count,
    Summary,
    read_count,
    read_summary,
)
from bench.runtime.benchmark_model.words import read_applied, read_created, read_failure


class Failure(NamedTuple):
    stage: str
    text: str


@dataclass(slots=True)
class Run:
    """One run as far as it was printed. `rank` is how far it came, see `_RANKS`."""

    rank: int = 0
    began: int = 0  # in lines of the stream
    counts: list[Count] = field(default_factory=list)
    summary: Summary | None = None
    block: dict[str, tuple[float, int | None]] = field(default_factory=dict)  # ms, runs
    init_ms: float | None = None
    growth_mb: float | None = None  # of memory since the start; None: not told
    parameters: dict[str, str] = field(default_factory=dict)
    unconsumed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    created: set[str] = field(default_factory=set)  # families whose delegate was created
    opengl: bool = False
    profile: list[str] = field(default_factory=list)
    damaged: str | None = None  # a line that should be a number and is none
    markers: set[str] = field(default_factory=set)  # what tells the generation

    def absorb(self, other: Run) -> None:
        """Add what the same run said in another stream."""
        self.counts += other.counts
        self.summary = self.summary or other.summary
        self.block = self.block or other.block
        self.init_ms = self.init_ms if self.init_ms is not None else other.init_ms
        self.growth_mb = self.growth_mb if self.growth_mb is not None else other.growth_mb
        self.parameters = other.parameters | self.parameters
        self.unconsumed += other.unconsumed
        self.failures += other.failures
        self.applied += other.applied
        self.created |= other.created
        self.opengl |= other.opengl
        self.profile += other.profile
        self.damaged = self.damaged or other.damaged
        self.markers |= other.markers


_MAX_PROCESSES = 1000  # the oldest are forgotten
_HEAD, _LOADED, _READY, _RUNNING, _DONE = 1, 2, 3, 4, 5


def last_run(stream: bytes) -> Run:
    """The run that began last in a stream, perhaps empty."""
    runs: dict[str | None, Run] = {}  # the last of each process
    for began, line in enumerate(read_lines(stream)):
        run = runs.get(line.process)
        rank = _rank(line.text)
        if run is None or (rank is not None and _starts_run(line.text, rank, run)):
            run = runs[line.process] = Run(began=began)
            if len(runs) > _MAX_PROCESSES:
                del runs[next(iter(runs))]
        _take(run, line, rank)
    # Other programs on the phone use the same runtime: what it says isn't a run.
    return max(runs.values(), key=lambda run: (run.rank > 0, run.began), default=Run())


def _starts_run(text: str, rank: int, run: Run) -> bool:
    """Whether a line of this rank can't belong to the run so far."""
    if rank == 0:
        return True
    if run.rank == 0:
        return False
    if rank in (_HEAD, _LOADED):
        return run.rank > rank or text.partition(": [")[0] in run.parameters
    if rank == _READY:
        return run.rank >= _READY
    if rank == _RUNNING:
        return run.rank >= _DONE
    if text[0] == "=":
        return bool(run.block)
    summary = read_summary(text)
    return summary is not None and run.summary not in (None, summary)


def _rank(text: str) -> int | None:
    """How far a run is that prints this; None for a line that may come anywhere."""
    if text[:6] == "count=":
        return _RUNNING
    if text[-9:] == "STARTING!":  # perhaps behind the command line, on a terminal without an echo
        return 0
    if text.partition(" ")[0] not in _RANKED_WORDS:
        return None
    return next((rank for start, rank in _RANKS if text.startswith(start)), None)


_RANKS = (
    ("Log parameter values verbosely: [", _HEAD),
    ("Min num runs: [", _HEAD),
    ("Num runs: [", _HEAD),
    ("Num threads: [", _HEAD),
    ("Graph: [", _HEAD),
    ("Loaded model ", _LOADED),
    ("Loading model from: ", _LOADED),
    ("Initialized session in ", _READY),
    ("Running benchmark for ", _RUNNING),
    ("Inference timings in us: ", _DONE),
    ("Average inference timings in us: ", _DONE),
    ("========== BENCHMARK RESULTS", _DONE),
)
_RANKED_WORDS = {start.partition(" ")[0] for start, _ in _RANKS}


def _take(run: Run, line: Line, rank: int | None) -> None:
    if rank is not None:
        run.rank = max(run.rank, rank, _HEAD)
    if line.marked and rank is not None:
        run.markers.add("level")
    if line.logcat:
        run.markers.add("logcat")
    if line.source and "benchmark_litert_model" in line.source:
        run.markers.add("litert")
    if rank == _DONE or (rank == _RUNNING and line.text[0] == "c"):
        _take_figures(run, line)
    elif _in_profile(run, line.text):
        run.profile.append(line.text)
        if "\t" not in line.text:
            _take_failure(run, line)
    elif not _take_fact(run, line):
        _take_words(run, line)


def _in_profile(run: Run, text: str) -> bool:
    if run.profile:
        return not _starts_fact(text)
    return bool(_STARTS_PROFILE.match(text))


_STARTS_PROFILE = re.compile(
    r"Profiling Info for |Operator-wise Profiling Info|=+ Run Order =|\[node type\]|node type, "
    r"|Primary graph |Delegate internal"
)


def _take_figures(run: Run, line: Line) -> None:
    text = line.text
    if text[0] == "c":
        count = read_count(text) if line.whole else None
        if count is not None:
            run.counts.append(count)
        elif line.whole:
            run.damaged = run.damaged or text
        if " p5=" in text:
            run.markers.add("percentiles")
        return
    if text[0] == "=":
        run.markers.add("litert")
        return
    summary = read_summary(line.text)
    if summary is not None:
        run.summary = summary
        run.markers.add("old summary" if summary.old else "summary")
    elif line.whole:
        run.damaged = run.damaged or text


def _starts_fact(text: str) -> bool:
    return text.partition(" ")[0] in _FACTS


def _take_fact(run: Run, line: Line) -> bool:
    """Read a line that is known by its first word; False for any other."""
    read = _FACTS.get(line.text.partition(" ")[0])
    return read is not None and line.whole and read(run, line.text)


def _take_session(run: Run, text: str) -> bool:
    found = re.match(rf"Initialized session in ({NUMBER}) ?ms\.?$", text)
    if found:
        run.init_ms = float(found[1])
    return found is not None


def _take_memory(run: Run, text: str) -> bool:
    for marker, pattern in _MEMORY:
        found = pattern.match(text)
        if found:
            told = _growth_mb(found["overall"], exact=marker != "block")
            if marker in run.markers and told != run.growth_mb:
                run.damaged = run.damaged or text  # of a second run
            run.markers.add(marker)
            run.growth_mb = told
            return True
    return False


def _growth_mb(text: str, *, exact: bool) -> float | None:
    """0 is what a kernel tells that keeps no account; other texts must be whole kilobytes.

    The tool divides kilobytes by 1024 and prints six digits: a text that has lost some is hardly
    ever one of those.
    """
    value = float(text)
    if not 0 < value < 1e9 or (exact and f"{round(value * 1024) / 1024:.6g}" != text):
        return None
    return value


_MEMORY = (
    (
        "delta",
        re.compile(
            r"Memory footprint delta from the start of the tool \(MB\): "
            rf"init={NUMBER} overall=(?P<overall>{NUMBER})$"
        ),
    ),
    (
        "footprint",
        re.compile(rf"Peak memory footprint \(MB\): init={NUMBER} overall=(?P<overall>{NUMBER})$"),
    ),
    (
        "resident",
        re.compile(
            r"\[Overall\] - Memory usage: max resident set size(?:/physical footprint)? = "
            rf"(?P<overall>{NUMBER}) MB(?:, .*)?$"
        ),
    ),
    ("block", re.compile(rf"Overall footprint: +(?P<overall>{NUMBER}) MB$")),
)


def _take_block(run: Run, text: str) -> bool:
    found = _BLOCK.match(text)
    if found:
        runs = int(found["runs"]) if found["runs"] else None
        told = (float(found["value"]), runs)
        if run.block.setdefault(found["name"], told) != told:
            run.damaged = run.damaged or text  # of a second block without its heading
        run.rank = max(run.rank, _DONE)
        run.markers.add("litert")
    return found is not None


_BLOCK = re.compile(
    r"(?P<name>Model initialization|First inference|Warmup \((?:first|avg)\)"
    r"|Inference \((?:avg|min|max|(?P<std>std)|median|p5|p95)\)): +"
    r"(?P<value>\d{1,12}\.\d\d)(?(std)(?: ms)?| ms)(?: \((?P<runs>\d{1,10}) runs\))?$"
)


def _take_unconsumed(run: Run, text: str) -> bool:
    run.unconsumed += text.removeprefix("Unconsumed cmdline flags:").split()
    return True


def _take_applied(run: Run, text: str) -> bool:
    applied = read_applied(text)
    if applied is not None:
        run.applied.append(applied)
    return applied is not None


def _take_created(run: Run, text: str) -> bool:
    family = read_created(text)
    if family is not None:
        run.created.add(family)
    return family is not None


_FACTS: dict[str, Callable[[Run, str], bool]] = {
    "Initialized": _take_session,
    "Memory": _take_memory,
    "Peak": _take_memory,
    "[Overall]": _take_memory,
    "Overall": _take_memory,
    "Model": _take_block,
    "First": _take_block,
    "Warmup": _take_block,
    "Inference": _take_block,
    "Unconsumed": _take_unconsumed,
    "Explicitly": _take_applied,
    "Applied": _take_applied,
    "Though": _take_applied,
    "Replacing": _take_applied,
    "Created": _take_created,
}


def _take_words(run: Run, line: Line) -> None:
    """Read parameters by their brackets, and what has no first word of its own."""
    text = line.text
    if text.endswith("]") and ": [" in text:
        name, _, value = text[:-1].partition(": [")
        run.parameters.setdefault(name.rstrip(), value)
    elif text == "Initialized OpenGL-based API." or text.startswith("Falling back to OpenGL"):
        run.opengl = True
    elif not text.startswith(_HARMLESS) and not _take_applied(run, text):
        _take_failure(run, line)


def _take_failure(run: Run, line: Line) -> None:
    stage = "process" if line.level == "FATAL" else read_failure(line.text)
    if stage is not None:
        run.failures.append(Failure(stage, line.text))


_HARMLESS = ("Loaded model ", "Loading model from: ", "Using signature: ", "-> Signature Key: ")
