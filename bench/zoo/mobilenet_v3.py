"""MobileNet v3 (Howard et al. 2019, arXiv 1905.02244): large, small and their minimalistic forms.

The minimalistic forms, from the authors' code, have neither squeeze-and-excite nor hard swish
nor 5x5 kernels, so that old accelerators run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.zoo.family import Family, choice, classes, divisible, factor, resolution

if TYPE_CHECKING:
    from bench.zoo.writer import Graph, Tensor


class _Block(NamedTuple):
    """One line of table 1 or 2 of the paper."""

    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    swish: bool
    stride: int


_LARGE = (
    _Block(3, 16, 16, False, False, 1),
    _Block(3, 64, 24, False, False, 2),
    _Block(3, 72, 24, False, False, 1),
    _Block(5, 72, 40, True, False, 2),
    _Block(5, 120, 40, True, False, 1),
    _Block(5, 120, 40, True, False, 1),
    _Block(3, 240, 80, False, True, 2),
    _Block(3, 200, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 480, 112, True, True, 1),
    _Block(3, 672, 112, True, True, 1),
    _Block(5, 672, 160, True, True, 2),
    _Block(5, 960, 160, True, True, 1),
    _Block(5, 960, 160, True, True, 1),
)
_SMALL = (
    _Block(3, 16, 16, True, False, 2),
    _Block(3, 72, 24, False, False, 2),
    _Block(3, 88, 24, False, False, 1),
    _Block(5, 96, 40, True, True, 2),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 120, 48, True, True, 1),
    _Block(5, 144, 48, True, True, 1),
    _Block(5, 288, 96, True, True, 2),
    _Block(5, 576, 96, True, True, 1),
    _Block(5, 576, 96, True, True, 1),
)
_RESIDUAL_GAIN = 0.5  # keeps the sums of the residual blocks from growing
# Squeeze-and-excite halves what it gets, and so does a hard swish: the weights make up for it.
_HALVED_GAIN = 1.7


def _build(graph: Graph, *, arch: str, alpha: float, resolution: int, classes: int) -> Tensor:
    size, _, form = arch.partition("_")
    full = form != "minimalistic"
    blocks, last = (_LARGE, 1280) if size == "large" else (_SMALL, 1024)
    x = graph.input((1, resolution, resolution, 3))
    x = _conv(graph, x, divisible(16 * alpha), 3, 2, swish=full)
    narrowed = 16
    for block in blocks:
        factor = block.expanded / narrowed  # the tables' widths are those of alpha 1
        x = _block(graph, x, block, factor, divisible(block.channels * alpha), full)
        narrowed = block.channels
    x = _conv(graph, x, divisible(blocks[-1].expanded * alpha), 1, 1, swish=full)
    x = graph.global_average(x, keep=True)
    # As in MobileNet v2, a narrow network keeps its last layer wide.
    x = graph.conv(
        x, divisible(last * max(alpha, 1.0)), activation=None, offset="bias", gain=_HALVED_GAIN
    )
    x = graph.hard_swish(x) if full else graph.relu(x)
    # What is left of a halving that isn't made up for is made up for in the logits.
    gain = 8.0 if arch == "small" else 1.0
    return graph.dense(graph.reshape(x, (1, x.channels)), classes, gain=gain)


def _block(
    graph: Graph, x: Tensor, block: _Block, factor: float, channels: int, full: bool
) -> Tensor:
    expanded = divisible(x.channels * factor)
    residual = block.stride == 1 and x.channels == channels
    swish = full and block.swish
    y = x if factor == 1 else _conv(graph, x, expanded, 1, 1, swish=swish)
    y = _depthwise(graph, y, block.kernel if full else 3, block.stride, swish=swish)
    gain = _RESIDUAL_GAIN if residual else 1.0
    if full and block.squeeze:
        y = _squeezed(graph, y)
        gain *= _HALVED_GAIN
    y = graph.conv(y, channels, activation=None, gain=gain)
    return graph.add(x, y) if residual else y


def _squeezed(graph: Graph, x: Tensor) -> Tensor:
    """Squeeze-and-excite: each channel times a weight that all of the picture decides."""
    y = graph.global_average(x, keep=True)
    y = graph.conv(y, divisible(x.channels / 4), offset="bias")
    y = graph.conv(y, x.channels, activation=None, offset="bias")
    return graph.multiply(x, graph.hard_sigmoid(y))


def _conv(
    graph: Graph, x: Tensor, channels: int, kernel: int, stride: int, *, swish: bool
) -> Tensor:
    if not swish:
        return graph.conv(x, channels, kernel, stride)
    y = graph.conv(x, channels, kernel, stride, activation=None, gain=_HALVED_GAIN)
    return graph.hard_swish(y)


def _depthwise(graph: Graph, x: Tensor, kernel: int, stride: int, *, swish: bool) -> Tensor:
    if not swish:
        return graph.depthwise(x, kernel, stride)
    y = graph.depthwise(x, kernel, stride, activation=None, gain=_HALVED_GAIN)
    return graph.hard_swish(y)


FAMILY = Family(
    name="mobilenet_v3",
    axes={
        "arch": choice("large", "small", "large_minimalistic", "small_minimalistic", always=True),
        "alpha": factor(),
        "resolution": resolution(),
        "classes": classes(),
    },
    build=_build,
)
