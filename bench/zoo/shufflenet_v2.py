"""ShuffleNet v2 (Ma et al. 2018, arXiv 1807.11164): a unit works on half of the channels.

In a unit of stride 2 the short branch keeps its channels and the other adds what is missing,
as in the authors' code; halves as wide as each other, as in other reimplementations, give
less than the printed complexity (583 instead of 591 million MACs at 2x).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, choice, classes, resolution

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

# Channels of stages 2 to 4 and of the last convolution, table 5 of the paper.
_CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
_UNITS = (4, 8, 4)


def _build(graph: Graph, *, scale: float, resolution: int, classes: int) -> Tensor:
    *stages, last = _CHANNELS[scale]
    x = graph.input((1, resolution, resolution, 3))
    x = graph.max_pool(graph.conv(x, 24, 3, 2), 3, 2)
    for channels, units in zip(stages, _UNITS, strict=True):
        x = _narrowing(graph, x, channels)
        for _ in range(units - 1):
            x = _passing(graph, x)
    x = graph.conv(x, last)
    return graph.dense(graph.global_average(x), classes)


def _passing(graph: Graph, x: Tensor) -> Tensor:
    kept, worked = graph.split(x, 2)
    y = graph.depthwise(graph.conv(worked, worked.channels), 3, activation=None)
    return graph.shuffle(graph.concat([kept, graph.conv(y, worked.channels)]), 2)


def _narrowing(graph: Graph, x: Tensor, channels: int) -> Tensor:
    short = graph.conv(graph.depthwise(x, 3, 2, activation=None), x.channels)
    y = graph.depthwise(graph.conv(x, channels // 2), 3, 2, activation=None)
    y = graph.conv(y, channels - x.channels)
    return graph.shuffle(graph.concat([short, y]), 2)


FAMILY = Family(
    name="shufflenet_v2",
    axes={
        "scale": choice(1.0, 0.5, 1.5, 2.0, always=True),
        "resolution": resolution(),
        "classes": classes(),
    },
    build=_build,
)
