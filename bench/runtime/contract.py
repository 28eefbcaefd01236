"""The host's half of the contract with the runner; device_scripts/README.md is its text.

Arguments go out as a list of --key=value. One JSON document comes back: whatever bytes a phone
sends, they become a report or a RunnerError, never another exception and never a wrong number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn, TypeVar

import msgspec

from bench.errors import ContractError, RunnerError, UsageError
from bench.records import Config, Delegate, Measurement, MemoryPass, OpTime, Precision, Record
from bench.runtime.document import (
    Document,
    ErrorDocument,
    Head,
    Tensor,
    measurement,
    memory_pass,
    op_times,
)

CONTRACT = 1
# XNNPACK delegate flags: signed and unsigned 8-bit quantization (1, 2), which LiteRT has on by
# default, and all float32 arithmetic in half precision (4).
FP16_FLAGS = 7
SEED = 1  # of the inputs; a constant, so that output checksums compare across sweeps

# A million samples and as many warm-ups, 18 characters each, fit twice.
_MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_MAX_REASON_CHARS = 2000
_DOCUMENT = re.compile(rb'^[ \t\r\f\v]*(\{"contract":[^\n]*)', re.MULTILINE)
_REBUILD = "Reinstall bench so that runner and host match: pip install --force-reinstall ."

D = TypeVar("D")


class RunnerReport(Record, frozen=True, kw_only=True):
    """One run of the runner: what it measured, and what it was.

    With a memory pass, `memory` holds its steps. With a profile, `ops` holds the operators, and the
    samples of the measurement are those of the profiled inferences: recording lengthens them, so
    they are no latencies of the model.
    """

    contract: int
    runner_version: str
    abi: str
    library_version: str | None
    pid: int
    threads: int
    delegate: Delegate
    inputs: tuple[Tensor, ...]
    measurement: Measurement
    memory: MemoryPass | None = None
    ops: tuple[OpTime, ...] = ()
    profiled: int = 0  # inferences that the times of the operators are means of
    dropped_events: int = 0  # of a profile: their durations can't be


def runner_argv(
    *,
    runner: str,
    library: str,
    model: str,
    config: Config,
    precision: Precision,
    cpu_mask: str | None = None,
    inputs: Sequence[str] = (),
    seed: int = SEED,
    usage: bool = False,
    profile: int = 0,
    memory: int = 0,
    xnnpack_flags: int | None = None,
    weight_cache: str | None = None,
    outputs: str | None = None,
) -> list[str]:
    """The command that starts the runner; all paths are the phone's.

    `cpu_mask` is hexadecimal; `inputs` names one file for each input of the model, or none.
    `usage`: tell who used the processor while it sampled. In the place of sampling, `profile`
    inferences are profiled, or `memory` of them run until the memory is steady. `xnnpack_flags`
    replaces XNNPACK's own (see FP16_FLAGS); `weight_cache` is a file that XNNPACK keeps packed
    weights in, `outputs` one that gets the raw bytes of all outputs of the last inference.
    """
    files = [path for path in (weight_cache, outputs) if path is not None]
    for path in (runner, library, model, *inputs, *files):
        _refuse_strange_path(path)
    argv = [
        runner,
        f"--contract={CONTRACT}",
        f"--library={library}",
        f"--model={model}",
        f"--threads={config.threads}",
        f"--delegate={config.delegate}",
        f"--seed={seed}",
        f"--interval={_decimal(precision.interval)}",
        f"--min-samples={precision.min_samples}",
        f"--max-samples={precision.max_samples}",
        f"--max-seconds={_decimal(precision.max_seconds)}",
        f"--warmup-max-seconds={_decimal(precision.warmup_max_seconds)}",
    ]
    argv += [f"--input={path}" for path in inputs]
    if cpu_mask is not None:
        argv.append(f"--cpu-mask={cpu_mask}")
    if usage:
        argv.append("--usage=1")
    if profile:
        argv.append(f"--profile={profile}")
    if memory:
        argv.append(f"--memory={memory}")
    if xnnpack_flags is not None:
        argv.append(f"--xnnpack-flags={xnnpack_flags}")
    if weight_cache is not None:
        argv.append(f"--weight-cache={weight_cache}")
    if outputs is not None:
        argv.append(f"--outputs={outputs}")
    return argv


def parse_document(
    stdout: bytes, stderr: bytes, exit_code: int, *, runner_version: str | None = None
) -> RunnerReport:
    """The report that the runner printed; RunnerError or ContractError for anything else.

    `exit_code` is 128 + N for a process that signal N ended. `runner_version` is that of the
    binary that was meant to run (Binaries.runner_version); None: any will do.
    """
    line = _document_line(stdout, stderr, exit_code)
    head = _decode(line, Head, stdout, stderr, exit_code)
    if head.contract != CONTRACT:
        raise ContractError(
            f"The runner on the phone speaks contract {head.contract}, this bench speaks "
            f"{CONTRACT}.",
            stage="contract",
            next_step=_REBUILD,
        )
    if head.status == "error":
        _raise_told(_decode(line, ErrorDocument, stdout, stderr, exit_code))
    document = _decode(line, Document, stdout, stderr, exit_code)
    if runner_version is not None and document.runner_version != runner_version:
        raise ContractError(
            f"The runner on the phone is of version {_plain(document.runner_version)}, "
            f"{runner_version} was meant to run.",
            stage="contract",
            next_step=_REBUILD,
        )
    if exit_code != 0:
        _raise_ended(stderr, exit_code, "after it had printed its results")
    return RunnerReport(
        contract=document.contract,
        runner_version=document.runner_version,
        abi=document.abi,
        library_version=document.library_version,
        pid=document.pid,
        threads=document.threads,
        delegate=document.delegate,
        inputs=document.inputs,
        measurement=measurement(document),
        memory=memory_pass(document),
        ops=op_times(document.profile),
        profiled=document.profile.inferences if document.profile else 0,
        dropped_events=document.profile.dropped if document.profile else 0,
    )


def _document_line(stdout: bytes, stderr: bytes, exit_code: int) -> bytes:
    """The line that holds the document.

    A phone without shell_v2 mixes stderr into stdout, and a terminal ends lines with CR LF.
    """
    if len(stdout) > _MAX_DOCUMENT_BYTES:
        raise RunnerError(
            f"The runner printed {len(stdout)} bytes, more than any measurement needs.",
            stage="output",
        )
    documents = _DOCUMENT.finditer(stdout)  # not all lines: there may be as many as bytes
    first = next(documents, None)
    if first is None:
        _raise_silent(stdout, stderr, exit_code)
    if next(documents, None) is not None:
        raise RunnerError("The runner printed more than one document.", stage="output")
    return first[1]


def _decode(line: bytes, kind: type[D], stdout: bytes, stderr: bytes, exit_code: int) -> D:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError as error:
        raise RunnerError(
            f"The runner's document makes no sense: {_plain(str(error))}.", stage="output"
        ) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if exit_code != 0:
            _raise_ended(stderr, exit_code, "in the middle of its output")
        raise RunnerError(
            f"The runner's output is cut or damaged ({len(stdout)} bytes came).",
            stage="output",
            next_step="Check the cable and run the trial again.",
        ) from error


def _raise_told(told: ErrorDocument) -> NoReturn:
    reason = _plain(told.reason)
    if told.stage == "contract":
        raise ContractError(reason, stage=told.stage, next_step=_REBUILD)
    raise RunnerError(reason, stage=told.stage)


def _raise_silent(stdout: bytes, stderr: bytes, exit_code: int) -> NoReturn:
    if exit_code != 0:
        _raise_ended(stderr or stdout, exit_code, "without a document")
    said = _said(stderr or stdout)
    raise RunnerError(f"The runner printed no document.{said}", stage="output")


def _raise_ended(said: bytes, exit_code: int, when: str) -> NoReturn:
    if exit_code in _SIGNALS:
        how = f"The runner was killed (signal {exit_code - 128}), {_SIGNALS[exit_code]}, {when}."
    elif exit_code in (126, 127):
        how = f"The phone can't start the runner (exit code {exit_code})."
    else:
        how = f"The runner ended with exit code {exit_code} {when}."
    raise RunnerError(how + _said(said), stage="start" if exit_code in (126, 127) else "process")


_SIGNALS = {
    129: "because the connection was closed",
    130: "because it was interrupted",
    132: "because the processor lacks an instruction that LiteRT uses",
    134: "because LiteRT gave up",
    135: "because memory or the model file was cut away under it",
    137: "probably by the phone's low-memory killer",
    139: "because LiteRT crashed",
    141: "because nobody read its output",
    143: "because it was told to end",
}


def _refuse_strange_path(path: str) -> None:
    if not path.startswith("/") or re.search(r"[\x00-\x1f\x7f]", path):
        raise UsageError(f"{path!r} is no path on a phone: absolute, without control characters.")


def _decimal(value: float) -> str:
    """As the runner reads it: digits and a point, at most nine decimals."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _said(stderr: bytes) -> str:
    """The end of what was printed, to be added to a sentence."""
    text = _plain(stderr[-400:].decode("utf-8", "replace")).strip()
    return f" It said: {text}" if text else ""


def _plain(text: str) -> str:
    """One bounded line without control characters, whatever a phone sent."""
    safe = "".join(c if c.isprintable() else " " for c in text[:_MAX_REASON_CHARS])
    return re.sub(r" {2,}", " ", safe)
