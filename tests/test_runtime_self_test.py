"""The self-test that decides whether a phone is measured with the own runner."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from runners import document, host_binaries, start

from bench.runtime import judge_self_test, self_test_argv, self_test_model
from bench.runtime.inputs import seeded_input
from bench.runtime.self_test import _OUTPUT_CRC32

CAPTURES = Path(__file__).parents[2] / "shared" / "phone_captures" / "device_errors"


def convolved() -> np.ndarray[Any, Any]:
    """What the model computes, by its definition."""
    image = seeded_input((5, 5), np.int32, 1, 0).astype(np.float32)
    padded = np.pad(image, 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    sums = np.einsum("ijkl,ckl->ijc", windows, tiny_models.EXACT_WEIGHTS[..., 0])
    return np.maximum(sums + tiny_models.EXACT_BIAS, 0)[None].astype(np.float32)


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    """What the runner tells of the self-test on this machine."""
    return document(ran(tmp_path))


def ran(folder: Path, **other: str) -> Any:
    model = folder / "model.tflite"
    model.write_bytes(self_test_model())
    binaries = host_binaries()
    paths = {"library": str(binaries.library), "model": str(model)} | other
    return start(self_test_argv(runner=str(binaries.runner), **paths)[1:])


def printed(told: dict[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


def test_the_model_is_the_one_of_the_tests_and_its_result_is_numpys() -> None:
    assert self_test_model() == tiny_models.exact()
    assert f"{zlib.crc32(convolved().tobytes()):08x}" == _OUTPUT_CRC32
    assert len(set(convolved().ravel())) > 5


def test_a_working_runner_is_fit(tmp_path: Path) -> None:
    done = ran(tmp_path)
    assert judge_self_test(done.stdout, done.stderr, done.returncode) is None


def test_the_builtin_kernels_give_the_same_bytes(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(self_test_model())
    given = self_test_argv(runner="/r", library=str(host_binaries().library), model=str(model))
    done = start([word.replace("xnnpack", "none") for word in given[1:]])
    assert judge_self_test(done.stdout, done.stderr, done.returncode) is None


def test_a_wrong_result_is_named(told: dict[str, Any]) -> None:
    told["outputs"][0]["crc32"] = "01234567"
    reason = judge_self_test(printed(told), b"", 0)
    assert reason is not None
    assert "wrong result" in reason
    assert "01234567" in reason


def test_no_output_is_a_wrong_result(told: dict[str, Any]) -> None:
    assert "of nothing" in (judge_self_test(printed(told | {"outputs": []}), b"", 0) or "")


def test_a_library_that_does_not_load_is_the_reason(tmp_path: Path) -> None:
    done = ran(tmp_path, library="/no/libLiteRt.so")
    reason = judge_self_test(done.stdout, done.stderr, done.returncode)
    assert reason is not None
    assert "/no/libLiteRt.so" in reason


def test_a_runner_of_another_version_is_not_fit(told: dict[str, Any]) -> None:
    reason = judge_self_test(printed(told), b"", 0, runner_version="9.9.9")
    assert reason is not None
    assert "9.9.9 was meant to run" in reason


@pytest.mark.parametrize(
    ("stderr", "exit_code"),
    [
        (b'CANNOT LINK EXECUTABLE "/data/local/tmp/r": library "libc++_shared.so" not found', 1),
        (b"/system/bin/sh: /data/local/tmp/r: not executable: 64-bit ELF file", 126),
        (b"error: only position independent executables (PIE) are supported.", 1),
        (b"Segmentation fault", 139),
        (b"Illegal instruction", 132),
        (b"/system/bin/sh: /data/local/tmp/r: can't execute: Permission denied", 126),
    ],
)
def test_what_the_phone_said_is_the_reason(stderr: bytes, exit_code: int) -> None:
    reason = judge_self_test(b"", stderr, exit_code)
    assert reason is not None
    assert stderr.decode() in reason


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures of phones are not here")
def test_every_captured_linker_error_is_quoted_as_the_reason() -> None:
    lines = (CAPTURES / "linker_and_exec.txt").read_text().splitlines()
    said = [line.split(" | ")[1] for line in lines if " | " in line][1:]
    assert len(said) > 15
    for line in said:
        reason = judge_self_test(b"", line.encode(), 1)
        assert reason is not None
        assert " ".join(line.split()) in reason
