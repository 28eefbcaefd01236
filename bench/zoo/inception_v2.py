"""Inception V2 (Ioffe and Szegedy 2015, arXiv 1502.03167), as the authors' TF-slim code has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, classes, resolution
from bench.zoo.inception import chain, mixed

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

# Branches of each module: 1x1; 1x1 and 3x3; 1x1 and two 3x3; pool and 1x1.
_STAGE_3 = ((64, (64, 64), (64, 96), 32), (64, (64, 96), (64, 96), 64))
_STAGE_4 = (
    (224, (64, 96), (96, 128), 128),
    (192, (96, 128), (96, 128), 128),
    (160, (128, 160), (128, 160), 96),
    (96, (128, 192), (160, 192), 96),
)
_STAGE_5 = ((352, (192, 320), (160, 224), 128), (352, (192, 320), (192, 224), 128))


def _build(graph: Graph, *, resolution: int, classes: int) -> Tensor:
    x = graph.input((1, resolution, resolution, 3))
    # A separable first convolution, without batch norm: 8 filters of 7x7 a colour, then 1x1.
    x = graph.depthwise(x, 7, 2, multiplier=8, activation=None, offset="zero")
    x = graph.max_pool(graph.conv(x, 64, offset="bias"), 3, 2)
    x = graph.max_pool(chain(graph, x, 64, (192, 3)), 3, 2)
    for widths in _STAGE_3:
        x = _module(graph, x, *widths)
    x = _narrowing(graph, x, (128, 160), (64, 96))
    for widths in _STAGE_4:
        x = _module(graph, x, *widths)
    x = _narrowing(graph, x, (128, 192), (192, 256))
    x = _module(graph, x, *_STAGE_5[0])
    x = _module(graph, x, *_STAGE_5[1], pool="max")
    return graph.dense(graph.global_average(x), classes, gain=0.5)


def _module(
    graph: Graph,
    x: Tensor,
    single: int,
    once: tuple[int, int],
    twice: tuple[int, int],
    pooled: int,
    pool: str = "average",
) -> Tensor:
    return mixed(
        graph,
        x,
        [
            [single],
            [once[0], (once[1], 3)],
            [twice[0], (twice[1], 3), (twice[1], 3)],
            [pool, pooled],
        ],
    )


def _narrowing(graph: Graph, x: Tensor, once: tuple[int, int], twice: tuple[int, int]) -> Tensor:
    return graph.concat(
        [
            graph.conv(graph.conv(x, once[0]), once[1], 3, 2),
            graph.conv(chain(graph, x, twice[0], (twice[1], 3)), twice[1], 3, 2),
            graph.max_pool(x, 3, 2),
        ]
    )


FAMILY = Family(
    name="inception_v2",
    axes={"resolution": resolution(), "classes": classes()},
    build=_build,
    params_convention="kernels + three numbers of each batch norm + biases",
)
