"""A .tflite file written layer by layer, without TensorFlow.

    graph = Graph("tiny", seed=1)
    image = graph.input((1, 32, 32, 3))
    features = graph.conv(image, 16, kernel=3, stride=2)
    data = graph.finish(graph.dense(graph.global_average(features), 10))

Tensors are NHWC. Batch norms are folded: a layer holds weights and one number an output
channel, called `.../batch_norm` where a published network has a batch norm and `.../bias`
where it has a plain bias, so that parameters can be counted either way.
Weights come from the seed and the layer's place alone: same calls, same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bench.errors import ModelError
from bench.zoo.flatbuffer import GraphFile, Offset, Shape, Tensor

Activation = Literal["relu", "relu6"] | None
Padding = Literal["same", "valid"]
Kernel = int | tuple[int, int]

__all__ = ["Activation", "Graph", "Kernel", "Padding", "Tensor"]

_ACTIVATIONS = {
    None: schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
_PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}


class Graph(GraphFile):
    """A network, written layer by layer; each method adds one and gives its output."""

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

    def sigmoid(self, x: Tensor) -> Tensor:
        return self._op("LOGISTIC", [x], x.shape, self._layer("sigmoid"))

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
