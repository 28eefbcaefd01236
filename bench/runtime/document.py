"""The runner's documents: their shapes, with bounds on every value, and the records in them.

What device_scripts/README.md promises is checked here key by key: a document with a key more or
less, or with a value that can't be, is none.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bench.records import (
    Delegate,
    Delegation,
    Measurement,
    Memory,
    MemoryAt,
    MemoryPass,
    OpTime,
    Output,
    Record,
    Usage,
)

Latency = Annotated[float, Meta(gt=0, le=1e11)]  # microseconds; 1e11 is more than a day
Duration = Annotated[float, Meta(ge=0, le=1e11)]
CpuTime = Annotated[float, Meta(ge=0, le=1e14)]  # microseconds, of a thousand cores for a day
Kilobytes = Annotated[int, Meta(ge=0, le=2**40)]
Bytes = Annotated[int, Meta(ge=0, le=2**50)]
Count = Annotated[int, Meta(ge=0, le=2**31)]
Shape = Annotated[tuple[Count, ...], Meta(max_length=8)]
Text = Annotated[str, Meta(max_length=4096)]
Crc = Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
Samples = Annotated[tuple[Latency, ...], Meta(min_length=1, max_length=1_000_000)]
Warmups = Annotated[tuple[Latency, ...], Meta(max_length=1_000_000)]


class Tensor(Record, frozen=True, kw_only=True):
    """An input as the runner filled it."""

    name: Text
    type: Text
    shape: Shape
    bytes: Bytes
    crc32: Crc
    source: Literal["seeded", "file"]


class Head(msgspec.Struct):
    """What every document says, whatever its contract."""

    contract: Count
    status: Literal["ok", "error"]


class ErrorDocument(Record, frozen=True, kw_only=True):
    """The runner failed, and says where and why."""

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


class Profile(Record, frozen=True, kw_only=True):
    """Times of the operators, as means of some inferences."""

    inferences: Annotated[int, Meta(ge=1, le=10_000)]
    uneven: Count
    dropped: Count
    ops: Annotated[tuple[_Op, ...], Meta(max_length=100_000)]


class _Usage(Record, frozen=True, kw_only=True):
    wall_us: Latency
    own_us: CpuTime
    busy_us: CpuTime


class _MemoryAt(Record, frozen=True, kw_only=True):
    peak_kb: Kilobytes | None
    pss_kb: Kilobytes | None


class _MemoryPass(Record, frozen=True, kw_only=True):
    baseline: _MemoryAt
    load: _MemoryAt
    compile: _MemoryAt
    first: _MemoryAt
    steady: _MemoryAt


class Document(Record, frozen=True, kw_only=True):
    """A run that went well."""

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
    usage: _Usage | None = None
    profile: Profile | None = None
    memory_pass: _MemoryPass | None = None
    end: Literal["complete"]


def measurement(document: Document) -> Measurement:
    """What was measured."""
    memory = document.memory
    seeded = all(tensor.source == "seeded" for tensor in document.inputs)
    return Measurement(
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
        usage=_usage(document.usage),
    )


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    return Usage(wall_us=usage.wall_us, own_us=usage.own_us, busy_us=usage.busy_us)


def memory_pass(document: Document) -> MemoryPass | None:
    """Memory after each step; None where no such pass was asked for."""
    told = document.memory_pass
    if told is None:
        return None
    return MemoryPass(
        baseline=_memory_at(told.baseline),
        load=_memory_at(told.load),
        compile=_memory_at(told.compile),
        first=_memory_at(told.first),
        steady=_memory_at(told.steady),
    )


def _memory_at(at: _MemoryAt) -> MemoryAt:
    return MemoryAt(peak_kb=at.peak_kb, pss_kb=at.pss_kb)


def op_times(profile: Profile | None) -> tuple[OpTime, ...]:
    """Times of the operators; none without a profile."""
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
