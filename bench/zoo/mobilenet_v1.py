"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861), any width multiplier and resolution.

`arch = "shallow"` is the paper's ablation (table 5): without the five blocks of 14 x 14 x 512.
`arch = "conv"` is its other ablation (table 4): whole convolutions instead of separable ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.zoo.family import Family, choice, classes, factor, resolution

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor

_Block = tuple[int, int]  # output channels and stride of a depthwise-separable block

# Table 1 of the paper.
_HEAD: tuple[_Block, ...] = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2))
_BODY: tuple[_Block, ...] = ((512, 1),) * 5
_TAIL: tuple[_Block, ...] = ((1024, 2), (1024, 1))


def _build(graph: Graph, *, alpha: float, resolution: int, arch: str, classes: int) -> Tensor:
    x = graph.input((1, resolution, resolution, 3))
    x = graph.conv(x, _channels(32, alpha), 3, 2, activation="relu6")
    for channels, stride in (*_HEAD, *(() if arch == "shallow" else _BODY), *_TAIL):
        width = _channels(channels, alpha)
        if arch == "conv":
            x = graph.conv(x, width, 3, stride, activation="relu6")
        else:
            x = graph.depthwise(x, 3, stride, activation="relu6")
            x = graph.conv(x, width, activation="relu6")
    return graph.dense(graph.global_average(x), classes)


def _channels(channels: int, alpha: float) -> int:
    # Truncated and never below 8, as in the authors' code.
    return max(int(channels * alpha), 8)


FAMILY = Family(
    name="mobilenet_v1",
    axes={
        "alpha": factor(),
        "resolution": resolution(),
        "arch": choice("paper", "shallow", "conv"),
        "classes": classes(),
    },
    build=_build,
    params_convention="kernels + one bias an output, but none for depthwise",
)
