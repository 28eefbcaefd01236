"""What a trial takes beside its latency, in processes of their own."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fake_phone import FakePhone, document, well
from runners import host_binaries
from tiny_models import conv_net

from bench.device import Finished, describe
from bench.records import Config, Fitness, MemoryAt, Model, PlannedTrial, Precision, Trial
from bench.runtime import Kept
from bench.trial import Gate, Passes, Station, run_trial
from bench.trial.runners import BenchmarkModel, BenchRunner, Runner

PRECISION = Precision(max_seconds=0.6, warmup_max_seconds=0)
STEP = {"peak_kb": 2000, "pss_kb": 1000}
MEMORY = dict.fromkeys(("baseline", "load", "compile", "first", "steady"), STEP)

Start = Callable[[Sequence[str]], Finished]


def of_memory(argv: Sequence[str]) -> bool:
    return any(word.startswith("--memory=") for word in argv)


def gives(stdout: bytes, exit_code: int = 0) -> Start:
    """A runner that does well, and this in a memory pass."""

    def run(argv: Sequence[str]) -> Finished:
        if not of_memory(argv):
            return well(argv)
        return Finished(exit_code=exit_code, stdout=stdout, stderr=b"", duration_s=0.0)

    return run


class Rig:
    """A phone, a model, and one trial of it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "model.tflite"
        path.write_bytes(conv_net())
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size
        self.model = Model(name="m", path=str(path), sha256=sha256, size_bytes=size)
        self.phone = FakePhone()
        self.runner: Runner = BenchRunner(host_binaries())

    def trial(self, passes: Passes) -> Trial:
        station = Station("FAKE1", self.phone, describe(self.phone), (self.runner,))
        planned = PlannedTrial(index=0, model="m", config=Config(), repetition=0)
        gate = Gate(Fitness(max_wait_s=0))
        return run_trial(station, planned, self.model, PRECISION, gate, passes).trial

    def real(self, argv: Sequence[str]) -> Finished:
        """The runner that was pushed, on this machine."""
        binaries = host_binaries()
        here = {"--library": str(binaries.library), "--model": self.model.path}
        words = [word.partition("=") for word in argv[1:]]
        given = [f"{key}={here.get(key, value)}" for key, _, value in words]
        done = subprocess.run(
            [str(binaries.runner), *given], capture_output=True, check=False, timeout=60
        )
        return Finished(
            exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr, duration_s=0.0
        )


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def failures(trial: Trial) -> list[str]:
    assert trial.status == "ok"
    assert trial.measurement is not None or trial.reported is not None
    return [doubt.message for doubt in trial.doubts if doubt.kind == "pass failed"]


def test_the_memory_is_taken_by_the_runner_in_a_process_of_its_own(rig: Rig) -> None:
    rig.phone.runner = rig.real
    trial = rig.trial(Passes(memory=True))
    latency, memory = rig.phone.started
    assert not of_memory(latency)
    assert [word for word in memory if not word.startswith("--memory=")] == [
        word for word in latency if word != "--usage=1"
    ]
    assert failures(trial) == []
    assert trial.memory is not None
    assert trial.memory.baseline.pss_kb < trial.memory.load.pss_kb < trial.memory.steady.pss_kb
    assert list(trial.argv) == latency


def test_every_latency_process_tells_who_used_the_processor(rig: Rig) -> None:
    rig.phone.runner = rig.real
    trial = rig.trial(Passes())
    assert trial.measurement is not None
    assert trial.measurement.usage is not None
    assert trial.measurement.usage.busy_us >= trial.measurement.usage.own_us > 0


def test_a_trial_without_passes_is_one_process(rig: Rig) -> None:
    assert rig.trial(Passes()).memory is None
    assert len(rig.phone.started) == 1


def test_the_samples_are_those_of_the_latency(rig: Rig) -> None:
    rig.phone.runner = gives(document((5.0,) * 20, memory_pass=MEMORY))
    trial = rig.trial(Passes(memory=True))
    assert trial.measurement is not None
    assert trial.measurement.samples_us == (100.0,) * 40
    assert trial.memory is not None
    assert trial.memory.first == MemoryAt(peak_kb=2000, pss_kb=1000)


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (gives(b"", exit_code=137), "memory: The runner was killed (signal 9)"),
        (gives(document(memory_pass={})), "memory: The runner's document makes no sense"),
        (gives(document()), "memory: The runner told nothing of its memory."),
    ],
    ids=["killed", "nonsense", "untold"],
)
def test_a_memory_pass_that_fails_is_a_doubt_and_leaves_the_latency(
    start: Start, why: str, rig: Rig
) -> None:
    rig.phone.runner = start
    trial = rig.trial(Passes(memory=True))
    (message,) = failures(trial)
    assert message.startswith(why)
    assert trial.memory is None


def test_a_runner_that_cannot_tell_its_memory_is_a_doubt_and_not_started_for_it(
    rig: Rig, tmp_path: Path
) -> None:
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(b"any")
    sha256 = hashlib.sha256(b"any").hexdigest()
    kept = Kept(
        tool="benchmark_model",
        path=str(tool),
        abi="x86_64",
        libc="glibc",
        sha256=sha256,
        source="added",
    )
    rig.runner = BenchmarkModel(kept, "x86_64", None)
    rig.phone.runner = lambda argv: Finished(
        exit_code=0, stdout=reported(argv), stderr=b"", duration_s=0.0
    )
    trial = rig.trial(Passes(memory=True))
    (message,) = failures(trial)
    assert "benchmark_model does not tell the memory after each step" in message
    assert 'runner = "bench-runner"' in message
    assert len(rig.phone.started) == 1


def reported(argv: Sequence[str]) -> bytes:
    model = next(word for word in argv if word.startswith("--graph=")).partition("=")[2]
    return (
        f"INFO: STARTING!\nINFO: Num threads: [1]\nINFO: Graph: [{model}]\n"
        "INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely"
        " executed by the delegate.\nINFO: Initialized session in 5.5ms.\n"
        "INFO: count=50 first=410 curr=405 min=400 max=430 avg=408.5 std=5\n"
        "INFO: Inference timings in us: Init: 5500, First inference: 900, Warmup (avg): 510,"
        " Inference (avg): 408.5\n"
    ).encode()
