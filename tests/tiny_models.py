"""Small .tflite files, written through LiteRT's schema, for tests of the runner and the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32 = schema.TensorType.FLOAT32
TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "float64": schema.TensorType.FLOAT64,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "complex64": schema.TensorType.COMPLEX64,
    "uint16": schema.TensorType.UINT16,
    "uint32": schema.TensorType.UINT32,
    "uint64": schema.TensorType.UINT64,
    "bool": schema.TensorType.BOOL,
}


@dataclass
class Builder:
    """Collects tensors and operators of one subgraph; `bytes()` is the file."""

    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    tensors: list[Any] = field(default_factory=list)
    codes: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(
        self,
        name: str | bytes,
        shape: Sequence[int],
        dtype: str = "float32",
        data: np.ndarray | None = None,
        scale: float | None = None,
        dynamic: Sequence[int] | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), TYPES[dtype]
        tensor.hasRank = True
        if dynamic is not None:
            tensor.shapeSignature = list(dynamic)
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: tuple[int, Any] | None = None,
        custom: str | bytes | None = None,
    ) -> None:
        opcode = schema.OperatorCodeT()
        opcode.builtinCode, opcode.deprecatedBuiltinCode, opcode.version = code, min(code, 127), 1
        opcode.customCode = custom
        self.codes.append(opcode)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = options
        self.operators.append(operator)

    def bytes(self, signature: bool = True) -> bytes:
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self.tensors, self.operators
        graph.inputs, graph.outputs = self.inputs, self.outputs
        model = schema.ModelT()
        model.version, model.description = 3, "tiny"
        model.buffers, model.operatorCodes, model.subgraphs = self.buffers, self.codes, [graph]
        if signature:
            model.signatureDefs = [self._signature()]
        packer = flatbuffers.Builder(1024)
        packer.Finish(model.Pack(packer), b"TFL3")
        return bytes(packer.Output())

    def _signature(self) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs = [self._named(i) for i in self.inputs]
        signature.outputs = [self._named(i) for i in self.outputs]
        return signature

    def _named(self, index: int) -> Any:
        named = schema.TensorMapT()
        named.name, named.tensorIndex = self.tensors[index].name, index
        return named


def conv_net(signature: bool = True, size: int = 16, channels: int = 8, layers: int = 2) -> bytes:
    """A few 3x3 convolutions with ReLU, float32: XNNPACK takes all of it."""
    rng = np.random.default_rng(1)
    net = Builder()
    at = net.tensor("image", [1, size, size, 3])
    net.inputs = [at]
    width = 3
    for layer in range(layers):
        weights = rng.normal(0, 0.3, (channels, 3, 3, width)).astype(np.float32)
        filters = net.tensor(f"w{layer}", weights.shape, data=weights)
        bias = net.tensor(f"b{layer}", [channels], data=np.zeros(channels, np.float32))
        out = net.tensor(f"conv{layer}", [1, size, size, channels])
        _conv(net, at, filters, bias, out)
        at, width = out, channels
    net.outputs = [at]
    return net.bytes(signature)


def partly_delegated() -> bytes:
    """A convolution, then an op that XNNPACK doesn't take, then a convolution."""
    rng = np.random.default_rng(2)
    net = Builder()
    at = net.tensor("image", [1, 8, 8, 4])
    net.inputs = [at]
    for layer in range(2):
        weights = rng.normal(0, 0.3, (4, 3, 3, 4)).astype(np.float32)
        filters = net.tensor(f"w{layer}", weights.shape, data=weights)
        bias = net.tensor(f"b{layer}", [4], data=np.zeros(4, np.float32))
        out = net.tensor(f"conv{layer}", [1, 8, 8, 4])
        _conv(net, at, filters, bias, out)
        at = out
        if layer == 0:
            at = net.tensor("reversed", [1, 8, 8, 4])
            axis = net.tensor("axis", [1], "int32", data=np.array([2], np.int32))
            net.operator(schema.BuiltinOperator.REVERSE_V2, [out, axis], [at], _reverse_options())
    net.outputs = [at]
    return net.bytes()


def passthrough(dtype: str, shape: Sequence[int] = (1, 5, 7), name: str | bytes = "x") -> bytes:
    """One RESHAPE: the output holds the very bytes of the input, whatever their type."""
    net = Builder()
    count = int(np.prod(shape))
    source = net.tensor(name, shape, dtype)
    wanted = net.tensor("shape", [1], "int32", data=np.array([count], np.int32))
    flat = net.tensor("y", [count], dtype)
    net.inputs, net.outputs = [source], [flat]
    options = schema.ReshapeOptionsT()
    options.newShape = [count]
    net.operator(
        schema.BuiltinOperator.RESHAPE,
        [source, wanted],
        [flat],
        (schema.BuiltinOptions.ReshapeOptions, options),
    )
    return net.bytes()


def int8_net() -> bytes:
    """int8 in, int8 out: one quantized convolution."""
    rng = np.random.default_rng(3)
    net = Builder()
    image = net.tensor("image", [1, 8, 8, 4], "int8", scale=0.02)
    weights = rng.integers(-127, 128, (8, 3, 3, 4)).astype(np.int8)
    filters = net.tensor("w", weights.shape, "int8", data=weights, scale=0.01)
    bias = net.tensor("b", [8], "int32", data=np.zeros(8, np.int32), scale=0.0002)
    out = net.tensor("out", [1, 8, 8, 8], "int8", scale=0.05)
    _conv(net, image, filters, bias, out)
    net.inputs, net.outputs = [image], [out]
    return net.bytes()


def exact() -> bytes:
    """Zeros and ones through a convolution with small whole numbers: no processor rounds.

    bench.runtime.self_test holds these bytes, and NumPy knows what comes out of them.
    """
    net = Builder()
    bits = net.tensor("bits", [1, 5, 5, 1], "int32")
    image = net.tensor("image", [1, 5, 5, 1])
    filters = net.tensor("w", EXACT_WEIGHTS.shape, data=EXACT_WEIGHTS)
    bias = net.tensor("b", [2], data=EXACT_BIAS)
    out = net.tensor("out", [1, 5, 5, 2])
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = TYPES["int32"], TYPES["float32"]
    net.operator(
        schema.BuiltinOperator.CAST, [bits], [image], (schema.BuiltinOptions.CastOptions, options)
    )
    _conv(net, image, filters, bias, out)
    net.inputs, net.outputs = [bits], [out]
    return net.bytes()


EXACT_WEIGHTS = ((np.arange(18) * 7) % 9 - 4).astype(np.float32).reshape(2, 3, 3, 1)
EXACT_BIAS = np.array([2, -1], np.float32)


def gather(rows: int = 4, dtype: str = "int32") -> bytes:
    """Rows of a small table, chosen by the input: an index out of range would be an error."""
    net = Builder()
    table = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    values = net.tensor("table", table.shape, data=table)
    ids = net.tensor("ids", [6], dtype)
    out = net.tensor("rows", [6, 3])
    net.inputs, net.outputs = [ids], [out]
    options = schema.GatherOptionsT()
    net.operator(
        schema.BuiltinOperator.GATHER,
        [values, ids],
        [out],
        (schema.BuiltinOptions.GatherOptions, options),
    )
    return net.bytes()


def two_inputs() -> bytes:
    """a + b, float32."""
    net = Builder()
    a, b = net.tensor("a", [1, 6]), net.tensor("b", [1, 6])
    out = net.tensor("sum", [1, 6])
    net.inputs, net.outputs = [a, b], [out]
    net.operator(
        schema.BuiltinOperator.ADD, [a, b], [out], (schema.BuiltinOptions.AddOptions, _add())
    )
    return net.bytes()


def two_outputs() -> bytes:
    """a + b, float32, and a reshaped: 24 bytes each, of different values."""
    net = Builder()
    a, b = net.tensor("a", [1, 6]), net.tensor("b", [1, 6])
    total, flat = net.tensor("sum", [1, 6]), net.tensor("flat", [6])
    wanted = net.tensor("shape", [1], "int32", data=np.array([6], np.int32))
    net.inputs, net.outputs = [a, b], [total, flat]
    net.operator(
        schema.BuiltinOperator.ADD, [a, b], [total], (schema.BuiltinOptions.AddOptions, _add())
    )
    options = schema.ReshapeOptionsT()
    options.newShape = [6]
    net.operator(
        schema.BuiltinOperator.RESHAPE,
        [a, wanted],
        [flat],
        (schema.BuiltinOptions.ReshapeOptions, options),
    )
    return net.bytes()


def unknown_op(name: str | bytes = "NoSuchOp") -> bytes:
    """A custom op that no runtime has."""
    net = Builder()
    a, out = net.tensor("a", [1, 6]), net.tensor("out", [1, 6])
    net.inputs, net.outputs = [a], [out]
    net.operator(schema.BuiltinOperator.CUSTOM, [a], [out], custom=name)
    return net.bytes()


def dynamic_shape() -> bytes:
    """An input whose first dimension is open."""
    net = Builder()
    a = net.tensor("a", [1, 6], dynamic=[-1, 6])
    b = net.tensor("b", [1, 6], data=np.ones((1, 6), np.float32))
    out = net.tensor("sum", [1, 6], dynamic=[-1, 6])
    net.inputs, net.outputs = [a], [out]
    net.operator(
        schema.BuiltinOperator.ADD, [a, b], [out], (schema.BuiltinOptions.AddOptions, _add())
    )
    return net.bytes()


def divided_by_zero() -> bytes:
    """x / 0: an output that is not finite."""
    net = Builder()
    a = net.tensor("a", [1, 6])
    zero = net.tensor("zero", [1, 6], data=np.zeros((1, 6), np.float32))
    out = net.tensor("out", [1, 6])
    net.inputs, net.outputs = [a], [out]
    net.operator(
        schema.BuiltinOperator.DIV,
        [a, zero],
        [out],
        (schema.BuiltinOptions.DivOptions, schema.DivOptionsT()),
    )
    return net.bytes()


def _conv(net: Builder, source: int, filters: int, bias: int, out: int) -> None:
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME
    options.strideH = options.strideW = 1
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    net.operator(
        schema.BuiltinOperator.CONV_2D,
        [source, filters, bias],
        [out],
        (schema.BuiltinOptions.Conv2DOptions, options),
    )


def _reverse_options() -> tuple[int, Any]:
    return schema.BuiltinOptions.ReverseV2Options, schema.ReverseV2OptionsT()


def _add() -> Any:
    return schema.AddOptionsT()
