"""Inception V3 (Szegedy et al. 2015, arXiv 1512.00567), without the auxiliary classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, classes, resolution
from bench.zoo.inception import chain, halved, mixed, stem

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

_ROW, _COLUMN = (1, 7), (7, 1)


def _build(graph: Graph, *, resolution: int, classes: int) -> Tensor:
    x = stem(graph, resolution)
    for pooled in (32, 64, 64):
        x = mixed(graph, x, [[64], [48, (64, 5)], [64, (96, 3), (96, 3)], ["average", pooled]])
    x = graph.concat(
        [
            halved(graph, x, 384),
            halved(graph, chain(graph, x, 64, (96, 3)), 96),
            graph.max_pool(x, 3, 2, padding="valid"),
        ]
    )
    for width in (128, 160, 160, 192):
        x = _factorized(graph, x, width)
    x = graph.concat(
        [
            halved(graph, chain(graph, x, 192), 320),
            halved(graph, chain(graph, x, 192, (192, _ROW), (192, _COLUMN)), 192),
            graph.max_pool(x, 3, 2, padding="valid"),
        ]
    )
    for _ in range(2):
        x = _spread(graph, x)
    return graph.dense(graph.global_average(x), classes)


def _factorized(graph: Graph, x: Tensor, width: int) -> Tensor:
    """7x7 as a row and a column (figure 6 of the paper)."""
    twice = [(width, _COLUMN), (width, _ROW), (width, _COLUMN), (192, _ROW)]
    return mixed(
        graph,
        x,
        [[192], [width, (width, _ROW), (192, _COLUMN)], [width, *twice], ["average", 192]],
    )


def _spread(graph: Graph, x: Tensor) -> Tensor:
    """A row and a column side by side (figure 7 of the paper)."""
    once = chain(graph, x, 384)
    twice = chain(graph, x, 448, (384, 3))
    return graph.concat(
        [
            chain(graph, x, 320),
            mixed(graph, once, [[(384, (1, 3))], [(384, (3, 1))]]),
            mixed(graph, twice, [[(384, (1, 3))], [(384, (3, 1))]]),
            chain(graph, x, "average", 192),
        ]
    )


FAMILY = Family(
    name="inception_v3",
    axes={"resolution": resolution(299, least=75), "classes": classes()},
    build=_build,
    params_convention="kernels + three numbers of each batch norm + biases",
)
