"""Models made smaller, and held against what they were made of."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from zoo_files import SmallGraph, write

from bench.errors import ModelError
from bench.records import Check, Model, ModelSpec, decode, encode
from bench.zoo import check, parent_of, realize, verify
from bench.zoo.schemes import SCHEMES, choose

TINY = {"alpha": 0.25, "resolution": 32, "classes": 10}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here: quantizing takes half a second."""
    return tmp_path_factory.mktemp("zoo")


def spec(quantization: str, **axes: Any) -> ModelSpec:
    return ModelSpec(family="mobilenet_v1", axes={**TINY, **axes}, quantization=quantization)


def made(quantization: str, folder: Path, **axes: Any) -> tuple[Model, Model]:
    """A quantized model and its float parent."""
    wanted = spec(quantization, **axes)
    parent = parent_of(wanted)
    assert parent is not None
    return realize(wanted, folder), realize(parent, folder)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_gives_a_smaller_model_that_computes_the_same(
    scheme: str, folder: Path
) -> None:
    model, parent = made(scheme, folder)
    assert model.name == f"mobilenet_v1_0.25_32_classes10_{scheme}"
    assert (model.family, model.alpha, model.quantization) == ("mobilenet_v1", 0.25, scheme)
    assert model.size_bytes < 0.7 * parent.size_bytes
    assert (model.macs, model.macs_conv) == (parent.macs, parent.macs_conv)
    assert model.params == parent.params
    assert model.recipe is not None
    assert model.recipe.startswith(choose(scheme, {}).recipe)  # type: ignore[union-attr]
    found = verify(model, parent, directory=folder)
    assert found.reason is None
    assert (found.runtime, found.inputs) == ("ai-edge-litert", 3)
    assert found.version
    assert found.snr_db is not None
    assert found.snr_db > SCHEMES[scheme].least_snr_db


def test_float32_has_no_parent_and_every_scheme_has() -> None:
    assert parent_of(spec("float32")) is None
    assert parent_of(spec("int8", io="int8")) == spec("float32")


def test_a_quantized_model_is_made_once_and_the_same_each_time(
    folder: Path, tmp_path: Path
) -> None:
    model, _ = made("int8", folder)
    written = Path(model.path).stat().st_mtime_ns
    assert made("int8", folder)[0] == model
    assert Path(model.path).stat().st_mtime_ns == written
    assert made("int8", tmp_path)[0].sha256 == model.sha256


def test_inputs_and_outputs_are_real_numbers_unless_asked_otherwise(folder: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for io, kind in (("float32", np.float32), ("int8", np.int8)):
        model, parent = made("int8", folder, io=io)
        interpreter = Interpreter(model_path=model.path)
        assert interpreter.get_input_details()[0]["dtype"] == kind
        assert interpreter.get_output_details()[0]["dtype"] == kind
        assert model.name.endswith("_int8" if io == "float32" else "_int8_io_int8")
        assert f"{io} inputs and outputs" in str(model.recipe)
        assert verify(model, parent, directory=folder).ok


def test_pictures_calibrate_when_they_are_given(folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    noise = np.random.default_rng(1)
    for n in range(2):
        pixels = noise.integers(0, 255, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"{n}.png")
    np.save(pictures / "3.npy", noise.uniform(0, 1, (1, 32, 32, 3)).astype(np.float32))
    model, parent = made("int8", folder, calibration=str(pictures))
    assert model.name.endswith("_int8_pictures")
    assert "calibrated on 3 pictures" in str(model.recipe)
    assert model.sha256 != made("int8", folder)[0].sha256
    assert verify(model, parent, directory=folder).ok
    (pictures / "3.npy").unlink()
    assert made("int8", folder, calibration=str(pictures))[0].sha256 != model.sha256


def test_a_calibration_folder_without_pictures_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no pictures"):
        made("int8", folder, calibration=str(tmp_path))
    with pytest.raises(ModelError, match="can't be read: No such file"):
        made("int8", folder, calibration=str(tmp_path / "gone"))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ModelError, match=r"can't be quantized to int8: UnidentifiedImageError"):
        made("int8", folder, calibration=str(tmp_path))


@pytest.mark.parametrize(
    ("quantization", "options", "message"),
    [
        ("int8", {"recipe": "magic"}, "int8 has no recipe 'magic'. It has static."),
        ("int8", {"io": "int16"}, "int8 has no io 'int16'. It has float32, int8."),
        ("float16", {"io": "int8"}, "float16 has no io 'int8'. It has float32."),
        ("float16", {"calibration": "pictures"}, "float16 needs no calibration."),
        ("int8", {"calibration": 5}, "calibration = 5 is neither noise nor a folder."),
        ("float32", {"recipe": "static"}, "float32 has no recipe."),
    ],
)
def test_an_option_that_a_scheme_lacks_is_refused_with_what_it_has(
    quantization: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError) as refused:
        check(spec(quantization, **options))
    assert message in str(refused.value)


def test_a_user_s_float_file_is_quantized_too(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "my model;$(id).tflite"
    file.write_bytes(Path(realize(spec("float32"), folder).path).read_bytes())
    wanted = ModelSpec(file=str(file), quantization="int8")
    model = realize(wanted, folder)
    assert (model.name, model.family) == ("my model;$(id)_int8", None)
    assert Path(model.path).parent == folder
    assert model.size_bytes < file.stat().st_size / 2
    parent = parent_of(wanted)
    assert parent is not None
    assert verify(model, realize(parent, folder)).ok
    assert decode(encode(model), Model) == model


def test_a_file_without_a_signature_is_calibrated_too(folder: Path, tmp_path: Path) -> None:
    graph = SmallGraph()
    x = graph.op("FULLY_CONNECTED", [graph.input(1, 64), graph.const(32, 64)], 1, 32)
    graph.table.outputs = [x]
    # Numbers of all signs, so that sums stay small.
    weights = np.random.default_rng(1).normal(size=(32 * 64)).astype(np.float32)
    graph.constants[1] = weights
    file = write(tmp_path / "plain.tflite", graph)
    wanted = ModelSpec(file=str(file), quantization="int8")
    parent = parent_of(wanted)
    assert parent is not None
    assert verify(realize(wanted, folder), realize(parent, folder)).ok


def test_a_file_that_is_quantized_already_is_refused(folder: Path) -> None:
    for scheme in ("int8", "float16"):
        model, _ = made(scheme, folder)
        with pytest.raises(ModelError, match=r"can't be quantized: it holds .* weights. Give the"):
            realize(ModelSpec(file=model.path, quantization="int8"), folder)


def test_a_model_that_the_quantizer_cannot_take_is_an_error(folder: Path, tmp_path: Path) -> None:
    graph = SmallGraph()
    x = graph.op("CUSTOM:Mystery", [graph.input(1, 64), graph.const(32, 64)], 1, 32)
    graph.table.outputs = [x]
    file = write(tmp_path / "strange.tflite", graph)
    with pytest.raises(ModelError, match=r"'strange.tflite' can't be quantized to int8: "):
        realize(ModelSpec(file=str(file), quantization="int8"), folder)
    assert not [path for path in folder.iterdir() if path.name.startswith(".making-")]


def runtime_that_answers(tmp_path: Path, first: str, second: str) -> str:
    """A Python whose process keeps these outputs (NumPy expressions): first parent, then model."""
    counter = tmp_path / "asked"
    script = tmp_path / "answer.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "import numpy as np\n"
        "request = json.loads(sys.argv[-1])\n"
        f"asked = pathlib.Path({str(counter)!r})\n"
        f"kept = eval({first!r} if not asked.exists() else {second!r})\n"
        "asked.touch()\n"
        "np.savez(open(request['output'], 'wb'), **kept)\n"
        "print(json.dumps({'version': '2.14.0'}))\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    python.chmod(0o755)
    return str(python)


WAVES = "{f'{n}.0': np.sin(np.arange(10.) + n) for n in range(3)}"


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ("{f'{n}.0': np.zeros(10) for n in range(3)}", "nothing but zeros"),
        ("{f'{n}.0': np.full(10, 0.01) for n in range(3)}", "the same whatever its inputs are"),
        ("{f'{n}.0': np.full(10, np.nan) for n in range(3)}", "NaN or infinity"),
        ("{f'{n}.0': np.full(10, np.inf) for n in range(3)}", "NaN or infinity"),
        ("{f'{n}.0': np.cos(np.arange(10.) + 9 * n) for n in range(3)}", "signal-to-noise ratio"),
        ("{f'{n}.0': np.ones(9) for n in range(3)}", "have other shapes"),
        ("{}", "have other shapes"),
    ],
)
def test_a_model_that_computes_something_else_is_found_out(
    outputs: str, reason: str, folder: Path, tmp_path: Path
) -> None:
    model, parent = made("dynamic_int8", folder)
    python = runtime_that_answers(tmp_path, WAVES, outputs)
    found = verify(model, parent, "tflite-runtime", python=python)
    assert reason in str(found.reason)
    assert not found.ok
    assert (found.runtime, found.version) == ("tflite-runtime", "2.14.0")


def test_a_model_that_computes_the_same_is_not(folder: Path, tmp_path: Path) -> None:
    model, parent = made("dynamic_int8", folder)
    python = runtime_that_answers(tmp_path, WAVES, WAVES)
    found = verify(model, parent, "tflite-runtime", python=python)
    assert found == Check(
        runtime="tflite-runtime", version="2.14.0", inputs=3, snr_db=None, top1_agreement=1.0
    )


def test_a_model_that_crashes_is_found_out(folder: Path, tmp_path: Path) -> None:
    model, parent = made("int4", folder)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho INFO: hello >&2\nkill -SEGV $$\n")
    python.chmod(0o755)
    found = verify(model, parent, "tflite-runtime", python=str(python))
    assert found.reason == (
        "its float parent doesn't run on tflite-runtime: its process was ended by SIGSEGV"
    )


def test_a_model_that_the_runtime_refuses_is_found_out_with_its_words(
    folder: Path, tmp_path: Path
) -> None:
    _, parent = made("int4", folder)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(Path(parent.path).read_bytes()[:3000])
    found = verify(msgspec.structs.replace(parent, path=str(broken)), parent)
    assert str(found.reason).startswith("it doesn't run on ai-edge-litert: ")


def test_what_was_found_right_is_remembered_and_what_was_wrong_is_not(
    folder: Path, tmp_path: Path
) -> None:
    model, parent = made("dynamic_int8", folder)
    bad = runtime_that_answers(tmp_path, WAVES, "{}")
    first = verify(model, parent, "tflite-runtime", python=bad, directory=tmp_path)
    assert not first.ok
    (tmp_path / "asked").unlink()
    good = runtime_that_answers(tmp_path, WAVES, WAVES)
    assert verify(model, parent, "tflite-runtime", python=good, directory=tmp_path).ok
    Path(good).write_text("#!/bin/sh\nexit 1\n")
    assert verify(model, parent, "tflite-runtime", python=good, directory=tmp_path).ok
