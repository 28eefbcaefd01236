"""Models: asked for by name, written, found again, or given as files."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import ModelError
from bench.records import Model, ModelSpec, decode, encode
from bench.zoo import FAMILIES, check, families, family_named, realize
from bench.zoo.weights import fill_bell
from bench.zoo.writer import Graph


def spec(quantization: str = "float32", seed: int = 1, **axes: Any) -> ModelSpec:
    return ModelSpec(
        family="mobilenet_v1",
        axes={"alpha": 0.25, "resolution": 32} | axes,
        quantization=quantization,
        seed=seed,
    )


def test_importing_the_zoo_loads_neither_numpy_nor_a_runtime() -> None:
    code = (
        "import sys, bench.zoo; from bench.records import ModelSpec;"
        "bench.zoo.check(ModelSpec(family='mobilenet_v1', axes={'alpha': 0.5}));"
        "print({'numpy', 'ai_edge_litert', 'flatbuffers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_family_can_be_named_and_has_the_name_it_is_registered_under() -> None:
    assert families() == tuple(FAMILIES)
    assert [family_named(name).name for name in families()] == list(families())


def test_a_model_is_made_with_its_record(tmp_path: Path) -> None:
    model = realize(ModelSpec(family="mobilenet_v1", axes={"alpha": 0.25}), tmp_path)
    path = Path(model.path)
    assert model.name == "mobilenet_v1_0.25_224_float32"
    assert path.parent == tmp_path
    assert path.name.startswith("mobilenet_v1_0.25_224_float32-")
    assert path.stat().st_size == model.size_bytes
    assert hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    assert (model.family, model.alpha, model.resolution) == ("mobilenet_v1", 0.25, 224)
    assert (model.scale, model.groups, model.variant) == (None, None, None)
    assert (model.macs, model.macs_conv, model.params) == (41_030_272, 40_774_272, 467_336)
    assert decode(encode(model), Model) == model


@pytest.mark.parametrize(
    ("alpha", "macs_m", "params"),
    [(1.0, 569, 4_221_032), (0.75, 325, 2_577_352), (0.5, 149, 1_326_120), (0.25, 41, 467_336)],
)
def test_the_papers_widths_have_the_papers_complexity(
    alpha: float, macs_m: int, params: int, tmp_path: Path
) -> None:
    model = realize(ModelSpec(family="mobilenet_v1", axes={"alpha": alpha}), tmp_path)
    assert model.macs is not None
    assert model.macs // 10**6 in (macs_m, macs_m - 1)  # 568.74 is printed as 569
    assert abs(model.macs / 1e6 - macs_m) < 0.5
    assert model.params == params


def test_the_same_request_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    here = realize(spec(), tmp_path / "here")
    code = (
        "import sys, pathlib; from bench.zoo import realize; from bench.records import ModelSpec;"
        "print(realize(ModelSpec(family='mobilenet_v1', axes={'alpha': 0.25, 'resolution': 32}),"
        " pathlib.Path(sys.argv[1])).sha256)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert there.stdout.strip() == here.sha256


def test_another_seed_gives_other_weights_and_another_name(tmp_path: Path) -> None:
    one, two = realize(spec(), tmp_path), realize(spec(seed=2), tmp_path)
    assert one.sha256 != two.sha256
    assert (two.name, two.variant) == ("mobilenet_v1_0.25_32_seed2_float32", "seed=2")


def test_weights_are_these_numbers_whatever_the_numpy() -> None:
    out = np.empty(70_000, np.float32)
    fill_bell(out, 0.5, seed=1, stream=3)
    assert hashlib.sha256(out.tobytes()).hexdigest()[:16] == "141fbbbccca53dbc"
    assert abs(out.mean()) < 0.01
    assert abs(out.std() - 0.5) < 0.01


def test_a_model_is_made_once(tmp_path: Path) -> None:
    first = realize(spec(), tmp_path)
    written = Path(first.path).stat().st_mtime_ns
    assert realize(spec(), tmp_path) == first
    assert Path(first.path).stat().st_mtime_ns == written
    assert len(list(tmp_path.iterdir())) == 2


def test_a_cached_model_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    first = realize(spec(), tmp_path)
    path = Path(first.path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + b"oops")
    assert realize(spec(), tmp_path) == first
    assert path.read_bytes() == whole
    path.write_bytes(whole[:1000])
    assert realize(spec(), tmp_path) == first
    path.with_suffix(".json").write_text("{")
    assert realize(spec(), tmp_path) == first
    path.unlink()
    assert realize(spec(), tmp_path) == first


def _realize_small(directory: str) -> str:
    return realize(spec(), Path(directory)).sha256


def test_two_processes_may_make_the_same_model_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        hashes = pool.map(_realize_small, [str(tmp_path)] * 6)
    assert len(set(hashes)) == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".tflite"]


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"/file/sub/mobilenet.*can't be written: Not a directory"):
        realize(spec(), tmp_path / "file" / "sub")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"alfa": 1}, "mobilenet_v1 has no axis 'alfa'. Its axes are alpha, resolution"),
        ({"groups": 3}, "mobilenet_v1 has no axis 'groups'."),
        ({"alpha": 0}, "alpha = 0 makes no mobilenet_v1: it must be more than 0 and at most 4."),
        ({"alpha": -0.5}, "alpha = -0.5 makes no"),
        ({"alpha": float("nan")}, "alpha = nan makes no"),
        ({"alpha": float("inf")}, "alpha = inf makes no"),
        ({"alpha": "wide"}, "alpha = 'wide' makes no mobilenet_v1: it must be a number."),
        ({"alpha": True}, "alpha = True makes no mobilenet_v1: it must be a number."),
        ({"resolution": 0}, "resolution = 0 makes no mobilenet_v1: it must be a whole number from"),
        ({"resolution": 224.0}, "resolution = 224.0 makes no"),
        ({"resolution": True}, "resolution = True makes no"),
        ({"classes": -1}, "classes = -1 makes no"),
        ({"arch": "deep"}, "it must be one of paper, shallow, conv."),
    ],
)
def test_an_impossible_axis_is_refused_with_what_is_possible(
    axes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError) as refused:
        check(ModelSpec(family="mobilenet_v1", axes=axes))
    assert message in str(refused.value)


def test_an_unknown_family_or_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no family 'resnet'.*mobilenet_v1"):
        check(ModelSpec(family="resnet"))
    with pytest.raises(ModelError, match=r"no quantization 'int3'.*float32"):
        check(spec(quantization="int3"))
    with pytest.raises(ModelError, match="seed"):
        check(spec(seed=-1))


def test_a_whole_number_is_a_width_too(tmp_path: Path) -> None:
    assert realize(spec(alpha=1), tmp_path).name == "mobilenet_v1_1.0_32_float32"
    assert realize(spec(alpha=1), tmp_path) == realize(spec(alpha=1.0), tmp_path)


def test_options_stand_in_the_name_and_in_the_variant(tmp_path: Path) -> None:
    model = realize(spec(arch="shallow", classes=10), tmp_path)
    assert model.name == "mobilenet_v1_0.25_32_shallow_classes10_float32"
    assert model.variant == "arch=shallow,classes=10"


def test_the_published_errors_ride_on_the_model(tmp_path: Path) -> None:
    printed = realize(ModelSpec(family="mobilenet_v1", axes={"alpha": 0.25}), tmp_path).published
    assert (49.4, 41) in {(one.top1_error_pct, one.macs_m) for one in printed}
    assert all("arXiv" in one.source for one in printed if one.top1_error_pct == 49.4)
    assert realize(spec(), tmp_path).published == ()
    assert realize(spec(resolution=224, classes=10), tmp_path).published == ()


@pytest.mark.parametrize(
    "stem", ["a b;touch x$(id)", "quote'\"", "new\nline", "überfall", "x" * 200]
)
def test_a_users_file_keeps_its_name_whatever_stands_in_it(stem: str, tmp_path: Path) -> None:
    made = realize(spec(), tmp_path / "cache")
    file = tmp_path / f"{stem}.tflite"
    file.write_bytes(Path(made.path).read_bytes())
    model = realize(ModelSpec(file=str(file)), tmp_path / "cache")
    assert (model.name, model.path, model.family) == (stem, str(file), None)
    assert (model.sha256, model.macs, model.params) == (made.sha256, made.macs, made.params)
    assert decode(encode(model), Model) == model


def test_a_file_name_that_is_no_text_still_fits_into_a_record(tmp_path: Path) -> None:
    made = realize(spec(), tmp_path / "cache")
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.tflite"))
    file.write_bytes(Path(made.path).read_bytes())
    model = decode(encode(realize(ModelSpec(file=str(file)), tmp_path / "cache")), Model)
    assert model.name == "caf�"
    assert hashlib.sha256(Path(model.path).read_bytes()).hexdigest() == made.sha256


def test_axes_cannot_be_chosen_for_a_file() -> None:
    with pytest.raises(ModelError, match="'alpha' can't be chosen for a model that is given"):
        check(ModelSpec(file="x.tflite", axes={"alpha": 1.0}))


def test_logits_are_of_a_size_that_shows_quantization_errors(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for alpha in (0.25, 1.0):
        model = realize(ModelSpec(family="mobilenet_v1", axes={"alpha": alpha}), tmp_path)
        interpreter = Interpreter(model_path=model.path)
        runner = interpreter.get_signature_runner("serving_default")
        image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
        logits = runner(input=image)["output"][0]
        assert logits.shape == (1000,)
        assert np.isfinite(logits).all()
        assert 0.05 < logits.std() < 5


def test_the_writer_refuses_what_does_not_divide_or_fit() -> None:
    graph = Graph("x", seed=1)
    image = graph.input((1, 4, 4, 3))
    with pytest.raises(ModelError, match="3 and 4 channels can't both be divided into 2 groups"):
        graph.conv(image, 4, groups=2)
    with pytest.raises(ModelError, match="A 4x4 map is too small for a 5x5 window"):
        graph.conv(image, 4, 5, padding="valid")


def test_a_network_that_no_file_can_hold_is_refused_before_it_is_made(tmp_path: Path) -> None:
    spec = ModelSpec(family="vgg16", axes={"resolution": 4096})
    with pytest.raises(ModelError, match=r"The weights of vgg16_4096_float32 would take \d+ bytes"):
        realize(spec, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, new = tmp_path / ".making-old", tmp_path / ".making-new"
    for left in (old, new):
        left.write_text("half")
    os.utime(old, (0, 0))
    realize(spec(), tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


def test_weights_lie_where_they_can_be_used_in_place(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(Path(realize(spec(), tmp_path).path).read_bytes())
    tables = [model.Buffers(i) for i in range(model.BuffersLength())]
    starts = [table._tab.Vector(table._tab.Offset(4)) for table in tables if table.DataLength()]
    assert len(starts) == len(tables) - 1  # the first buffer is the empty one
    assert all(start % 16 == 0 for start in starts)
