"""What a model computes and holds, counted from any file."""

from __future__ import annotations

import os
import struct
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_files import FLOAT16, INT8, INT32, SmallGraph, write

from bench.errors import ModelError
from bench.records import ModelSpec, decode, encode
from bench.zoo import realize
from bench.zoo.complexity import Complexity, count
from bench.zoo.writer import Graph


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


def one_op(tmp_path: Path, graph: SmallGraph) -> Complexity:
    graph.table.outputs = graph.ops[-1][2]
    return count(write(tmp_path / "model.tflite", graph))


def test_a_grouped_convolution_counts_only_the_channels_of_a_group(tmp_path: Path) -> None:
    graph = SmallGraph()
    inputs = [graph.input(1, 8, 8, 12), graph.const(24, 3, 3, 4), graph.const(24)]
    graph.op("CONV_2D", inputs, 1, 8, 8, 24)
    counted = one_op(tmp_path, graph)
    assert counted.macs == counted.macs_conv == 8 * 8 * 24 * 3 * 3 * 4
    assert counted.params == 24 * 3 * 3 * 4 + 24


def test_a_depthwise_convolution_with_a_multiplier_counts_its_outputs(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("DEPTHWISE_CONV_2D", [graph.input(2, 8, 8, 3), graph.const(1, 5, 5, 6)], 2, 4, 4, 6)
    assert one_op(tmp_path, graph).macs == 2 * 4 * 4 * 6 * 25


@pytest.mark.parametrize("kind", ["TRANSPOSE_CONV", "CUSTOM:Convolution2DTransposeBias"])
def test_a_transposed_convolution_counts_every_input_against_every_filter(
    kind: str, tmp_path: Path
) -> None:
    graph = SmallGraph()
    x, filters, shape = (
        graph.input(1, 4, 4, 8),
        graph.const(5, 3, 3, 8),
        graph.const(4, dtype=INT32),
    )
    inputs = [shape, filters, x] if kind == "TRANSPOSE_CONV" else [x, filters, graph.const(5)]
    graph.op(kind, inputs, 1, 8, 8, 5)
    counted = one_op(tmp_path, graph)
    assert counted.macs == counted.macs_conv == 4 * 4 * 8 * 5 * 3 * 3
    assert counted.params == 5 * 3 * 3 * 8 + (0 if kind == "TRANSPOSE_CONV" else 5)


def test_convolutions_of_volumes_are_counted(tmp_path: Path) -> None:
    graph = SmallGraph()
    y = graph.op("CONV_3D", [graph.input(1, 4, 8, 8, 3), graph.const(2, 3, 3, 3, 6)], 1, 4, 8, 8, 6)
    inputs = [graph.const(5, dtype=INT32), graph.const(2, 3, 3, 4, 6), y]
    graph.op("CONV_3D_TRANSPOSE", inputs, 1, 8, 16, 16, 4)
    assert one_op(tmp_path, graph).macs == 4 * 8 * 8 * 6 * (2 * 9 * 3) + 4 * 8 * 8 * 6 * (2 * 9 * 4)


def test_fully_connected_counts_every_row_of_its_input(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("FULLY_CONNECTED", [graph.input(2, 7, 16), graph.const(10, 16)], 2, 7, 10)
    counted = one_op(tmp_path, graph)
    assert (counted.macs, counted.macs_conv) == (2 * 7 * 10 * 16, 0)


@pytest.mark.parametrize(("transposed", "left"), [(False, (3, 4, 5)), (True, (3, 5, 4))])
def test_a_product_of_matrices_counts_whichever_way_they_lie(
    transposed: bool, left: tuple[int, ...], tmp_path: Path
) -> None:
    graph = SmallGraph()
    options = schema.BatchMatMulOptionsT(adjX=transposed)
    graph.op("BATCH_MATMUL", [graph.input(*left), graph.input(3, 5, 6)], 3, 4, 6, options=options)
    assert one_op(tmp_path, graph).macs == 3 * 4 * 6 * 5


def test_a_recurrent_layer_counts_its_matrices_at_every_step(tmp_path: Path) -> None:
    steps, batch, width, cells = 5, 2, 3, 4
    graph = SmallGraph()
    gates = [graph.const(cells, size) for size in (width, cells) for _ in range(4)]
    biases = [graph.const(cells) for _ in range(4)]
    inputs = [graph.input(steps, batch, width), *gates, *[-1] * 3, *biases]
    graph.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, steps, batch, cells)
    assert one_op(tmp_path, graph).macs == steps * batch * 4 * (cells * width + cells * cells)


def test_a_recurrent_layer_whose_weights_are_computed_is_not_countable(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("SVDF", [graph.input(1, 3), graph.input(4, 3)], 1, 4)
    assert one_op(tmp_path, graph).not_countable == "SVDF: its weights aren't constants"


def test_half_weights_that_are_unpacked_are_the_layer_s_own(tmp_path: Path) -> None:
    graph = SmallGraph()
    unpacked = graph.op("DEQUANTIZE", [graph.const(6, 1, 1, 3, dtype=FLOAT16)], 6, 1, 1, 3)
    graph.op("CONV_2D", [graph.input(1, 4, 4, 3), unpacked], 1, 4, 4, 6)
    counted = one_op(tmp_path, graph)
    assert (counted.macs, counted.params) == (4 * 4 * 6 * 3, 18)
    assert [(layer.op, layer.macs, layer.params) for layer in counted.layers] == [
        ("DEQUANTIZE", 0, 0),
        ("CONV_2D", 4 * 4 * 6 * 3, 18),
    ]
    assert counted.weight_bytes == {"float16": 36}
    assert counted.peak_activation_bytes == 4 * 4 * 4 * (3 + 6)  # unpacked weights are none


def test_sparse_weights_count_as_dense_and_weigh_what_is_stored(tmp_path: Path) -> None:
    graph = SmallGraph()
    stored = graph.const(6, 1, 1, 3)
    graph.constants[stored] = np.float32([1, 2, 3])
    dense = graph.op("DENSIFY", [stored], 6, 1, 1, 3)
    graph.op("CONV_2D", [graph.input(1, 4, 4, 3), dense], 1, 4, 4, 6)
    counted = one_op(tmp_path, graph)
    assert (counted.macs, counted.params) == (4 * 4 * 6 * 3, 18)
    assert counted.weight_bytes == {"float32": 12}


def test_only_learnt_numbers_are_parameters(tmp_path: Path) -> None:
    graph = SmallGraph()
    x = graph.input(1, 4)
    x = graph.op("RESHAPE", [x, graph.const(2, dtype=INT32)], 2, 2)
    x = graph.op("ADD", [x, graph.const(1)], 2, 2)  # a setting
    x = graph.op("MUL", [x, graph.const(2)], 2, 2)
    x = graph.op("FULLY_CONNECTED", [x, graph.const(3, 2, dtype=INT8, scale=0.1)], 2, 3)
    graph.op("ADD", [x, graph.const(3, dtype=INT32, scale=0.1)], 2, 3)
    assert one_op(tmp_path, graph).params == 2 + 6 + 3


def test_weights_that_two_layers_share_are_held_once(tmp_path: Path) -> None:
    graph = SmallGraph()
    weights = graph.const(4, 4)
    x = graph.op("FULLY_CONNECTED", [graph.input(1, 4), weights], 1, 4)
    graph.op("FULLY_CONNECTED", [x, weights], 1, 4)
    counted = one_op(tmp_path, graph)
    assert (counted.macs, counted.params) == (32, 16)


def test_an_average_pool_made_of_a_convolution_is_a_pool(tmp_path: Path) -> None:
    for dtype, value, scale in [
        (np.float32, 1 / 9, None),
        (np.float16, 1 / 9, None),
        (np.int8, 127, 1 / 9 / 127),
    ]:
        graph = SmallGraph()
        weights = graph.const(1, 3, 3, 8, dtype=dtype, scale=scale)
        graph.constants[weights] = np.full(72, value, dtype)
        graph.op("DEPTHWISE_CONV_2D", [graph.input(1, 8, 8, 8), weights], 1, 4, 4, 8)
        counted = one_op(tmp_path, graph)
        assert (counted.macs, counted.params) == (0, 0)


def test_dynamic_shapes_are_not_countable_and_name_the_operator(tmp_path: Path) -> None:
    for fields in ({"shapeSignature": [1, -1, -1, 3]}, {"shapeSignature": [-1, -1, 8, 3]}):
        graph = SmallGraph()
        x = graph.input(1, 1, 1, 3)
        graph.op("CONV_2D", [x, graph.const(6, 1, 1, 3)], 1, 1, 1, 6)
        graph.table.tensors[-1].shapeSignature = fields["shapeSignature"]
        counted = one_op(tmp_path, graph)
        assert counted.macs is None
        assert counted.macs_conv is None
        assert counted.not_countable == "CONV_2D: dynamic shapes"
        assert counted.params == 18


def test_a_dynamic_batch_is_counted_for_one_picture(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("CONV_2D", [graph.input(1, 2, 2, 3), graph.const(6, 1, 1, 3)], 1, 2, 2, 6)
    for tensor in (graph.table.tensors[0], graph.table.tensors[-1]):
        tensor.shapeSignature = [-1, *tensor.shape[1:]]
    assert one_op(tmp_path, graph).macs == 2 * 2 * 6 * 3


def test_a_shape_that_is_not_told_is_not_countable(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("CONV_2D", [graph.input(1, 2, 2, 3), graph.const(6, 1, 1, 3)])
    graph.table.tensors[-1].hasRank = False
    counted = one_op(tmp_path, graph)
    assert counted.not_countable == "CONV_2D: a shape that isn't told"
    assert counted.peak_activation_bytes is None


def test_an_unknown_custom_operator_is_not_countable_and_a_known_one_is(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("CUSTOM:Mystery", [graph.input(1, 2)], 1, 2)
    counted = one_op(tmp_path, graph)
    assert counted.not_countable == "CUSTOM:Mystery: a custom operator may compute anything"
    graph = SmallGraph()
    graph.op("CUSTOM:TFLite_Detection_PostProcess", [graph.input(1, 2)], 1, 2)
    assert one_op(tmp_path, graph).macs == 0


def dense_graph(units: int) -> SmallGraph:
    graph = SmallGraph()
    output = graph.op("FULLY_CONNECTED", [graph.input(1, 4), graph.const(units, 4)], 1, units)
    graph.table.outputs = [output]
    return graph


def test_several_signatures_are_counted_each(tmp_path: Path) -> None:
    graphs = dense_graph(3), dense_graph(5)
    counted = count(write(tmp_path / "m", *graphs, signatures={"encode": 0, "decode": 1}))
    assert counted.signatures == {"encode": 12, "decode": 20}
    assert (counted.macs, counted.params) == (12, 12 + 20)
    assert counted.ops == {"FULLY_CONNECTED": 2}


def calling(kind: str, options: Any) -> SmallGraph:
    graph = SmallGraph()
    graph.table.outputs = [graph.op(kind, [graph.input(1, 4)], 1, 3, options=options)]
    return graph


def test_what_a_branch_computes_is_counted_when_both_compute_as_much(tmp_path: Path) -> None:
    options = schema.IfOptionsT(thenSubgraphIndex=1, elseSubgraphIndex=2)
    counted = count(write(tmp_path / "m", calling("IF", options), dense_graph(3), dense_graph(3)))
    assert counted.macs == 12
    counted = count(write(tmp_path / "m", calling("IF", options), dense_graph(3), dense_graph(9)))
    assert counted.not_countable == "IF: how often its branches run depends on the input"


def test_a_loop_over_layers_is_not_countable(tmp_path: Path) -> None:
    options = schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=1)
    counted = count(write(tmp_path / "m", calling("WHILE", options), dense_graph(3)))
    assert counted.not_countable == "WHILE: how often its branches run depends on the input"


def test_a_composite_is_what_it_is_made_of(tmp_path: Path) -> None:
    options = schema.StableHLOCompositeOptionsT(decompositionSubgraphIndex=1)
    counted = count(write(tmp_path / "m", calling("STABLEHLO_COMPOSITE", options), dense_graph(3)))
    assert counted.macs == 12


def test_graphs_that_call_each_other_or_nothing_are_not_countable(tmp_path: Path) -> None:
    for callee, reason in ((0, "without end"), (7, "isn't there")):
        options = schema.StableHLOCompositeOptionsT(decompositionSubgraphIndex=callee)
        counted = count(write(tmp_path / "m", calling("STABLEHLO_COMPOSITE", options)))
        assert counted.macs is None
        assert reason in str(counted.not_countable)


def test_activations_live_from_their_writer_to_their_last_reader(tmp_path: Path) -> None:
    graph = SmallGraph()
    x = graph.input(1, 10)
    a = graph.op("RELU", [x], 1, 10)
    b = graph.op("RELU", [a], 1, 10)
    c = graph.op("RELU", [b], 1, 10)
    graph.op("ADD", [c, a], 1, 10)
    # While c is written, a waits for the sum and b is read: three of ten floats.
    assert one_op(tmp_path, graph).peak_activation_bytes == 3 * 40


def test_the_largest_layer_is_the_one_that_computes_most(tmp_path: Path) -> None:
    graph = SmallGraph()
    x = graph.op("FULLY_CONNECTED", [graph.input(1, 4), graph.const(50, 4)], 1, 50)
    graph.op("FULLY_CONNECTED", [x, graph.const(3, 50)], 1, 3)
    counted = one_op(tmp_path, graph)
    assert counted.largest_layer == "t2"
    assert counted.params_without_classifier == 0 + 200


def test_absurd_shapes_are_refused_or_not_countable(tmp_path: Path) -> None:
    graph = SmallGraph()
    graph.op("RELU", [graph.input(2**30, 2**30)], 1)
    with pytest.raises(ModelError, match=r"damaged: a tensor has the shape"):
        one_op(tmp_path, graph)
    graph = SmallGraph()
    graph.op("RELU", [graph.input(*[1] * 40)], 1)
    with pytest.raises(ModelError, match="more than 16 dimensions"):
        one_op(tmp_path, graph)
    graph = SmallGraph()
    sides = [graph.input(2**24, 2**24), graph.input(2**24, 2**24)]
    graph.op("BATCH_MATMUL", sides, 2**24, 2**24)
    assert one_op(tmp_path, graph).not_countable == "BATCH_MATMUL: absurd shapes"


def test_a_file_that_speaks_of_more_than_it_can_hold_is_refused_soon(tmp_path: Path) -> None:
    """A thousand graphs that are all the same thousand operators."""
    graph = SmallGraph()
    x = graph.input(1)
    for _ in range(1000):
        graph.op("RELU", [x], 1)
    path = write(tmp_path / "m", *[graph])
    data = bytearray(path.read_bytes())
    model = schema.Model.GetRootAs(data)
    one = model.Subgraphs(0)._tab.Pos
    vector = len(data) + (-len(data)) % 4
    data += bytes(vector - len(data)) + struct.pack("<I", 1000)
    for i in range(1000):
        data += struct.pack("<I", (one - (vector + 4 + 4 * i)) % 2**32)
    field = model._tab.Pos + model._tab.Offset(8)
    data[field : field + 4] = struct.pack("<I", vector - field)
    path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        count(path)


def small_whole_model() -> bytes:
    graph = Graph("small", seed=1)
    x = graph.conv(graph.input((1, 8, 8, 3)), 8, 3, 2)
    x = graph.shuffle(graph.depthwise(x), 2)
    kept, worked = graph.split(x, 2)
    x = graph.mean_filter(graph.concat([kept, graph.hard_swish(worked)]), 3, 2)
    return bytes(graph.finish(graph.dense(graph.global_average(x), 4)))


WHOLE = small_whole_model()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole file that was cut, in which bits were flipped, or that is noise."""
    data = bytearray(WHOLE)
    how = draw(st.sampled_from(["cut", "flip", "overwrite", "noise"]))
    if how == "cut":
        return bytes(data[: draw(st.integers(0, len(data) - 1))])
    if how == "noise":
        return bytes(data[:8]) + draw(st.binary(max_size=2000))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(data) - 4))
        if how == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        else:
            data[at : at + 4] = draw(
                st.one_of(st.binary(min_size=4, max_size=4), st.just(b"\xff" * 4))
            )
    return bytes(data)


@settings(max_examples=1000, deadline=timedelta(seconds=20))
@given(damaged())
def test_a_damaged_file_is_counted_or_refused_and_never_more(data: bytes) -> None:
    with NamedTemporaryFile(suffix=".tflite") as file:
        file.write(data)
        file.flush()
        try:
            counted = count(Path(file.name))
        except ModelError:
            return
        assert decode(encode(counted), Complexity) == counted
