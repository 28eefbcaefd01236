"""The ways in which numbers of parameters are published, each with its name.

A folded file holds one number an output channel where a network in training holds up to four
for its batch norm, and tables also differ in whether they count biases that a batch norm makes
useless. The files of the zoo say which of their numbers is what, so each way can be counted.
All ways here leave the fully connected layers out, as "without top" does in the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.errors import ModelError
from bench.zoo import macs
from bench.zoo.tflite import read


class Kinds(NamedTuple):
    """The parameters of a zoo file's convolutions, by what they are."""

    kernels: int = 0
    norms: int = 0  # channels with a batch norm
    depthwise_norms: int = 0  # of these, those of depthwise convolutions
    biases: int = 0


CONVENTIONS: dict[str, Callable[[Kinds], int]] = {
    "kernels + biases, without the fully connected layers": lambda kinds: (
        kinds.kernels + kinds.biases
    ),
    "kernels + one bias an output, but none for depthwise": lambda kinds: (
        kinds.kernels + kinds.biases + kinds.norms - kinds.depthwise_norms
    ),
    "kernels + three numbers of each batch norm + biases": lambda kinds: (
        kinds.kernels + 3 * kinds.norms + kinds.biases
    ),
    "kernels + all four numbers of each batch norm": lambda kinds: kinds.kernels + 4 * kinds.norms,
}


def params_by(convention: str, path: Path) -> int:
    """The parameters of a zoo file as a table counts them; `convention` names the way."""
    if convention not in CONVENTIONS:
        raise ModelError(
            f"There is no way to count parameters called {convention!r}.",
            next_step=f"There are: {'; '.join(CONVENTIONS)}.",
        )
    return CONVENTIONS[convention](kinds_of(path))


def kinds_of(path: Path) -> Kinds:
    (graph, *_) = read(path).graphs
    constants = macs.constants(graph)
    kernels = norms = depthwise_norms = biases = 0
    for op in graph.ops:
        if op.kind not in macs.CONVOLUTIONS:
            continue
        for tensor in macs.weights(op, constants):
            size, role = macs.elements(tensor), tensor.name.rpartition("/")[2]
            kernels += size if role == "weights" else 0
            biases += size if role == "bias" else 0
            norms += size if role == "batch_norm" else 0
            is_depthwise = op.kind == "DEPTHWISE_CONV_2D"
            depthwise_norms += size if role == "batch_norm" and is_depthwise else 0
    return Kinds(kernels, norms, depthwise_norms, biases)
