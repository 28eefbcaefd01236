"""What Google's benchmark_model printed, as one outcome: its figures, or why there are none.

Whatever bytes come, they become an Outcome or a RunnerError. Stages of the error:
    start      the phone can't start the tool          arguments  a flag was refused or ignored
    process    it was killed, or ended with an error   model      the model can't be loaded
    compile    operators can't be prepared             run        an inference failed
    delegate   another delegate than asked for, or none that shows, ran
    output     figures are cut, damaged, missing or contradict each other
    profile    the operator profile is cut, missing or of another run
"""

from __future__ import annotations

import re
from typing import Literal, NoReturn

import msgspec

from bench.errors import RunnerError
from bench.records import Delegation, OpTime, Record, Reported
from bench.runtime.benchmark_model.delegation import UNNAMED, Evidence, delegation, name_rows
from bench.runtime.benchmark_model.figures import Figures, hold_against_file, read_figures
from bench.runtime.benchmark_model.ops import read_profile
from bench.runtime.benchmark_model.result_file import read_result_file
from bench.runtime.benchmark_model.runs import Run, last_run

_MAX_BYTES = 8 * 1024 * 1024

Generation = Literal["G1", "G2", "G2b", "G3", "G4", "G5", "G6", "G7", "G8"]


class Outcome(Record, frozen=True, kw_only=True):
    """One run of benchmark_model: what it reported, and its operators where it profiled them."""

    reported: Reported
    ops: tuple[OpTime, ...] = ()
    generation: Generation | None = None  # of its output, see docs/benchmark_model.md


def parse_output(
    stdout: bytes,
    stderr: bytes,
    exit_code: int,
    *,
    result_file: bytes | None = None,
    delegate: str | None,
    model: str | None = None,
    threads: int | None = None,
    profile: bool = False,
) -> Outcome:
    """The outcome of the run that was started last; RunnerError for anything else.

    `exit_code` is 128 + N, or -N, for a process that signal N ended. `delegate` is the one asked
    for; None takes whatever ran. `model` and `threads` are held against what the tool echoes.
    `profile` asks for the table of operators.

    Of several runs in one stream the last that began is meant, never an earlier one: if it failed
    or was cut, that is the answer. What can't be told apart is an error (stage `output`).
    """
    if len(stdout) + len(stderr) > _MAX_BYTES:
        raise RunnerError("benchmark_model printed more than any run needs.", stage="output")
    run = last_run(stdout)
    run.absorb(last_run(stderr))
    _refuse_failure(run, stdout, stderr, exit_code)
    _refuse_ignored_flags(run)
    figures = read_figures(run)
    _refuse_other_arguments(run, model, threads)
    if result_file is not None:
        figures = hold_against_file(figures, read_result_file(result_file))
    ops, total_us = _operators(run, profile)
    ops, obtained = _who_ran(run, ops, delegate)
    _refuse_other_profile(total_us, figures)
    return Outcome(
        reported=_reported(figures, obtained),
        ops=ops,
        generation=_generation(run),
    )


def _refuse_failure(run: Run, stdout: bytes, stderr: bytes, exit_code: int) -> None:
    """What the tool says of a failure tells more than how it ended."""
    told = [failure for failure in run.failures if failure.stage != "process"]
    if told or run.failures:
        failure = (told or run.failures)[0]
        raise RunnerError(f"benchmark_model reports: {_plain(failure.text)}", stage=failure.stage)
    if exit_code != 0:
        _raise_ended(128 - exit_code if exit_code < 0 else exit_code, stderr or stdout)
    if not stdout.strip() and not stderr.strip():
        raise RunnerError("benchmark_model printed nothing.", stage="output")


def _raise_ended(exit_code: int, said: bytes) -> NoReturn:
    stage = "start" if exit_code in (126, 127) else "process"
    if exit_code in (126, 127):
        how = f"The phone can't start benchmark_model (exit code {exit_code})."
    elif exit_code in _ENDS:
        how = f"benchmark_model was ended {_ENDS[exit_code]} (exit code {exit_code})."
    else:
        how = f"benchmark_model ended with exit code {exit_code}."
    text = _plain(said[-400:].decode("utf-8", "replace")).strip()
    raise RunnerError(how + (f" It said: {text}" if text else ""), stage=stage)


_ENDS = {
    124: "because its time was up",
    129: "because the connection was closed",
    130: "because it was interrupted",
    132: "because the processor lacks an instruction that it uses",
    134: "by its own hand: it gave up",
    135: "because memory or the model file was cut away under it",
    136: "by an arithmetic error",
    137: "by a kill, probably of the phone's low-memory killer",
    139: "by a crash",
    141: "because nobody read its output",
    143: "because it was told to",
}


def _refuse_ignored_flags(run: Run) -> None:
    """The tool ignores what it doesn't know, and measures something else."""
    ignored = [flag for flag in run.unconsumed if _flag_name(flag) not in _WITHOUT_EFFECT]
    if ignored:
        raise RunnerError(
            f"benchmark_model ignored {_plain(' '.join(ignored))[:300]}: this version doesn't know "
            "the flag, or was built without it, and what it measured is something else.",
            stage="delegate" if any(_DELEGATE_FLAG.match(f) for f in ignored) else "arguments",
        )


def _flag_name(flag: str) -> str:
    return flag.lstrip("-").partition("=")[0]


# Flags that change what is told, not what is measured: old versions lack them.
_WITHOUT_EFFECT = {"result_file_path", "verbose", "benchmark_name", "output_prefix"}
_DELEGATE_FLAG = re.compile(r"--(?:use_(?:gpu|nnapi|npu|cpu|xnnpack|hexagon|coreml)|gpu_|nnapi_)")


def _refuse_other_arguments(run: Run, model: str | None, threads: int | None) -> None:
    graph = run.parameters.get("Graph")
    if model is not None and graph is not None and graph != model:
        raise RunnerError(
            f"benchmark_model ran {_plain(graph)[:300]}, not {model}.", stage="arguments"
        )
    told = run.parameters.get("Num threads")
    if threads is not None and told is not None and told != str(threads):
        raise RunnerError(
            f"benchmark_model ran with {_plain(told)[:20]} threads, not {threads}.",
            stage="arguments",
        )


def _operators(run: Run, profile: bool) -> tuple[tuple[OpTime, ...], float | None]:
    found = read_profile(run.profile)
    if found is None:
        if profile or _profiles_to_stdout(run):
            raise RunnerError(
                "The operator profile is missing: benchmark_model printed none, or was cut.",
                stage="profile",
            )
        return (), None
    return found.ops, found.total_us


def _profiles_to_stdout(run: Run) -> bool:
    told = run.parameters
    elsewhere = told.get("CSV File to export profiling data to") or told.get(
        "Op profiling output file."
    )
    return told.get("Enable op profiling") == "1" and not elsewhere


def _refuse_other_profile(total_us: float | None, figures: Figures) -> None:
    """The operators of an inference take no longer than the inference."""
    if total_us is not None and total_us > 1.1 * figures.mean_us + 5:
        raise RunnerError(
            f"The operator profile is of another run: its operators take {total_us:g} us, an "
            f"inference {figures.mean_us:g}.",
            stage="profile",
        )


def _who_ran(
    run: Run, ops: tuple[OpTime, ...], asked: str | None
) -> tuple[tuple[OpTime, ...], Delegation | None]:
    """The operators with their delegate's name, and how much the delegate asked for took."""
    evidence = Evidence(
        applied=run.applied,
        created=run.created,
        parameters=run.parameters,
        opengl=run.opengl,
        old="old summary" in run.markers,
        ops=ops,
    )
    owner = name_rows(asked, evidence)
    ops = tuple(
        msgspec.structs.replace(op, delegate=owner) if op.delegate == UNNAMED else op for op in ops
    )
    return ops, delegation(asked, evidence._replace(ops=ops))


def _reported(figures: Figures, obtained: Delegation | None) -> Reported:
    return Reported(
        tool="benchmark_model",
        count=figures.inferences,
        mean_us=figures.mean_us,
        min_us=figures.min_us,
        max_us=figures.max_us,
        std_us=figures.std_us,
        median_us=figures.median_us,
        p5_us=figures.p5_us,
        p95_us=figures.p95_us,
        init_us=figures.init_us,
        first_inference_us=figures.first_inference_us,
        warmup_count=figures.warmup_count,
        warmup_mean_us=figures.warmup_mean_us,
        peak_kb=figures.growth_kb,
        delegation=obtained,
    )


def _generation(run: Run) -> Generation | None:
    """Which of the tool's output formats this is, newest marks first."""
    told = run.markers
    marks: tuple[tuple[bool, Generation], ...] = (
        ("logcat" in told, "G8"),
        ("litert" in told, "G7"),
        ("percentiles" in told, "G6"),
        ("level" in told, "G5"),
        ("delta" in told, "G4"),
        ("footprint" in told, "G3"),
        ("resident" in told, "G2b"),
        ("old summary" in told and "Num runs" in run.parameters, "G1"),
        ("old summary" in told and "Min num runs" in run.parameters, "G2"),
    )
    return next((generation for true, generation in marks if true), None)


def _plain(text: str) -> str:
    """One bounded line without control characters, whatever a phone sent."""
    safe = "".join(c if c.isprintable() else " " for c in text[:2000])
    return re.sub(r" {2,}", " ", safe)
