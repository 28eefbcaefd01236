"""What the Inception networks are made of: chains of convolutions, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Kernel, Tensor

# A 1x1 convolution by its channels; any other by channels and kernel; a pool by its name.
Step = int | tuple[int, "Kernel"] | str


def mixed(graph: Graph, x: Tensor, branches: Sequence[Sequence[Step]]) -> Tensor:
    """The same input through several chains, joined."""
    return graph.concat([chain(graph, x, *branch) for branch in branches])


def chain(graph: Graph, x: Tensor, *steps: Step) -> Tensor:
    """One step after another, at stride 1 and without losing the border."""
    for step in steps:
        if step == "average":
            x = graph.average_pool(x, 3, 1)
        elif step == "max":
            x = graph.max_pool(x, 3, 1)
        elif isinstance(step, tuple):
            x = graph.conv(x, step[0], step[1])
        elif isinstance(step, int):
            x = graph.conv(x, step)
        else:
            raise ValueError(f"no step of a chain: {step!r}")
    return x


def stem(graph: Graph, resolution: int) -> Tensor:
    """The first layers of Inception V3 and Inception-ResNet V2."""
    x = graph.input((1, resolution, resolution, 3))
    x = graph.conv(x, 32, 3, 2, padding="valid")
    x = graph.conv(x, 32, 3, padding="valid")
    x = graph.conv(x, 64, 3)
    x = graph.max_pool(x, 3, 2, padding="valid")
    x = graph.conv(x, 80, padding="valid")
    x = graph.conv(x, 192, 3, padding="valid")
    return graph.max_pool(x, 3, 2, padding="valid")


def halved(graph: Graph, x: Tensor, channels: int) -> Tensor:
    """The last convolution of a branch that narrows the map."""
    return graph.conv(x, channels, 3, 2, padding="valid")
