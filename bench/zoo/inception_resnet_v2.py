"""Inception-ResNet V2 (Szegedy et al. 2016, arXiv 1602.07261)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.zoo.family import Family, classes, resolution
from bench.zoo.inception import Step, chain, halved, mixed, stem

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

# The three residual modules: their branches, and the factor of section 3.3 by which a branch
# is scaled before it is added. The factor is part of the weights here, as batch norm is.
_BLOCK_35: tuple[list[list[Step]], float] = (
    [[32], [32, (32, 3)], [32, (48, 3), (64, 3)]],
    0.17,
)
_BLOCK_17: tuple[list[list[Step]], float] = (
    [[192], [128, (160, (1, 7)), (192, (7, 1))]],
    0.10,
)
_BLOCK_8: tuple[list[list[Step]], float] = (
    [[192], [192, (224, (1, 3)), (256, (3, 1))]],
    0.20,
)


def _build(graph: Graph, *, resolution: int, classes: int) -> Tensor:
    x = stem(graph, resolution)
    x = mixed(graph, x, [[96], [48, (64, 5)], [64, (96, 3), (96, 3)], ["average", 64]])
    for _ in range(10):
        x = _residual(graph, x, *_BLOCK_35)
    x = graph.concat(
        [
            halved(graph, x, 384),
            halved(graph, chain(graph, x, 256, (256, 3)), 384),
            graph.max_pool(x, 3, 2, padding="valid"),
        ]
    )
    for _ in range(20):
        x = _residual(graph, x, *_BLOCK_17)
    x = graph.concat(
        [
            halved(graph, chain(graph, x, 256), 384),
            halved(graph, chain(graph, x, 256), 288),
            halved(graph, chain(graph, x, 256, (288, 3)), 320),
            graph.max_pool(x, 3, 2, padding="valid"),
        ]
    )
    for _ in range(9):
        x = _residual(graph, x, *_BLOCK_8)
    x = _residual(graph, x, _BLOCK_8[0], 1.0, last=True)
    x = chain(graph, x, 1536)
    return graph.dense(graph.global_average(x), classes, gain=0.25)


def _residual(
    graph: Graph,
    x: Tensor,
    branches: Sequence[Sequence[Step]],
    scale: float,
    *,
    last: bool = False,
) -> Tensor:
    y = mixed(graph, x, branches)
    y = graph.conv(y, x.channels, activation=None, offset="bias", gain=scale)
    return graph.add(x, y, activation=None if last else "relu")


FAMILY = Family(
    name="inception_resnet_v2",
    axes={"resolution": resolution(299, least=75), "classes": classes()},
    build=_build,
    params_convention="kernels + three numbers of each batch norm + biases",
)
