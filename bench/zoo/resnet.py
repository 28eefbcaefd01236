"""ResNet-101 (He et al. 2015, arXiv 1512.03385), with the stride in a block's first convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, classes, resolution

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 23, 2), (512, 3, 2))  # channels, blocks, stride
_RESIDUAL_GAIN = 0.25  # thirty-three blocks are added up


def _build(graph: Graph, *, resolution: int, classes: int) -> Tensor:
    x = graph.input((1, resolution, resolution, 3))
    x = graph.max_pool(graph.conv(x, 64, 7, 2), 3, 2)
    for channels, blocks, stride in _STAGES:
        x = _block(graph, x, channels, stride, widen=True)
        for _ in range(blocks - 1):
            x = _block(graph, x, channels, 1, widen=False)
    return graph.dense(graph.global_average(x), classes)


def _block(graph: Graph, x: Tensor, channels: int, stride: int, *, widen: bool) -> Tensor:
    short = graph.conv(x, 4 * channels, 1, stride, activation=None) if widen else x
    y = graph.conv(x, channels, 1, stride)
    y = graph.conv(y, channels, 3)
    y = graph.conv(y, 4 * channels, activation=None, gain=_RESIDUAL_GAIN)
    return graph.add(short, y, activation="relu")


FAMILY = Family(
    name="resnet101",
    axes={"resolution": resolution(), "classes": classes()},
    build=_build,
    params_convention="kernels + all four numbers of each batch norm",
)
