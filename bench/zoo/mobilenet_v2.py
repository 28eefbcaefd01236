"""MobileNet v2 (Sandler et al. 2018, arXiv 1801.04381), any width multiplier and resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, classes, divisible, factor, resolution

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

# Expansion, output channels, repetitions and first stride of each stage, table 2 of the paper.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_RESIDUAL_GAIN = 0.5  # keeps the sums of the residual blocks from growing


def _build(graph: Graph, *, alpha: float, resolution: int, classes: int) -> Tensor:
    x = graph.input((1, resolution, resolution, 3))
    x = graph.conv(x, divisible(32 * alpha), 3, 2, activation="relu6")
    for expansion, channels, repetitions, first_stride in _STAGES:
        for repetition in range(repetitions):
            stride = first_stride if repetition == 0 else 1
            x = _block(graph, x, expansion, divisible(channels * alpha), stride)
    # A narrow network keeps its last convolution wide (section 6.1 of the paper).
    x = graph.conv(x, divisible(1280 * max(alpha, 1.0)), activation="relu6")
    return graph.dense(graph.global_average(x), classes)


def _block(graph: Graph, x: Tensor, expansion: int, channels: int, stride: int) -> Tensor:
    """An inverted residual: widen, depthwise, narrow without an activation."""
    residual = stride == 1 and x.channels == channels
    y = x
    if expansion > 1:
        y = graph.conv(y, x.channels * expansion, activation="relu6")
    y = graph.depthwise(y, 3, stride, activation="relu6")
    y = graph.conv(y, channels, activation=None, gain=_RESIDUAL_GAIN if residual else 1.0)
    return graph.add(x, y) if residual else y


FAMILY = Family(
    name="mobilenet_v2",
    axes={"alpha": factor(), "resolution": resolution(), "classes": classes()},
    build=_build,
)
