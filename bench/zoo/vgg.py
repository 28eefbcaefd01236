"""VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556, configuration D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, classes, resolution

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions


def _build(graph: Graph, *, resolution: int, classes: int) -> Tensor:
    x = graph.input((1, resolution, resolution, 3))
    for channels, convolutions in _STAGES:
        for _ in range(convolutions):
            x = graph.conv(x, channels, 3, offset="bias")
        x = graph.max_pool(x, 2, 2, padding="valid")
    _, height, width, channels = x.shape
    x = graph.reshape(x, (1, height * width * channels))
    x = graph.dense(x, 4096, activation="relu")
    x = graph.dense(x, 4096, activation="relu")
    return graph.dense(x, classes, gain=0.5)


FAMILY = Family(
    name="vgg16",
    axes={"resolution": resolution(least=32), "classes": classes()},
    build=_build,
    params_convention="kernels + biases, without the fully connected layers",
)
