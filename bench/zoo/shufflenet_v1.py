"""ShuffleNet v1 (Zhang et al. 2017, arXiv 1707.01083), any scale and group count.

Published: the stages' channels at 1x (table 1), three stages of 4, 8 and 4 units, a
bottleneck of a quarter of the channels, no groups in the first unit's first convolution.

Not printed by the paper, and taken from where its complexities come out right:
- Stage channels at other scales are rounded to the nearest multiple of four times the groups,
  which is what grouped bottlenecks need (at 0.5x with 4 groups this gives the 576 channels of
  stage 4 that the paper speaks of).
- The first convolution has 24 channels at 1x and 1.5x, 48 at 2x, 12 below 1x, made a multiple
  of the groups: upwards, but downwards below 0.5x.
- `arch = "arch2"` is named by the paper's first version without its structure. Here: two units
  less in stage 3 and 48 channels (times scale) in the first convolution, which at 0.5x with 8
  groups gives the printed 40 million MACs. Reconstructed.
- `arch = "shallow"` has half of the units in each stage, as the second version says; the width
  isn't told. Here: stages 1.4 times as wide and 36 channels (times scale) in the first
  convolution, which at 0.5x with 3 groups gives the printed 40 million MACs. Reconstructed.
- `se = true` adds squeeze-and-excite to each unit's branch, with a sixteenth of its channels:
  at 2x with 3 groups that gives 526.5 of the printed 527 million MACs. Reconstructed.

Options: `shuffle = false` is the paper's ablation; `grouped = "split"` writes a grouped
convolution as SPLIT, convolutions and CONCATENATION for runtimes that are slow on the native
one; `pool = "depthwise"` writes the average pools as constant depthwise convolutions, which
int8 delegates take (they count neither as MACs nor as parameters).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import ModelError
from bench.zoo.family import Family, Value, choice, classes, factor, resolution, switch

if TYPE_CHECKING:
    from bench.zoo.writer import Activation, Graph, Tensor

_STAGE_2 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # channels at 1x by groups, table 1

# The branch that is added to its own input must be small, or the sum grows from unit to unit
# until one logit drowns the others and hides what quantization does.
_RESIDUAL_GAIN = 0.3


class _Structure(NamedTuple):
    units: tuple[int, int, int]
    width: float  # of the stages, against table 1
    first: int | None  # channels of the first convolution at scale 1; None: as in the table


_STRUCTURES = {
    "arch2": _Structure((4, 6, 4), 1.0, 48),
    "shallow": _Structure((2, 4, 2), 1.4, 36),
}


def _build(
    graph: Graph,
    *,
    scale: float,
    groups: int,
    resolution: int,
    arch: str,
    shuffle: bool,
    se: bool,
    grouped: str,
    pool: str,
    classes: int,
) -> Tensor:
    structure = _structure(arch)
    unit = _Unit(graph, groups, shuffle, se, grouped == "split", pool == "depthwise")
    x = graph.input((1, resolution, resolution, 3))
    x = graph.conv(x, _first(structure, scale, groups), 3, 2)
    x = graph.max_pool(x, 3, 2)
    channels = _second(structure, scale, groups)
    for stage, units in enumerate(structure.units):
        x = unit.narrowing(x, channels * 2**stage, first=stage == 0)
        for _ in range(units - 1):
            x = unit.residual(x)
    return graph.dense(graph.global_average(x), classes, gain=0.5)


class _Unit(NamedTuple):
    """The paper's unit (figure 2): grouped 1x1, shuffle, depthwise 3x3, grouped 1x1."""

    graph: Graph
    groups: int
    shuffle: bool
    squeeze: bool
    split: bool
    constant_pool: bool

    def residual(self, x: Tensor) -> Tensor:
        y = self._bottleneck(x, x.channels // 4, stride=1, groups=self.groups)
        y = self._excited(self._grouped(y, x.channels, self.groups, None, gain=_RESIDUAL_GAIN))
        return self.graph.add(x, y, activation="relu")

    def narrowing(self, x: Tensor, channels: int, *, first: bool) -> Tensor:
        """Stride 2; the input, pooled, is joined to the branch instead of added."""
        y = self._bottleneck(x, channels // 4, stride=2, groups=1 if first else self.groups)
        y = self._excited(self._grouped(y, channels - x.channels, self.groups, "relu"))
        pool = self.graph.mean_filter if self.constant_pool else self.graph.average_pool
        return self.graph.concat([pool(x, 3, 2), y])

    def _bottleneck(self, x: Tensor, channels: int, *, stride: int, groups: int) -> Tensor:
        y = self._grouped(x, channels, groups, "relu")
        if self.shuffle:
            y = self.graph.shuffle(y, self.groups)
        return self.graph.depthwise(y, 3, stride, activation=None)

    def _excited(self, x: Tensor) -> Tensor:
        """Squeeze-and-excite: each channel times a weight that all of the picture decides."""
        if not self.squeeze:
            return x
        y = self.graph.global_average(x, keep=True)
        y = self.graph.conv(y, max(x.channels // 16, 1), offset="bias")
        y = self.graph.conv(y, x.channels, activation=None, offset="bias")
        return self.graph.multiply(x, self.graph.sigmoid(y))

    def _grouped(
        self, x: Tensor, channels: int, groups: int, activation: Activation, gain: float = 1.0
    ) -> Tensor:
        graph = self.graph
        if groups == 1 or not self.split:
            return graph.conv(x, channels, groups=groups, activation=activation, gain=gain)
        parts = [
            graph.conv(part, channels // groups, activation=activation, gain=gain)
            for part in graph.split(x, groups)
        ]
        return graph.concat(parts)


def _structure(arch: str) -> _Structure:
    return _STRUCTURES.get(arch, _Structure((4, 8, 4), 1.0, None))


def _first(structure: _Structure, scale: float, groups: int) -> int:
    """The channels of the first convolution."""
    if structure.first is not None:
        return _nearest(structure.first * scale, groups)
    channels = 12 if scale < 1 else 24 if scale < 2 else 48
    return channels // groups * groups if scale < 0.5 else -(-channels // groups) * groups


def _second(structure: _Structure, scale: float, groups: int) -> int:
    """The channels of stage 2."""
    return _nearest(_STAGE_2[groups] * structure.width * scale, 4 * groups)


def _nearest(channels: float, step: int) -> int:
    return max(math.floor(channels / step + 0.5), 1) * step


def _refuse(*, scale: float, groups: int, arch: str, **_: Value) -> None:
    """The first unit adds channels to those it gets, so there must be more of them."""
    first, second = (at(_structure(arch), scale, groups) for at in (_first, _second))
    if second <= first:
        raise ModelError(
            f"scale = {scale:g} with {groups} groups leaves {second} channels after a first"
            f" convolution of {first}.",
            next_step="Take a larger scale.",
        )


FAMILY = Family(
    name="shufflenet_v1",
    axes={
        "scale": factor(),
        "groups": choice(3, 1, 2, 4, 8, prefix="g", always=True),
        "resolution": resolution(),
        "arch": choice("paper", "arch2", "shallow"),
        "shuffle": switch(True, tag="noshuffle"),
        "se": switch(False, tag="se"),
        "grouped": choice("native", "split", form=True),
        "pool": choice("average", "depthwise", prefix="pool_", form=True),
        "classes": classes(),
    },
    build=_build,
    refuse=_refuse,
)
