"""The tool's result file (`--result_file_path`): a small protobuf message, read field by field.

    BenchmarkResult  2 latency_metrics   3 memory_metrics   4 misc_metrics
    latency          1 avg 2 min 3 max 4 stddev 5 median 6 p5 7 p95 8 init 9 first inference
                     10 average warm-up; all float, milliseconds
    memory           1 init kB 2 overall kB (integers, growth since the start) 3 peak MB (float)
    misc             1 model MB 2 runs 3 warm-up runs 4 MB of input a second

Model, threads, delegate and version are not in it. Anything but a whole file is a RunnerError.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from bench.errors import RunnerError
from bench.records import Record

_MAX_BYTES = 64 * 1024  # the tool writes 83


class ResultFile(Record, frozen=True, kw_only=True):
    """What the file says; microseconds."""

    count: int
    mean_us: float
    min_us: float | None = None
    max_us: float | None = None
    std_us: float | None = None
    median_us: float | None = None
    p5_us: float | None = None
    p95_us: float | None = None
    init_us: float | None = None
    first_inference_us: float | None = None
    warmup_count: int | None = None
    warmup_mean_us: float | None = None
    growth_kb: int | None = None


def read_result_file(data: bytes) -> ResultFile:
    """The message in a result file; RunnerError (stage `output`) for anything else."""
    if len(data) > _MAX_BYTES:
        raise _damaged(f"is {len(data)} bytes long")
    parts: dict[int, bytes] = {}
    for number, value in _fields(data):
        if isinstance(value, bytes):
            parts[number] = parts.get(number, b"") + value  # as protobuf merges messages
    latency = {_LATENCY[n]: v for n, v in _floats(parts.get(2, b"")) if n in _LATENCY}
    memory = dict(_integers(parts.get(3, b"")))
    misc = dict(_integers(parts.get(4, b"")))
    if "mean_us" not in latency or 2 not in misc:
        raise _damaged("lacks the mean or the number of runs: it is cut")
    if misc[2] < 2:
        latency.pop("std_us", None)  # of one sample: written as 0
    if misc.get(3) == 0:
        latency = {n: v for n, v in latency.items() if n not in _OF_WARMUP}
    return ResultFile(
        count=misc[2],
        warmup_count=misc.get(3),
        growth_kb=memory.get(2) or None,
        **latency,
    )


_LATENCY = {
    1: "mean_us",
    2: "min_us",
    3: "max_us",
    4: "std_us",
    5: "median_us",
    6: "p5_us",
    7: "p95_us",
    8: "init_us",
    9: "first_inference_us",
    10: "warmup_mean_us",
}


_OF_WARMUP = ("first_inference_us", "warmup_mean_us")


def _floats(data: bytes) -> Iterator[tuple[int, float]]:
    for number, value in _fields(data):
        if isinstance(value, float):
            if not math.isfinite(value) or abs(value) > 1e9:
                raise _damaged("holds a time that can't be")
            yield number, round(float(f"{value:.7g}") * 1000, 6)  # single precision


def _integers(data: bytes) -> Iterator[tuple[int, int]]:
    for number, value in _fields(data):
        if isinstance(value, int) and value < 2**40:  # negative numbers have bit 63 set
            yield number, value


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Every field of one message: number and value."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise _damaged("holds a field without a number")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(data, at)
            yield number, _slice(data, at, length)
            at += length
        elif kind == 5:
            yield number, float(struct.unpack("<f", _slice(data, at, 4))[0])
            at += 4
        elif kind == 1:
            yield number, _slice(data, at, 8)
            at += 8
        else:
            raise _damaged("holds a kind of field that the tool doesn't write")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _damaged("ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise _damaged("holds a number without an end")


def _slice(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise _damaged("ends in the middle of a field")
    return data[at : at + length]


def _damaged(how: str) -> RunnerError:
    return RunnerError(f"The result file {how}.", stage="output", next_step="Run the trial again.")
