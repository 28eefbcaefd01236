"""What a model computes and holds, counted from any file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.errors import ModelError
from bench.records import ModelSpec
from bench.zoo import realize
from bench.zoo.complexity import count


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small but whole model."""
    spec = ModelSpec(family="mobilenet_v1", axes={"alpha": 0.25, "resolution": 32, "classes": 10})
    return Path(realize(spec, tmp_path_factory.mktemp("tiny")).path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no model file '.*gone.tflite'. Check the path"):
        count(tmp_path / "gone.tflite")


def test_an_empty_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "e.tflite").write_bytes(b"")
    with pytest.raises(ModelError, match=r"e.tflite' is empty. Convert or download"):
        count(tmp_path / "e.tflite")


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"\x08\x01\x12\x0bonnx-writer" * 10)
    with pytest.raises(ModelError, match=r"model.tflite' is not a TensorFlow Lite model"):
        count(tmp_path / "model.tflite")


def test_folders_pipes_and_names_with_a_null_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path, "is not a file"),
        (tmp_path / "pipe", "is not a file"),
        (Path("/dev/zero"), "is not a file"),
        (Path("a\0b"), "can't be read"),
        (tmp_path / ("x" * 300), "can't be read"),
    ]:
        with pytest.raises(ModelError, match=message):
            count(path)


def test_a_cut_file_is_an_error_wherever_it_is_cut(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    cut = tmp_path / "cut.tflite"
    for size in (*range(1, 64), 1000, len(whole) // 2, len(whole) - 20_000, len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"cut.tflite' is"):
            count(cut)


def test_the_count_of_a_small_model_is_right(tiny: Path) -> None:
    counted = count(tiny)
    assert counted.ops == {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 13, "MEAN": 1, "FULLY_CONNECTED": 1}
    assert counted.macs is not None
    assert counted.macs_conv is not None
    assert counted.macs - counted.macs_conv == 256 * 10
    assert counted.params - counted.params_without_classifier == 256 * 10 + 10
    assert counted.weight_bytes == {"float32": 4 * counted.params, "int32": 8}
    assert sum(layer.macs or 0 for layer in counted.layers) == counted.macs
    assert counted.signatures == {"serving_default": counted.macs}
    # The widest pair of neighbours: 16 x 16 x 8 in, 16 x 16 x 16 out of the second pointwise.
    assert counted.peak_activation_bytes == 4 * 16 * 16 * (8 + 16)
