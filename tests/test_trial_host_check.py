"""A phone's outputs held against the host's: once for each model and config, and at no cost."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tiny_models
from fake_phone import FakePhone, document

from bench import __version__, runtime
from bench.device import Finished, describe
from bench.errors import DeviceLost, DeviceTimeout
from bench.records import Config, Fitness, Model, PlannedTrial, Precision, Trial
from bench.runtime.inputs import seeded_input
from bench.trial import Gate, HostCheck, Station, run_trial
from bench.trial.host_check import OUTPUTS
from bench.trial.runners import BenchmarkModel, BenchRunner
from bench.zoo.reference import Reference, reference

RIGHT = seeded_input((35,), "float32", 1, 0)  # what the model below makes of the seeded input


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A user's file, whose output is its input."""
    file = tmp_path_factory.mktemp("models") / "mine.tflite"
    file.write_bytes(tiny_models.passthrough("float32"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Model(name="mine", path=str(file), sha256=digest, size_bytes=file.stat().st_size)


@pytest.fixture(scope="module")
def known(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return reference(model, "ai-edge-litert", directory=tmp_path_factory.mktemp("cache"))


class Rig:
    """A phone whose runner gives the outputs it is told to give."""

    def __init__(self, model: Model, known: Reference) -> None:
        self.model, self.known = model, known
        self.outputs = RIGHT
        self.written: bytes | None = None  # in the place of what the runner tells of
        self.taken = 0
        self.fails: Exception | None = None
        self.phone = FakePhone(runner=self.run)
        run = self.phone.run
        self.phone.run = lambda *a, **how: self.take(run, *a, **how)  # type: ignore[method-assign]
        runner = BenchRunner(runtime.find(("x86_64",), "glibc"))
        self.host = HostCheck({model.sha256: known})
        self.station = Station("FAKE1", self.phone, describe(self.phone), (runner,), host=self.host)

    def run(self, argv: Sequence[str]) -> Finished:
        content = self.outputs.tobytes()
        for word in argv:
            if word.startswith("--outputs="):
                written = content if self.written is None else self.written
                self.phone.files[word.removeprefix("--outputs=")] = written
        told = {
            "name": "y", "type": self.outputs.dtype.name, "shape": [self.outputs.size],
            "bytes": len(content), "crc32": f"{zlib.crc32(content):08x}", "sum": None,
        }  # fmt: skip
        return Finished(0, document(outputs=[told]), b"", 0.0)

    def take(self, run: Any, argv: Sequence[str], **how: Any) -> Finished:
        """The one command that reads the file and removes it."""
        if argv[0] != "sh" or not argv[2].startswith("cat "):
            finished: Finished = run(argv, **how)
            return finished
        self.taken += 1
        if self.fails is not None:
            raise self.fails
        content = self.phone.files.pop(argv[-1], None)
        return Finished(0 if content is not None else 1, content or b"", b"", 0.0)

    def trial(self, repetition: int = 0, **config: Any) -> Trial:
        planned = PlannedTrial(
            index=0, model="mine", config=Config(**config), repetition=repetition
        )
        return run_trial(self.station, planned, self.model, Precision(), Gate(Fitness())).trial


@pytest.fixture
def rig(model: Model, known: Reference) -> Rig:
    return Rig(model, known)


def doubts(trial: Trial) -> list[str]:
    return [doubt.kind for doubt in trial.doubts if doubt.kind != "virtual"]


def test_outputs_like_the_host_s_leave_a_check_and_no_doubt(rig: Rig) -> None:
    trial = rig.trial()
    assert trial.check is not None
    assert (trial.check.reason, trial.check.not_compared) == (None, None)
    assert (trial.check.inputs, trial.check.top1_agreement) == (1, 1.0)
    assert (trial.check.runtime, bool(trial.check.version)) == ("ai-edge-litert", True)
    assert f"--outputs={OUTPUTS}" in trial.argv
    assert (doubts(trial), rig.taken) == ([], 1)
    assert OUTPUTS not in rig.phone.files


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (np.zeros_like(RIGHT), "output 0 is nothing but zeros"),
        (RIGHT[::-1], "output 0 keeps a signal-to-noise ratio of"),
        (np.full_like(RIGHT, np.nan), "output 0 holds NaN or infinity"),
        (RIGHT[:34], "output 0 has 34 elements of float32, on the host 35 of float32"),
    ],
)
def test_other_outputs_are_a_doubt_and_not_a_failure(rig: Rig, outputs: Any, words: str) -> None:
    rig.outputs = outputs
    trial = rig.trial()
    assert trial.status == "ok"
    assert doubts(trial) == ["outputs differ from host"]
    (doubt,) = (doubt for doubt in trial.doubts if doubt.kind == "outputs differ from host")
    assert doubt.message.startswith(f"against ai-edge-litert on the host: {words}")
    assert trial.check is not None
    assert doubt.numbers == ({} if trial.check.snr_db is None else {"snr_db": trial.check.snr_db})
    assert OUTPUTS not in rig.phone.files


def test_later_repetitions_write_and_fetch_nothing_and_know_all_the_same(rig: Rig) -> None:
    rig.outputs = RIGHT[::-1]
    first, second = rig.trial(), rig.trial(repetition=1)
    assert second.check == first.check
    assert doubts(second) == ["outputs differ from host"]
    assert not any("--outputs" in word for word in rig.phone.started[1])
    assert rig.taken == 1


def test_a_later_repetition_with_outputs_of_its_own_is_not_compared(rig: Rig) -> None:
    rig.trial()
    rig.outputs = RIGHT[::-1]  # the repetitions differ: that is a doubt of its own
    assert rig.trial(repetition=1).check is None
    assert rig.taken == 1


def test_the_same_outputs_of_another_config_or_phone_are_not_fetched_again(rig: Rig) -> None:
    assert rig.trial().check == rig.trial(threads=4).check
    another = Rig(rig.model, rig.known)
    another.station = another.station._replace(host=rig.host)
    assert another.trial().check is not None
    assert another.taken == 0
    assert rig.taken == 1
    assert rig.trial(delegate="none").check is not None  # held against other kernels
    assert rig.taken == 2
    assert rig.trial(xnnpack="fp16").check is not None  # of which less is asked
    assert rig.taken == 3
    assert OUTPUTS not in rig.phone.files


@pytest.mark.parametrize("written", [RIGHT[::-1].tobytes(), RIGHT.tobytes()[:-4], b""])
def test_a_file_that_holds_others_than_were_told_blames_nobody(rig: Rig, written: bytes) -> None:
    rig.written = written
    trial = rig.trial()
    assert (trial.status, trial.check, doubts(trial)) == ("ok", None, ["pass failed"])
    assert "outputs: The file of outputs holds others than were told." in [
        doubt.message for doubt in trial.doubts
    ]
    assert OUTPUTS not in rig.phone.files


def test_a_file_that_can_t_be_fetched_is_a_doubt_and_a_lost_phone_is_lost(rig: Rig) -> None:
    rig.fails = DeviceTimeout("it hangs.")
    assert doubts(rig.trial()) == ["pass failed"]
    rig.fails = DeviceLost("the cable is out.")
    with pytest.raises(DeviceLost):
        rig.trial()
    rig.fails = None
    assert rig.trial().check is not None


def test_more_than_the_host_looks_at_is_not_fetched(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.trial.host_check.MOST_BYTES", 139)
    assert doubts(rig.trial()) == ["pass failed"]
    assert rig.taken == 0


def test_a_model_that_the_host_can_t_run_is_told_as_not_compared(rig: Rig) -> None:
    rig.station = rig.station._replace(
        host=HostCheck({rig.model.sha256: Reference("tflite-runtime", why_not="no such op")})
    )
    trial = rig.trial()
    assert trial.check is not None
    assert (trial.check.not_compared, trial.check.reason) == ("no such op", None)
    assert (doubts(trial), rig.taken) == ([], 0)
    assert not any("--outputs" in word for word in trial.argv)


def test_a_runner_that_fails_leaves_no_check(rig: Rig) -> None:
    rig.phone.runner = lambda argv: Finished(139, b"", b"", 0.0)
    trial = rig.trial()
    assert (trial.status, trial.check, rig.taken) == ("failed", None, 0)
    rig.phone.runner = rig.run
    assert rig.trial().check is not None


def test_a_full_disk_costs_the_check_and_not_the_latency(rig: Rig) -> None:
    def full(argv: Sequence[str]) -> Finished:
        if any(word.startswith("--outputs=") for word in argv):
            told = {
                "contract": 1, "runner_version": __version__, "status": "error",
                "stage": "report", "reason": "No space left on device.", "end": "complete",
            }  # fmt: skip
            return Finished(1, json.dumps(told, separators=(",", ":")).encode(), b"", 0.0)
        return rig.run(argv)

    rig.phone.runner = full
    trial = rig.trial()
    assert (trial.status, trial.check, doubts(trial)) == ("ok", None, ["pass failed"])
    assert not any("--outputs" in word for word in trial.argv)


def test_nothing_is_asked_of_benchmark_model(rig: Rig, model: Model) -> None:
    kept = runtime.Kept(
        tool="benchmark_model", path="/b", abi="x86_64", libc="glibc", sha256="0" * 64,
        source="added",
    )  # fmt: skip
    planned = PlannedTrial(index=0, model="mine", config=Config(), repetition=0)
    assert rig.host.file_for(model, planned, rig.station.runners[0]) == OUTPUTS
    assert rig.host.file_for(model, planned, BenchmarkModel(kept, "x86_64", None)) is None
