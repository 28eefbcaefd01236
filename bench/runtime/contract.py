"""The host's half of the contract with the runner; device_scripts/README.md is its text.

Arguments go out as a list of --key=value. One JSON document comes back: whatever bytes a phone
sends, they become a report or a RunnerError, never another exception and never a wrong number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from bench.errors import ContractError, RunnerError, UsageError
from bench.records import (
    Config,
    Delegate,
    Delegation,
    Measurement,
    Memory,
    OpTime,
    Output,
    Precision,
    Record,
)

CONTRACT = 1
# XNNPACK delegate flags: signed and unsigned 8-bit quantization (1, 2), which LiteRT has on by
# default, and all float32 arithmetic in half precision (4).
FP16_FLAGS = 7
SEED = 1  # of the inputs; a constant, so that output checksums compare across sweeps

# A million samples and as many warm-ups, 18 characters each, fit twice.
_MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_MAX_REASON_CHARS = 2000
_REBUILD = "Reinstall bench so that runner and host match: pip install --force-reinstall ."

Latency = Annotated[float, Meta(gt=0, le=1e11)]  # microseconds; 1e11 is more than a day
Duration = Annotated[float, Meta(ge=0, le=1e11)]
Kilobytes = Annotated[int, Meta(ge=0, le=2**40)]
Bytes = Annotated[int, Meta(ge=0, le=2**50)]
Count = Annotated[int, Meta(ge=0, le=2**31)]
Shape = Annotated[tuple[Count, ...], Meta(max_length=8)]
Text = Annotated[str, Meta(max_length=4096)]
Crc = Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
Samples = Annotated[tuple[Latency, ...], Meta(min_length=1, max_length=1_000_000)]
Warmups = Annotated[tuple[Latency, ...], Meta(max_length=1_000_000)]

D = TypeVar("D")


class Tensor(Record, frozen=True, kw_only=True):
    """An input as the runner filled it."""

    name: Text
    type: Text
    shape: Shape
    bytes: Bytes
    crc32: Crc
    source: Literal["seeded", "file"]


class RunnerReport(Record, frozen=True, kw_only=True):
    """One run of the runner: what it measured, and what it was.

    With a profile, `ops` holds the operators, and the samples of the measurement are those of the
    profiled inferences: recording lengthens them, so they are no latencies of the model.
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
    profile: int = 0,
    xnnpack_flags: int | None = None,
    weight_cache: str | None = None,
    outputs: str | None = None,
) -> list[str]:
    """The command that starts the runner; all paths are the phone's.

    `cpu_mask` is hexadecimal; `inputs` names one file for each input of the model, or none.
    `profile` inferences are profiled in the place of sampling. `xnnpack_flags` replaces XNNPACK's
    own (see FP16_FLAGS); `weight_cache` is a file that XNNPACK keeps packed weights in, `outputs`
    one that gets the raw bytes of all outputs of the last inference, one after the other.
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
    if profile:
        argv.append(f"--profile={profile}")
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
    head = _decode(line, _Head, stdout, stderr, exit_code)
    if head.contract != CONTRACT:
        raise ContractError(
            f"The runner on the phone speaks contract {head.contract}, this bench speaks "
            f"{CONTRACT}.",
            stage="contract",
            next_step=_REBUILD,
        )
    if head.status == "error":
        _raise_told(_decode(line, _ErrorDocument, stdout, stderr, exit_code))
    document = _decode(line, _Document, stdout, stderr, exit_code)
    if runner_version is not None and document.runner_version != runner_version:
        raise ContractError(
            f"The runner on the phone is of version {_plain(document.runner_version)}, "
            f"{runner_version} was meant to run.",
            stage="contract",
            next_step=_REBUILD,
        )
    if exit_code != 0:
        _raise_ended(stderr, exit_code, "after it had printed its results")
    return _report(document)


class _Head(msgspec.Struct):
    contract: Count
    status: Literal["ok", "error"]


class _ErrorDocument(Record, frozen=True, kw_only=True):
    contract: int
    runner_version: Text
    status: Literal["error"]
    stage: Annotated[str, Meta(pattern="^[a-z]{1,20}$")]
    reason: Text
    end: Literal["complete"]


class _Output(Record, frozen=True, kw_only=True):
    name: Text
    type: Text
    shape: Shape
    bytes: Bytes
    crc32: Crc
    sum: float | None


class _Memory(Record, frozen=True, kw_only=True):
    before_load_kb: Kilobytes | None
    after_compile_kb: Kilobytes | None
    peak_kb: Kilobytes | None


class _Op(Record, frozen=True, kw_only=True):
    index: Count
    op: Text
    name: Text | None
    mean_us: Duration
    delegate: Literal["xnnpack", "builtin"]


class _Profile(Record, frozen=True, kw_only=True):
    inferences: Annotated[int, Meta(ge=1, le=10_000)]
    uneven: Count
    dropped: Count
    ops: Annotated[tuple[_Op, ...], Meta(max_length=100_000)]


class _Document(Record, frozen=True, kw_only=True):
    contract: int
    runner_version: Text
    status: Literal["ok"]
    library_version: Text | None
    abi: Text
    pid: Count
    clock: Text
    cpu_mask: Annotated[str, Meta(pattern="^[0-9a-f]{1,256}$")] | None
    threads: Annotated[int, Meta(ge=1, le=64)]
    delegate: Delegate
    delegation: Delegation | None
    init_us: Duration
    compile_us: Duration
    first_inference_us: Latency
    warmup_us: Warmups
    samples_us: Samples
    stopped_by: Literal["interval", "max_seconds", "max_samples"]
    memory: _Memory
    inputs: tuple[Tensor, ...]
    outputs: tuple[_Output, ...]
    profile: _Profile | None = None
    end: Literal["complete"]


def _document_line(stdout: bytes, stderr: bytes, exit_code: int) -> bytes:
    """The line that holds the document.

    A phone without shell_v2 mixes stderr into stdout, and a terminal ends lines with CR LF.
    """
    if len(stdout) > _MAX_DOCUMENT_BYTES:
        raise RunnerError(
            f"The runner printed {len(stdout)} bytes, more than any measurement needs.",
            stage="output",
        )
    lines = [line.strip() for line in stdout.split(b"\n")]
    documents = [line for line in lines if line.startswith(b'{"contract":')]
    if len(documents) > 1:
        raise RunnerError("The runner printed more than one document.", stage="output")
    if not documents:
        _raise_silent(stdout, stderr, exit_code)
    return documents[0]


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


def _raise_told(told: _ErrorDocument) -> NoReturn:
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


def _report(document: _Document) -> RunnerReport:
    memory = document.memory
    seeded = all(tensor.source == "seeded" for tensor in document.inputs)
    measurement = Measurement(
        init_us=document.init_us,
        compile_us=document.compile_us,
        first_inference_us=document.first_inference_us,
        warmup_us=document.warmup_us,
        samples_us=document.samples_us,
        clock=document.clock,
        stopped_by=document.stopped_by,
        memory=Memory(
            before_load_kb=memory.before_load_kb,
            after_compile_kb=memory.after_compile_kb,
            peak_kb=memory.peak_kb,
        ),
        delegation=document.delegation,
        outputs=tuple(
            Output(name=o.name, type=o.type, bytes=o.bytes, crc32=o.crc32, sum=o.sum)
            for o in document.outputs
        ),
        input_source="seeded" if seeded else "file",
        affinity_mask=document.cpu_mask,
    )
    return RunnerReport(
        contract=document.contract,
        runner_version=document.runner_version,
        abi=document.abi,
        library_version=document.library_version,
        pid=document.pid,
        threads=document.threads,
        delegate=document.delegate,
        inputs=document.inputs,
        measurement=measurement,
        ops=_ops(document.profile),
        profiled=document.profile.inferences if document.profile else 0,
        dropped_events=document.profile.dropped if document.profile else 0,
    )


def _ops(profile: _Profile | None) -> tuple[OpTime, ...]:
    return tuple(
        OpTime(
            index=op.index,
            op=op.op,
            name=op.name or None,
            mean_us=op.mean_us,
            delegate=None if op.delegate == "builtin" else op.delegate,
        )
        for op in (profile.ops if profile else ())
    )


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
