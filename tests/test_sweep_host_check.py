"""Outputs of a virtual phone, by the real runner and the real adb, held against this computer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from bench import device, engine, store, virtual
from bench import sweep as sweeps
from bench.device import AdbPhone, AdbServer, Finished
from bench.records import Trial
from bench.trial.host_check import OUTPUTS
from bench.virtual import VirtualPhone

SWEEP = """\
name = "outputs"
repetitions = 2
[[models]]
files = "net.tflite"
[[models]]
family = "mobilenet_v1"
alpha = 0.25
resolution = 32
classes = 10
quantization = ["float32", "int8"]
[config]
xnnpack = ["default", "fp16"]
[precision]
interval = 0
min_samples = 1
max_samples = 1
warmup_max_seconds = 0
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with pytest.MonkeyPatch.context() as patch, device.private_server() as running:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield running


@pytest.fixture(scope="module")
def phone(server: AdbServer) -> Iterator[VirtualPhone]:
    with virtual.booted() as booted:
        server.connect_tcp(booted.serial)
        yield booted


class Miscomputing:
    """A phone that computes the outputs of other inputs than it was told to."""

    def __init__(self, phone: AdbPhone) -> None:
        self._phone = phone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._phone, name)

    def run(self, argv: Sequence[str], **how: Any) -> Finished:
        if not any("/selftest-" in word for word in argv):
            argv = [word.replace("--seed=1", "--seed=2") for word in argv]
        return self._phone.run(argv, **how)


def run(phone: Any, folder: Path, serial: str) -> list[Trial]:
    (folder / "net.tflite").write_bytes(tiny_models.conv_net())
    (folder / "outputs.toml").write_text(SWEEP)
    outcome = engine.run_sweep(
        sweeps.load(folder / "outputs.toml"),
        [serial],
        connect=lambda _: phone,
        results=folder / "results",
    )
    return list(store.read_trials(outcome.path))


def doubted(trials: Sequence[Trial]) -> list[str]:
    kinds = {"outputs differ from host", "pass failed"}
    return [doubt.kind for trial in trials for doubt in trial.doubts if doubt.kind in kinds]


def test_a_phone_that_computes_what_the_host_computes_is_not_doubted(
    phone: VirtualPhone, server: AdbServer, tmp_path: Path
) -> None:
    trials = run(device.connect(phone.serial, server), tmp_path, phone.serial)
    assert [trial.status for trial in trials] == ["ok"] * 12
    assert doubted(trials) == []
    for trial in trials:
        assert trial.check is not None
        assert (trial.check.inputs, trial.check.not_compared) == (1, None)
        asked = any("--outputs" in word for word in trial.argv)
        assert asked == (trial.repetition == 0)
    again = device.connect(phone.serial, server)  # a sweep ends what runs over its connection
    assert again.run(["test", "-e", OUTPUTS], deadline_s=20).exit_code == 1


def test_a_phone_that_computes_something_else_is_doubted_in_every_trial(
    phone: VirtualPhone, server: AdbServer, tmp_path: Path
) -> None:
    trials = run(Miscomputing(device.connect(phone.serial, server)), tmp_path, phone.serial)
    assert [trial.status for trial in trials] == ["ok"] * 12
    exact = [trial for trial in trials if trial.config.xnnpack == "default"]
    assert doubted(exact) == ["outputs differ from host"] * 6
