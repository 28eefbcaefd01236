"""Which runner a phone is measured with, settled by a self-test before anything is measured."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bench import runtime
from bench.device import Phone, content_path, ensure
from bench.errors import DeviceTimeout, RunnerError, RuntimeMissing
from bench.records import Device, RunnerName
from bench.trial.runners import BenchmarkModel, BenchRunner, Runner

Wanted = RunnerName | Literal["auto"]
MayFetch = Callable[[str], bool]  # whether a file for this ABI may be downloaded

SELF_TEST_S = 60.0


def runners_for(
    phone: Phone, device: Device, wanted: Wanted, may_fetch: MayFetch
) -> tuple[Runner, ...]:
    """The runner that was asked for, or with "auto" all that are fit for the phone.

    bench-runner comes first, because it tells every sample; benchmark_model follows for the
    delegates that only it has. RuntimeMissing or RunnerError when none is fit.
    """
    if wanted == "benchmark_model":
        return (_benchmark_model(device, may_fetch, why="asked for"),)
    second = _at_hand(device) if wanted == "auto" else None
    try:
        own = _bench_runner(device, may_fetch)
        unfit = self_test(phone, own)
    except RuntimeMissing as error:
        if second is None:
            raise
        return (_benchmark_model(device, may_fetch, why=str(error)),)
    if unfit is None:
        return (BenchRunner(own), *([second] if second else []))
    if second is None:
        raise RunnerError(
            f"bench-runner is not fit for {phone.serial!r}: {unfit}",
            stage="self-test",
            next_step='Google\'s benchmark_model may be: `runner = "benchmark_model"`.',
        )
    return (_benchmark_model(device, may_fetch, why=unfit),)


def self_test(phone: Phone, binaries: runtime.Binaries) -> str | None:
    """None when runner and library compute a tiny model exactly on the phone, else why not."""
    runner, library = BenchRunner(binaries).files
    for file in (runner, library):
        ensure(phone, file.local, file.sha256, file.remote, mode=file.mode)
    model = runtime.self_test_model()
    sha256 = hashlib.sha256(model).hexdigest()
    remote = content_path("selftest", sha256, ".tflite")
    with tempfile.NamedTemporaryFile(suffix=".tflite") as kept:
        kept.write(model)
        kept.flush()
        ensure(phone, Path(kept.name), sha256, remote)
    argv = runtime.self_test_argv(runner=runner.remote, library=library.remote, model=remote)
    try:
        finished = phone.run(argv, deadline_s=SELF_TEST_S)
    except DeviceTimeout as error:
        return str(error)
    return runtime.judge_self_test(
        finished.stdout,
        finished.stderr or b"",
        finished.exit_code,
        runner_version=binaries.runner_version,
    )


def _bench_runner(device: Device, may_fetch: MayFetch) -> runtime.Binaries:
    try:
        return runtime.find(device.abis, device.libc)
    except RuntimeMissing:
        if device.libc == "glibc" or not device.abis or not may_fetch(device.abis[0]):
            raise
        runtime.fetch(device.abis[0])
        return runtime.find(device.abis, device.libc)


def _benchmark_model(device: Device, may_fetch: MayFetch, *, why: str) -> BenchmarkModel:
    try:
        kept = runtime.find_benchmark_model(device.abis, device.libc)
    except RuntimeMissing:
        if device.libc == "glibc" or not device.abis or not may_fetch(device.abis[0]):
            raise
        runtime.fetch(device.abis[0], "benchmark_model")
        kept = runtime.find_benchmark_model(device.abis, device.libc)
    return BenchmarkModel(kept, device.abis[0], why, runtime.npu_libraries(device.abis[0]))


def _at_hand(device: Device) -> BenchmarkModel | None:
    try:
        kept = runtime.find_benchmark_model(device.abis, device.libc)
    except RuntimeMissing:
        return None
    why = "bench-runner lacks the delegate"
    return BenchmarkModel(kept, device.abis[0], why, runtime.npu_libraries(device.abis[0]))
