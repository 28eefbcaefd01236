"""What this computer computes for a model, for a phone's outputs to be held against."""

from __future__ import annotations

import ast
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from ai_edge_litert import schema_py_generated as schema
from runners import run
from zoo_files import SmallGraph, write

from bench.records import Model, ModelSpec
from bench.runtime.inputs import seeded_input
from bench.zoo import archive, realize
from bench.zoo.reference import Reference, reference
from bench.zoo.schemes import SCHEMES

TINY = {"alpha": 0.25, "resolution": 32, "classes": 10}


def model_of(content: bytes, folder: Path) -> Model:
    """A user's file."""
    file = folder / "my model;$(id).tflite"
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Model(name="mine", path=str(file), sha256=digest, size_bytes=len(content))


def made(model: Model, folder: Path) -> Reference:
    found = reference(model, "ai-edge-litert", directory=folder / "cache")
    assert found.why_not is None
    return found


def told_by_the_runner(model: Model, folder: Path, **more: str) -> list[tuple[str, bytes]]:
    """The outputs of the native runner, with their types."""
    file = folder / "outputs"
    document = run(Path(model.path).read_bytes(), folder, outputs=str(file), **more)
    content, outputs = file.read_bytes(), []
    for told in document["outputs"]:
        outputs.append((told["type"], content[: told["bytes"]]))
        content = content[told["bytes"] :]
    return outputs


@pytest.mark.parametrize(
    "make",
    [
        tiny_models.conv_net,
        tiny_models.partly_delegated,
        tiny_models.int8_net,
        tiny_models.two_inputs,
        tiny_models.two_outputs,
        tiny_models.gather,
        lambda: tiny_models.conv_net(signature=False),
    ],
)
def test_the_runner_and_the_host_agree_on_a_user_s_file(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = model_of(make(), tmp_path)
    known = made(model, tmp_path)
    for delegate in ("xnnpack", "none"):
        outputs = told_by_the_runner(model, tmp_path, delegate=delegate)
        found = known.check(outputs, delegate)
        assert (found.reason, found.not_compared, found.inputs) == (None, None, 1)
        assert found.runtime == "ai-edge-litert"
        assert found.version
        others = [(kind, np.roll(np.frombuffer(raw, kind), 1).tobytes()) for kind, raw in outputs]
        assert known.check(others, delegate).reason is not None


def test_the_order_of_a_signature_does_not_matter(tmp_path: Path) -> None:
    """LiteRT keeps the order of the graph, as the host's interpreter does."""
    net = tiny_models.Builder()
    sources = net.tensor("z", [1, 4]), net.tensor("a", [1, 6])
    net.inputs = list(sources)
    for source, count in zip(sources, (4, 6), strict=True):
        shape = net.tensor(f"s{count}", [1], "int32", data=np.array([count], np.int32))
        net.outputs.append(net.tensor(f"o{9 - count}", [count]))
        options = schema.ReshapeOptionsT()
        options.newShape = [count]
        net.operator(
            schema.BuiltinOperator.RESHAPE,
            [source, shape],
            [net.outputs[-1]],
            (schema.BuiltinOptions.ReshapeOptions, options),
        )
    original = net._signature

    def turned():  # type: ignore[no-untyped-def]
        signature = original()
        signature.inputs, signature.outputs = signature.inputs[::-1], signature.outputs[::-1]
        return signature

    net._signature = turned  # type: ignore[method-assign]
    model = model_of(net.bytes(), tmp_path)
    outputs = told_by_the_runner(model, tmp_path)
    assert [len(raw) for _, raw in outputs] == [16, 24]
    assert made(model, tmp_path).check(outputs, "xnnpack").snr_db is None


@pytest.mark.parametrize("quantization", ["float32", *SCHEMES])
def test_every_scheme_of_the_zoo_passes_also_in_half_precision(
    quantization: str, tmp_path: Path
) -> None:
    spec = ModelSpec(family="mobilenet_v1", axes=TINY, quantization=quantization)
    model = realize(spec, tmp_path)
    known = made(model, tmp_path)
    for how in ({"threads": "2"}, {"delegate": "none"}, {"xnnpack_flags": "7"}):
        delegate = how.get("delegate", "xnnpack")
        outputs = told_by_the_runner(model, tmp_path, **how)
        found = known.check(outputs, delegate, half="xnnpack_flags" in how)
        assert (found.reason, found.not_compared) == (None, None), how


def test_quantized_reals_are_known_by_what_they_were_made_of(tmp_path: Path) -> None:
    steps = {}
    for io in ("float32", "int8"):
        axes = {**TINY, "io": io}
        spec = ModelSpec(family="mobilenet_v1", axes=axes, quantization="int8")
        known = made(realize(spec, tmp_path), tmp_path)
        steps[io] = known.steps
    assert steps["int8"] == (1.0,)
    assert 0 < steps["float32"][0] < 1
    assert made(model_of(tiny_models.conv_net(), tmp_path), tmp_path).steps == (0.0,)


def test_a_model_is_run_once_and_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    model = model_of(tiny_models.conv_net(), tmp_path)
    known = made(model, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in known.files.values()}
    assert set(known.files) == {"xnnpack", "none"}
    outputs = told_by_the_runner(model, tmp_path)
    assert made(model, tmp_path) == known
    assert before == {path: path.stat().st_mtime_ns for path in known.files.values()}
    path = known.files["xnnpack"]
    whole = path.read_bytes()
    entry, shape = whole.index(b"PK\1\2"), whole.index(b"'shape': (")
    for damaged in (
        whole[:-300],
        whole[: entry + 8] + b"\1" + whole[entry + 9 :],  # says that it is encrypted
        whole[: entry + 10] + b"\x63" + whole[entry + 11 :],  # packed in no known way
        whole[: entry + 10] + b"\x08" + whole[entry + 11 :],  # deflated
        whole[: shape + 10] + b"1e9, 99999999999999999999,),".ljust(20) + whole[shape + 30 :],
        whole[: shape + 10] + b"99999999999999, ), }" + whole[shape + 30 :],
    ):
        path.write_bytes(damaged)
        found = known.check(outputs, "xnnpack")
        assert found.not_compared == "the host's outputs that were kept can't be read"
        assert made(model, tmp_path).check(outputs, "xnnpack").not_compared is None


def test_no_two_phones_are_in_the_parser_of_python_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.11 ends one of two threads there with a SystemError."""
    path = tmp_path / "kept.npz"
    np.savez(path, **{str(number): np.zeros(4) for number in range(5)})
    parse, inside, most = ast.literal_eval, [0], [0]

    def slowly(text: str) -> object:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)  # which lets another thread in here
        inside[0] -= 1
        return parse(text)

    monkeypatch.setattr(ast, "literal_eval", slowly)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(archive.read, [path] * 8))
    assert all(len(arrays) == 5 for arrays in found)
    assert most == [1]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (tiny_models.unknown_op("No\x1b[31mOp"), r"the host can't run it: .*No \[31mOp"),
        (tiny_models.conv_net()[:2000], "damaged|can't run it"),
        (b"no model at all", "is not a TensorFlow Lite model"),
    ],
)
def test_what_the_host_can_t_run_is_not_the_phone_s_fault(
    content: bytes, why: str, tmp_path: Path
) -> None:
    known = reference(model_of(content, tmp_path), "ai-edge-litert", directory=tmp_path)
    found = known.check([("float32", b"\0\0\0\0")], "xnnpack")
    assert (found.reason, found.snr_db, found.inputs) == (None, None, 0)
    assert known.why_not is not None
    assert found.not_compared == known.why_not
    assert re.search(why, known.why_not)


def test_a_process_that_dies_or_lacks_the_runtime_is_not_the_phone_s_fault(tmp_path: Path) -> None:
    model = model_of(tiny_models.conv_net(), tmp_path)
    for script, why in (
        ("kill -SEGV $$", "the host can't run it: its process was ended by SIGSEGV"),
        ('echo \'{"no_runtime": "none"}\'', "The host runtime tflite-runtime can't be loaded"),
    ):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        known = reference(model, "tflite-runtime", directory=tmp_path, python=str(python))
        assert known.why_not is not None
        assert known.why_not.startswith(why)
    assert not list(tmp_path.glob("references/*"))


def test_a_model_with_a_memory_is_not_compared(tmp_path: Path) -> None:
    """The phone runs it thousands of times before its outputs are looked at."""
    graph = SmallGraph()
    x = graph.input(1, 8)
    memory = graph.tensor(1, 4, isVariable=True)
    weights, recurrent, bias = graph.const(4, 8), graph.const(4, 4), graph.const(4)
    operands = [x, weights, recurrent, bias, memory]
    graph.table.outputs = [graph.op("RNN", operands, 1, 4, options=schema.RNNOptionsT())]
    file = write(tmp_path / "memory.tflite", graph)
    known = reference(
        model_of(file.read_bytes(), tmp_path), "ai-edge-litert", directory=tmp_path / "cache"
    )
    assert known.why_not == "the host can't run it: it gives other outputs each time"


def test_outputs_that_are_too_large_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.zoo.reference.MOST_BYTES", 100)
    known = reference(
        model_of(tiny_models.conv_net(), tmp_path), "ai-edge-litert", directory=tmp_path
    )
    assert known.why_not == "the host can't run it: its outputs hold more than 100 bytes"


def test_a_type_that_is_none_is_not_compared(tmp_path: Path) -> None:
    known = made(model_of(tiny_models.conv_net(), tmp_path), tmp_path)
    for kind in ("bfloat16", "O", "f4,(", "no such type", "complex64"):
        found = known.check([(kind, b"\0" * 8)], "xnnpack")
        assert found.reason is None
        assert found.not_compared == "the phone tells of outputs of a type that can't be compared"
    assert known.check([("float32", b"\0" * 7)], "xnnpack").not_compared is not None


def test_the_inputs_are_those_of_the_runner(tmp_path: Path) -> None:
    known = made(model_of(tiny_models.passthrough("uint8"), tmp_path), tmp_path)
    content = seeded_input((35,), "uint8", 1, 0).tobytes()
    assert known.check([("uint8", content)], "xnnpack").reason is None
