"""The multiply-accumulates of one operator, and which constants are its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable

from bench.zoo.tflite import Graph, Op, Tensor

MOST = 2**63 - 1  # above this, shapes are nonsense and JSON readers fail

# Constants by the index of the tensor that an operator reads. A constant that is unpacked
# first (float16 or sparse weights) stands here under the unpacked tensor too.
Constants = dict[int, Tensor]

_UNPACKING = ("DEQUANTIZE", "DENSIFY")


def constants(graph: Graph) -> Constants:
    found = {
        index: tensor for index, tensor in enumerate(graph.tensors) if tensor.buffer is not None
    }
    for op in graph.ops:
        if op.kind in _UNPACKING and op.inputs and op.outputs:
            source, output = op.inputs[0], op.outputs[0]
            if source in found and output is not None:
                found[output] = found[source]
    return found


def weights(op: Op, constants: Constants) -> list[Tensor]:
    """The constants that an operator multiplies or adds: not shapes, axes and indices.

    A single number (the 3 of a hard sigmoid) is a setting, not a parameter.
    """
    if op.kind in _UNPACKING or _is_mean_filter(op, constants):
        return []
    read = [constants.get(operand) for operand in op.inputs if operand is not None]
    by_buffer = {tensor.buffer: tensor for tensor in read if tensor is not None}
    return [
        tensor
        for tensor in by_buffer.values()
        if (tensor.quantized or "FLOAT" in tensor.type) and elements(tensor) > 1
    ]


def elements(tensor: Tensor) -> int:
    if tensor.shape is None or tensor.dynamic:
        return 0
    return math.prod(tensor.shape)


def of(graph: Graph, op: Op, constants: Constants) -> tuple[int | None, str | None]:
    """The MACs of an operator, or why they can't be counted."""
    try:
        if op.kind in _RULES:
            if _is_mean_filter(op, constants):
                return 0, None
            found = _RULES[op.kind](_Operands(graph, op, constants))
            return (found, None) if found <= MOST else (None, f"{op.kind}: absurd shapes")
        if op.kind.startswith("CUSTOM:") and op.kind not in _FREE_CUSTOM_OPS:
            raise _Unknown("a custom operator may compute anything")
        if op.kind in _UNCOUNTED_OPS:
            raise _Unknown("this operator isn't counted yet by any rule")
    except _Unknown as error:
        return None, f"{op.kind}: {error}"
    return 0, None


class _Unknown(Exception):
    """Why the MACs of an operator can't be told."""


class _Operands:
    """The shapes that a rule asks for; _Unknown when they aren't told."""

    def __init__(self, graph: Graph, op: Op, constants: Constants) -> None:
        self._graph = graph
        self._constants = constants
        self.op = op

    def input(self, place: int, rank: int | None = None) -> tuple[int, ...]:
        return self._shape(self.op.inputs, place, rank)

    def output(self, rank: int | None = None) -> tuple[int, ...]:
        return self._shape(self.op.outputs, 0, rank)

    def matrices(self) -> int:
        """How many numbers the constant matrices among the inputs hold."""
        read = [self._constants.get(index) for index in self.op.inputs if index is not None]
        return sum(elements(t) for t in read if t is not None and t.shape and len(t.shape) == 2)

    def _shape(
        self, indices: tuple[int | None, ...], place: int, rank: int | None
    ) -> tuple[int, ...]:
        index = indices[place] if place < len(indices) else None
        if index is None:
            raise _Unknown("an operand is missing")
        tensor = self._constants.get(index, self._graph.tensors[index])
        if tensor.dynamic:
            raise _Unknown("dynamic shapes")
        shape = tensor.shape
        if shape is None:
            raise _Unknown("a shape that isn't told")
        if not shape or (rank is not None and len(shape) != rank):
            raise _Unknown(f"a shape of {len(shape)} dimensions")
        return shape


def _conv_2d(operands: _Operands) -> int:
    # A grouped convolution's filter holds only the channels of its group.
    return math.prod(operands.output(4)) * math.prod(operands.input(1, 4)[1:])


def _depthwise_conv_2d(operands: _Operands) -> int:
    _, height, width, _ = operands.input(1, 4)
    return math.prod(operands.output(4)) * height * width


def _conv_3d(operands: _Operands) -> int:
    return math.prod(operands.output(5)) * math.prod(operands.input(1, 5)[:4])


def _transpose_conv(operands: _Operands) -> int:
    # Every input number meets every filter once; what falls off the border is counted too.
    return math.prod(operands.input(2, 4)) * math.prod(operands.input(1, 4)[:3])


def _conv_3d_transpose(operands: _Operands) -> int:
    return math.prod(operands.input(2, 5)) * math.prod(operands.input(1, 5)[:4])


def _custom_transpose_conv(operands: _Operands) -> int:
    return math.prod(operands.input(0, 4)) * math.prod(operands.input(1, 4)[:3])


def _fully_connected(operands: _Operands) -> int:
    return math.prod(operands.output()) * operands.input(1, 2)[1]


def _batch_matmul(operands: _Operands) -> int:
    left = operands.input(0)
    if len(left) < 2:
        raise _Unknown("a shape of 1 dimension")
    return math.prod(operands.output()) * (left[-2] if operands.op.transposed[0] else left[-1])


def _recurrent(operands: _Operands) -> int:
    """Every weight matrix once a step; a sequence has as many steps as its input has rows."""
    matrices = operands.matrices()
    if not matrices:
        raise _Unknown("its weights aren't constants")
    return math.prod(operands.input(0)[:-1]) * matrices


_Rule = Callable[[_Operands], int]

_CONVOLUTION_RULES: dict[str, _Rule] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "TRANSPOSE_CONV": _transpose_conv,
    "CONV_3D": _conv_3d,
    "CONV_3D_TRANSPOSE": _conv_3d_transpose,
    "CUSTOM:Convolution2DTransposeBias": _custom_transpose_conv,  # MediaPipe's
}
CONVOLUTIONS = frozenset(_CONVOLUTION_RULES)

_RULES: dict[str, _Rule] = {
    **_CONVOLUTION_RULES,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "LSTM": _recurrent,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
    "BIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
    "RNN": _recurrent,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "BIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "SVDF": _recurrent,
}

# Custom operators of which it is known that they multiply nothing by weights.
_FREE_CUSTOM_OPS = frozenset(
    f"CUSTOM:{name}"
    for name in (
        "TFLite_Detection_PostProcess",
        "MaxPoolingWithArgmax2D",
        "MaxUnpooling2D",
        "TransformLandmarks",
        "TransformTensorBilinear",
        "Landmarks_to_transform_matrix",
        "Resampler",
    )
)

_UNCOUNTED_OPS = frozenset(
    {
        "CALL", "DELEGATE", "STABLEHLO_CONVOLUTION", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_CASE",
        "STABLEHLO_DOT_GENERAL", "STABLEHLO_WHILE", "STABLEHLO_REDUCE_WINDOW", "REDUCE_WINDOW",
        "CONCAT_EMBEDDINGS", "EMBEDDING_LOOKUP_SPARSE", "RFFT2D",
    }
)  # fmt: skip


def _is_mean_filter(op: Op, constants: Constants) -> bool:
    if op.kind != "DEPTHWISE_CONV_2D" or len(op.inputs) < 2 or op.inputs[1] is None:
        return False
    weights = constants.get(op.inputs[1])
    if weights is None or weights.uniform is None or not weights.shape:
        return False
    window = weights.shape[1] * weights.shape[2]
    # Half floats and int8 keep 1/9 to better than one in a hundred.
    return window > 1 and math.isclose(weights.uniform * window, 1, rel_tol=0.01)
