"""A .tflite file written layer by layer, without TensorFlow.

    graph = Graph("tiny", seed=1)
    image = graph.input((1, 32, 32, 3))
    features = graph.conv(image, 16, kernel=3, stride=2)
    data = graph.finish(graph.dense(graph.global_average(features), 10))

Tensors are NHWC. Batch norms are folded: a layer holds weights and one number an output
channel, called `.../batch_norm` where a published network has a batch norm and `.../bias`
where it has a plain bias, so that parameters can be counted either way.
Weights come from the seed and the layer's place alone: same calls, same bytes.
They are written straight into the file's own buffer when it is finished, so the memory
needed is the file's size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bench.errors import ModelError
from bench.zoo.weights import Array, fill_bell

Activation = Literal["relu", "relu6"] | None
Padding = Literal["same", "valid"]
Shape = tuple[int, ...]
Kernel = int | tuple[int, int]
Offset = Literal["batch_norm", "bias", "zero"]  # what a layer adds to each output channel

_ACTIVATIONS = {
    None: schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
_PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}
_ALIGNMENT = 16  # what the schema asks of buffers, so that weights can be used in place
_BIAS_STD = 0.01


class Tensor(NamedTuple):
    """A tensor of the graph being written: its place among the tensors, and its shape."""

    place: int
    shape: Shape

    @property
    def channels(self) -> int:
        return self.shape[-1]


class Graph:
    """One subgraph with one signature, `serving_default`."""

    def __init__(self, name: str, seed: int) -> None:
        self._seed = seed
        self._model = schema.ModelT(version=3, description=name, buffers=[_Buffer(None)])
        self._graph = schema.SubGraphT(name="main", tensors=[], operators=[], inputs=[])
        self._model.subgraphs = [self._graph]
        self._model.operatorCodes = []
        self._codes: dict[int, int] = {}
        self._layers = 0

    def input(self, shape: Shape, name: str = "input") -> Tensor:
        tensor = self._tensor(shape, name)
        self._graph.inputs.append(tensor.place)
        return tensor

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Kernel = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: Activation = "relu",
        padding: Padding = "same",
        offset: Offset = "batch_norm",
        gain: float = 1.0,
    ) -> Tensor:
        """A convolution; grouped when the filter holds fewer channels than the input."""
        if x.channels % groups or channels % groups:
            raise ModelError(
                f"{x.channels} and {channels} channels can't both be divided into {groups} groups."
            )
        name = self._layer("conv")
        height, width = _pair(kernel)
        filter_shape = (channels, height, width, x.channels // groups)
        std = _std(math.prod(filter_shape[1:]), activation, gain)
        options = schema.Conv2DOptionsT(
            padding=_PADDINGS[padding],
            strideH=stride,
            strideW=stride,
            fusedActivationFunction=_ACTIVATIONS[activation],
        )
        return self._op(
            "CONV_2D",
            [
                x,
                self._weights(filter_shape, f"{name}/weights", std),
                self._offset(channels, name, offset),
            ],
            _slide(x.shape, (height, width), stride, padding, channels),
            name,
            options,
        )

    def depthwise(
        self,
        x: Tensor,
        kernel: Kernel = 3,
        stride: int = 1,
        *,
        multiplier: int = 1,
        activation: Activation = "relu",
        padding: Padding = "same",
        offset: Offset = "batch_norm",
        gain: float = 1.0,
    ) -> Tensor:
        """One filter a channel (`multiplier` filters a channel)."""
        name = self._layer("depthwise")
        height, width = _pair(kernel)
        channels = x.channels * multiplier
        std = _std(height * width, activation, gain)
        weights = self._weights((1, height, width, channels), f"{name}/weights", std)
        return self._depthwise(
            [x, weights, self._offset(channels, name, offset)],
            name,
            stride,
            activation,
            padding,
            multiplier,
        )

    def mean_filter(self, x: Tensor, kernel: int, stride: int) -> Tensor:
        """An average pool as a depthwise convolution of constants.

        XNNPACK takes it in int8, which it doesn't take an average pool in. At the border it
        counts the padding in, as PyTorch's AvgPool2d does by default.
        """
        name = self._layer("mean_filter")
        weights = np.full((1, kernel, kernel, x.channels), 1 / kernel**2, np.float32)
        inputs = [
            x,
            self._const(weights, f"{name}/weights"),
            self._offset(x.channels, name, "zero"),
        ]
        return self._depthwise(inputs, name, stride, None, "same", 1)

    def dense(
        self,
        x: Tensor,
        units: int,
        *,
        activation: Activation = None,
        gain: float = 1.0,
    ) -> Tensor:
        """Fully connected, of a tensor [batch, features]."""
        name = self._layer("dense")
        batch, features = x.shape
        weights = self._weights(
            (units, features), f"{name}/weights", _std(features, activation, gain)
        )
        options = schema.FullyConnectedOptionsT(fusedActivationFunction=_ACTIVATIONS[activation])
        inputs = [x, weights, self._offset(units, name, "bias")]
        return self._op("FULLY_CONNECTED", inputs, (batch, units), name, options)

    def max_pool(self, x: Tensor, kernel: int, stride: int, *, padding: Padding = "same") -> Tensor:
        return self._pool("MAX_POOL_2D", x, kernel, stride, padding)

    def average_pool(
        self, x: Tensor, kernel: int, stride: int, *, padding: Padding = "same"
    ) -> Tensor:
        return self._pool("AVERAGE_POOL_2D", x, kernel, stride, padding)

    def global_average(self, x: Tensor, *, keep: bool = False) -> Tensor:
        """The mean over height and width: [N, C], or [N, 1, 1, C] when kept."""
        name = self._layer("mean")
        batch, channels = x.shape[0], x.channels
        axes = self._const(np.array([1, 2], np.int32), f"{name}/axes")
        shape = (batch, 1, 1, channels) if keep else (batch, channels)
        return self._op("MEAN", [x, axes], shape, name, schema.ReducerOptionsT(keepDims=keep))

    def add(self, a: Tensor, b: Tensor, *, activation: Activation = None) -> Tensor:
        options = schema.AddOptionsT(fusedActivationFunction=_ACTIVATIONS[activation])
        return self._op("ADD", [a, b], a.shape, self._layer("add"), options)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """Elementwise, `b` broadcast to the shape of `a`."""
        return self._op("MUL", [a, b], a.shape, self._layer("multiply"), schema.MulOptionsT())

    def relu(self, x: Tensor) -> Tensor:
        return self._op("RELU", [x], x.shape, self._layer("relu"))

    def hard_swish(self, x: Tensor) -> Tensor:
        options = schema.HardSwishOptionsT()
        return self._op("HARD_SWISH", [x], x.shape, self._layer("hard_swish"), options)

    def hard_sigmoid(self, x: Tensor) -> Tensor:
        """relu6(x + 3) / 6."""
        three = self._const(np.array([3], np.float32), self._layer("three"))
        sixth = self._const(np.array([1 / 6], np.float32), self._layer("sixth"))
        return self.multiply(self.add(x, three, activation="relu6"), sixth)

    def concat(self, parts: Sequence[Tensor]) -> Tensor:
        """Joined along the channels."""
        shape = (*parts[0].shape[:-1], sum(part.channels for part in parts))
        options = schema.ConcatenationOptionsT(axis=len(shape) - 1)
        return self._op("CONCATENATION", list(parts), shape, self._layer("concat"), options)

    def split(self, x: Tensor, parts: int) -> list[Tensor]:
        """Cut into equal parts along the channels."""
        name = self._layer("split")
        shape = (*x.shape[:-1], x.channels // parts)
        axis = self._const(np.array(len(shape) - 1, np.int32), f"{name}/axis")
        outputs = [self._tensor(shape, f"{name}/{part}") for part in range(parts)]
        self._operator("SPLIT", [axis, x], outputs, schema.SplitOptionsT(numSplits=parts))
        return outputs

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        name = self._layer("reshape")
        sizes = np.array(shape, np.int32)
        options = schema.ReshapeOptionsT(newShape=sizes)
        return self._op("RESHAPE", [x, self._const(sizes, f"{name}/shape")], shape, name, options)

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        name = self._layer("transpose")
        axes = self._const(np.array(order, np.int32), f"{name}/order")
        shape = tuple(x.shape[axis] for axis in order)
        return self._op("TRANSPOSE", [x, axes], shape, name, schema.TransposeOptionsT())

    def shuffle(self, x: Tensor, groups: int) -> Tensor:
        """ShuffleNet's channel shuffle: channel c of group g comes out at c * groups + g.

        Height and width are merged so that no tensor has more than four dimensions, which
        is all that GPU delegates and older runtimes take.
        """
        if groups == 1:
            return x
        batch, height, width, channels = x.shape
        parts = self.reshape(x, (batch, height * width, groups, channels // groups))
        return self.reshape(self.transpose(parts, (0, 1, 3, 2)), x.shape)

    def finish(self, output: Tensor) -> memoryview:
        """The bytes of the file. The graph can't be used afterwards."""
        self._graph.outputs = [output.place]
        self._model.signatureDefs = [
            schema.SignatureDefT(
                signatureKey="serving_default",
                inputs=[_named("input", self._graph.inputs[0])],
                outputs=[_named("output", output.place)],
            )
        ]
        # Generous for everything but the weights, so that the buffer never has to grow.
        size = sum(buffer.size_in_file for buffer in self._model.buffers)
        size += 4096 + 1024 * (len(self._graph.tensors) + len(self._graph.operators))
        builder = flatbuffers.Builder(size)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return memoryview(builder.Bytes)[builder.Head() :].toreadonly()

    def _depthwise(
        self,
        inputs: list[Tensor],
        name: str,
        stride: int,
        activation: Activation,
        padding: Padding,
        multiplier: int,
    ) -> Tensor:
        x, weights = inputs[:2]
        options = schema.DepthwiseConv2DOptionsT(
            padding=_PADDINGS[padding],
            strideH=stride,
            strideW=stride,
            depthMultiplier=multiplier,
            fusedActivationFunction=_ACTIVATIONS[activation],
        )
        kernel = (weights.shape[1], weights.shape[2])
        shape = _slide(x.shape, kernel, stride, padding, weights.channels)
        return self._op("DEPTHWISE_CONV_2D", inputs, shape, name, options)

    def _pool(self, kind: str, x: Tensor, kernel: int, stride: int, padding: Padding) -> Tensor:
        options = schema.Pool2DOptionsT(
            padding=_PADDINGS[padding],
            strideH=stride,
            strideW=stride,
            filterHeight=kernel,
            filterWidth=kernel,
        )
        shape = _slide(x.shape, (kernel, kernel), stride, padding, x.channels)
        return self._op(kind, [x], shape, self._layer(kind.lower()), options)

    def _layer(self, kind: str) -> str:
        self._layers += 1
        return f"{kind}_{self._layers}"

    def _weights(self, shape: Shape, name: str, std: float) -> Tensor:
        stream = len(self._model.buffers)
        return self._tensor(shape, name, _Buffer(_Bell(math.prod(shape), std, self._seed, stream)))

    def _offset(self, channels: int, name: str, offset: Offset) -> Tensor:
        if offset == "zero":
            return self._const(np.zeros(channels, np.float32), f"{name}/zero")
        return self._weights((channels,), f"{name}/{offset}", _BIAS_STD)

    def _const(self, values: Array, name: str) -> Tensor:
        return self._tensor(values.shape, name, _Buffer(values))

    def _tensor(self, shape: Shape, name: str, buffer: _Buffer | None = None) -> Tensor:
        index = 0  # the empty buffer: an activation
        if buffer is not None:
            self._model.buffers.append(buffer)
            index = len(self._model.buffers) - 1
        self._graph.tensors.append(
            schema.TensorT(
                shape=np.array(shape, np.int32),
                type=schema.TensorType.FLOAT32 if buffer is None else buffer.type,
                name=name,
                buffer=index,
                hasRank=True,
            )
        )
        return Tensor(len(self._graph.tensors) - 1, tuple(shape))

    def _op(
        self, kind: str, inputs: list[Tensor], shape: Shape, name: str, options: Any = None
    ) -> Tensor:
        output = self._tensor(shape, name)
        self._operator(kind, inputs, [output], options)
        return output

    def _operator(
        self, kind: str, inputs: list[Tensor], outputs: list[Tensor], options: Any
    ) -> None:
        code = getattr(schema.BuiltinOperator, kind)
        if code not in self._codes:
            self._codes[code] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(
                # Readers older than the wide field look at the deprecated one, which holds 127.
                schema.OperatorCodeT(
                    builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=1
                )
            )
        operator = schema.OperatorT(
            opcodeIndex=self._codes[code],
            inputs=np.array([tensor.place for tensor in inputs], np.int32),
            outputs=np.array([tensor.place for tensor in outputs], np.int32),
        )
        if options is not None:
            operator.builtinOptions = options
            kind_of_options = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind_of_options)
        self._graph.operators.append(operator)


class _Bell(NamedTuple):
    """Weights that aren't made yet."""

    size: int
    std: float
    seed: int
    stream: int


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer that makes its weights in the place where the file will hold them."""

    def __init__(self, content: Array | _Bell | None) -> None:
        super().__init__()
        self.content = content
        self.type = schema.TensorType.FLOAT32
        if isinstance(content, np.ndarray) and content.dtype == np.int32:
            self.type = schema.TensorType.INT32

    @property
    def size_in_file(self) -> int:
        if self.content is None:
            return 0
        return 4 * self.content.size

    def Pack(self, builder: Any) -> int:  # noqa: N802 (named by the generated class)
        if self.content is None:
            return int(super().Pack(builder))
        size = self.size_in_file
        builder.StartVector(1, size, _ALIGNMENT)
        builder.head = builder.Head() - size
        place = memoryview(builder.Bytes)[builder.head : builder.head + size]
        if isinstance(self.content, _Bell):
            _, std, seed, stream = self.content
            fill_bell(np.frombuffer(place, np.float32), std, seed, stream)
        else:
            place[:] = np.ascontiguousarray(self.content).tobytes()
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def _std(fan_in: int, activation: Activation, gain: float) -> float:
    """The deviation of weights that keeps the size of the activations (He et al. 2015)."""
    return gain * math.sqrt((1.0 if activation is None else 2.0) / fan_in)


def _slide(
    shape: Shape, kernel: tuple[int, int], stride: int, padding: Padding, channels: int
) -> Shape:
    """The shape that a sliding window leaves."""
    batch, *sizes, _ = shape
    if padding == "valid":
        sizes = [size - extent + 1 for size, extent in zip(sizes, kernel, strict=True)]
    if min(sizes) < 1:
        raise ModelError(
            f"A {shape[1]}x{shape[2]} map is too small for a {kernel[0]}x{kernel[1]} window.",
            next_step="Ask for a larger resolution.",
        )
    return (batch, *(-(-size // stride) for size in sizes), channels)


def _pair(kernel: Kernel) -> tuple[int, int]:
    return (kernel, kernel) if isinstance(kernel, int) else kernel


def _named(name: str, index: int) -> Any:
    return schema.TensorMapT(name=name, tensorIndex=index)
