"""Networks compute what they should: against NumPy, and on every host runtime there is."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.errors import ModelError
from bench.records import ModelSpec
from bench.runtime.inputs import seeded_input
from bench.zoo import FAMILIES, family_named, realize
from bench.zoo.host import PYTHON_VARIABLE, HostRuntime, run_once
from bench.zoo.writer import Graph, Tensor

Array = NDArray[Any]


def run(path: Path, x: Array) -> Array:
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    output: Array = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output


def one_layer(path: Path, channels: int, layer: Callable[[Graph, Tensor], Tensor]) -> Path:
    graph = Graph("one", seed=3)
    path.write_bytes(graph.finish(layer(graph, graph.input((1, 7, 6, channels)))))
    return path


class Layer:
    """The first convolution of a file, as its bytes say."""

    def __init__(self, path: Path) -> None:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
        (graph,) = model.subgraphs
        convolution = schema.BuiltinOperator.CONV_2D
        (op,) = [
            op
            for op in graph.operators
            if model.operatorCodes[op.opcodeIndex].builtinCode == convolution
        ]
        self._model, self._graph = model, graph
        self.x, self.weights, self.bias, self.y = (
            graph.tensors[index] for index in (*op.inputs, *op.outputs)
        )

    def values(self, tensor: Any, dtype: Any) -> Array:
        data = self._model.buffers[tensor.buffer].data
        return np.frombuffer(bytes(data), dtype).reshape(tensor.shape)

    def scale(self, tensor: Any) -> Array:
        return np.asarray(tensor.quantization.scale, np.float64)

    def zero(self, tensor: Any) -> int:
        return int(tensor.quantization.zeroPoint[0])


def grouped_convolution(x: Array, weights: Array, groups: int, pad: float = 0) -> Array:
    """Every output channel, one after the other, from the channels of its own group."""
    out_channels, height, width, depth = weights.shape
    top, left = (height - 1) // 2, (width - 1) // 2
    padded = np.full((x.shape[1] + height - 1, x.shape[2] + width - 1, x.shape[3]), pad, x.dtype)
    padded[top : top + x.shape[1], left : left + x.shape[2]] = x[0]
    y = np.zeros((1, x.shape[1], x.shape[2], out_channels), x.dtype)
    for channel in range(out_channels):
        group = channel // (out_channels // groups)
        part = padded[:, :, group * depth : (group + 1) * depth]
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                window = part[row : row + height, column : column + width]
                y[0, row, column, channel] = (window * weights[channel]).sum()
    return y


CASES = [
    (groups, kernel, inputs, outputs)
    for groups in (1, 2, 3, 4, 8)
    for kernel in (1, 3)
    for inputs, outputs in ((24, 48), (48, 24))
]


@pytest.mark.parametrize(("groups", "kernel", "inputs", "outputs"), CASES)
def test_a_grouped_convolution_computes_what_numpy_does(
    groups: int, kernel: int, inputs: int, outputs: int, tmp_path: Path
) -> None:
    path = one_layer(
        tmp_path / "m.tflite",
        inputs,
        lambda graph, x: graph.conv(x, outputs, kernel, groups=groups, activation=None),
    )
    x = np.random.default_rng(1).normal(size=(1, 7, 6, inputs)).astype(np.float32)
    layer = Layer(path)
    weights = layer.values(layer.weights, np.float32).astype(np.float64)
    assert weights.shape == (outputs, kernel, kernel, inputs // groups)
    expected = grouped_convolution(x.astype(np.float64), weights, groups)
    expected += layer.values(layer.bias, np.float32)
    np.testing.assert_allclose(run(path, x), expected, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 3, 8])
def test_a_grouped_convolution_in_int8_computes_what_integers_do(
    groups: int, tmp_path: Path
) -> None:
    file = one_layer(
        tmp_path / "m.tflite",
        24,
        lambda graph, x: graph.conv(x, 48, 3, groups=groups, activation=None),
    )
    spec = ModelSpec(file=str(file), quantization="int8", axes={"io": "int8"})
    path = Path(realize(spec, tmp_path).path)
    layer = Layer(path)
    x = np.random.default_rng(1).integers(-128, 128, (1, 7, 6, 24)).astype(np.int8)
    centred = x.astype(np.int64) - layer.zero(layer.x)
    weights = layer.values(layer.weights, np.int8).astype(np.int64)
    sums = grouped_convolution(centred, weights, groups) + layer.values(layer.bias, np.int32)
    steps = sums * layer.scale(layer.x) * layer.scale(layer.weights) / layer.scale(layer.y)
    expected = np.clip(np.round(steps) + layer.zero(layer.y), -128, 127)
    assert np.abs(run(path, x) - expected).max() <= 1  # kernels round in their own way


@pytest.mark.parametrize("groups", [2, 3, 4, 8])
def test_a_channel_shuffle_moves_channels_as_numpy_does(groups: int, tmp_path: Path) -> None:
    path = one_layer(tmp_path / "m.tflite", 24, lambda graph, x: graph.shuffle(x, groups))
    x = np.random.default_rng(1).normal(size=(1, 7, 6, 24)).astype(np.float32)
    expected = np.empty_like(x)
    for channel in range(24):
        group, place = divmod(channel, 24 // groups)
        expected[..., place * groups + group] = x[..., channel]
    np.testing.assert_array_equal(run(path, x), expected)


def test_a_channel_shuffle_in_int8_moves_bytes_and_changes_none(tmp_path: Path) -> None:
    def plain(graph: Graph, x: Tensor) -> Tensor:
        return graph.conv(x, 24, activation=None)

    def mixed(graph: Graph, x: Tensor) -> Tensor:
        return graph.shuffle(plain(graph, x), 3)

    files = one_layer(tmp_path / "a.tflite", 24, plain), one_layer(tmp_path / "b.tflite", 24, mixed)
    x = np.random.default_rng(1).integers(-128, 128, (1, 7, 6, 24)).astype(np.int8)
    made = [
        realize(ModelSpec(file=str(f), quantization="int8", axes={"io": "int8"}), tmp_path)
        for f in files
    ]
    before, after = (run(Path(model.path), x) for model in made)
    np.testing.assert_array_equal(
        after, before.reshape(1, 7, 6, 3, 8).swapaxes(3, 4).reshape(1, 7, 6, 24)
    )


def test_split_convolutions_are_the_grouped_one(tmp_path: Path) -> None:
    """Same structure, other weights: as many MACs and parameters, in other operators."""
    axes = {"scale": 0.25, "groups": 3, "resolution": 64}
    native = realize(ModelSpec(family="shufflenet_v1", axes=axes), tmp_path)
    split = realize(ModelSpec(family="shufflenet_v1", axes={**axes, "grouped": "split"}), tmp_path)
    assert (native.macs, native.params) == (split.macs, split.params)
    assert run_once(Path(split.path)).ok


def test_a_pool_made_of_a_convolution_counts_nothing_more(tmp_path: Path) -> None:
    axes = {"scale": 0.25, "groups": 3, "resolution": 64}
    pooled = realize(ModelSpec(family="shufflenet_v1", axes=axes), tmp_path)
    spec = ModelSpec(family="shufflenet_v1", axes={**axes, "pool": "depthwise"})
    for quantization in ("float32", "float16", "int8"):
        other = realize(
            ModelSpec(family="shufflenet_v1", axes=spec.axes, quantization=quantization), tmp_path
        )
        assert (other.macs, other.macs_conv, other.params) == (
            pooled.macs,
            pooled.macs_conv,
            pooled.params,
        )


def runtimes() -> list[HostRuntime]:
    """Those that this machine has: tflite-runtime may live in another Python."""
    has_old = PYTHON_VARIABLE in os.environ or importlib.util.find_spec("tflite_runtime")
    return ["ai-edge-litert", "tflite-runtime"] if has_old else ["ai-edge-litert"]


SMALL: dict[str, dict[str, Any]] = {
    "mobilenet_v1": {"alpha": 0.25, "resolution": 33},
    "mobilenet_v2": {"alpha": 0.35, "resolution": 33},
    "mobilenet_v3": {"arch": "small", "alpha": 0.35, "resolution": 33},
    "shufflenet_v1": {"scale": 0.25, "groups": 8, "resolution": 33},
    "shufflenet_v2": {"scale": 0.5, "resolution": 33},
    "vgg16": {"resolution": 32},
    "resnet101": {"resolution": 33},
    "inception_v2": {"resolution": 33},
    "inception_v3": {"resolution": 75},
    "inception_resnet_v2": {"resolution": 75},
}


def test_every_family_is_run() -> None:
    assert SMALL.keys() == FAMILIES.keys()


@pytest.mark.parametrize("runtime", runtimes())
@pytest.mark.parametrize("family", SMALL)
def test_each_family_runs_at_a_small_odd_resolution_with_any_number_of_classes(
    family: str, runtime: HostRuntime, tmp_path: Path
) -> None:
    model = realize(ModelSpec(family=family, axes={**SMALL[family], "classes": 7}), tmp_path)
    ran = run_once(Path(model.path), runtime=runtime)
    assert ran.error is None
    (output,) = ran.outputs
    assert output.bytes == 7 * 4
    assert output.sum is not None
    Path(model.path).unlink()


@pytest.mark.parametrize("family", [name for name in SMALL if "net" in name and name[0] in "ms"])
def test_mobile_networks_have_logits_that_show_what_quantization_does(
    family: str, tmp_path: Path
) -> None:
    """Neither vanishing nor one logit that drowns the others."""
    model = realize(ModelSpec(family=family), tmp_path)
    logits = run(Path(model.path), seeded_input((1, 224, 224, 3), np.float32, 1, 0))[0]
    likelihood = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert 0.05 < logits.std() < 5
    assert likelihood.max() < 0.5


@pytest.mark.parametrize(
    ("family", "least"), [("vgg16", 32), ("inception_v3", 75), ("inception_resnet_v2", 75)]
)
def test_a_picture_that_is_too_small_for_a_network_is_refused_at_once(
    family: str, least: int
) -> None:
    with pytest.raises(ModelError, match=f"resolution = {least - 1} makes no {family}"):
        family_named(family).values({"resolution": least - 1})
    network = family_named(family)
    values = network.values({"resolution": least, "classes": 2})
    assert network.build(Graph("small", seed=1), **values).shape == (1, 2)
    with pytest.raises(ModelError, match="is too small for a"):
        network.build(Graph("small", seed=1), **{**values, "resolution": least - 1})


SIZES = {
    "mobilenet_v1": "alpha",
    "mobilenet_v2": "alpha",
    "mobilenet_v3": "alpha",
    "shufflenet_v1": "scale",
}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_not_refused_can_be_built(data: st.DataObject) -> None:
    """Any width, with any of the other values."""
    name = data.draw(st.sampled_from(sorted(SIZES)))
    family = family_named(name)
    axes: dict[str, Any] = {
        SIZES[name]: data.draw(st.floats(0.001, 0.6)),
        "resolution": data.draw(st.integers(1, 40)),
        "classes": data.draw(st.integers(1, 20)),
    }
    if name == "shufflenet_v1":
        axes["groups"] = data.draw(st.sampled_from([1, 2, 3, 4, 8]))
        axes["arch"] = data.draw(st.sampled_from(["paper", "arch2", "shallow"]))
        axes["grouped"] = data.draw(st.sampled_from(["native", "split"]))
    try:
        values = family.values(axes)
    except ModelError:  # a scale that leaves too few channels
        assume(False)
    graph = Graph("any", seed=1)
    logits = family.build(graph, **values)
    assert logits.shape == (1, axes["classes"])
    assert len(graph.finish(logits)) > 1000
