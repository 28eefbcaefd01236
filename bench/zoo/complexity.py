"""How much a .tflite model computes and holds, counted from its file.

MACs are multiply-accumulates by weights (or of two matrices): what the papers' tables call
MFLOPs, in millions. Pools, additions, activations and biases are none. Sparse weights count
as dense ones, as the papers do. A depthwise convolution whose every weight is one over the
window's size is an average pool in disguise: no MACs, no parameters.

What can't be known from the file (dynamic shapes, loops, custom operators) makes the model
"not countable", with the operator's name: never a wrong number.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.errors import ModelError
from bench.records import Record
from bench.zoo import macs
from bench.zoo.tflite import Contents, Graph, Op, Tensor, read


class Layer(Record, frozen=True, kw_only=True):
    """One operator of the graphs, in the order of the file."""

    graph: int
    index: int
    op: str
    name: str  # of its first output
    shape: tuple[int, ...] | None  # of its first output
    macs: int | None  # None: not countable; what it calls is counted there
    params: int  # constants that it reads
    weight_bytes: int
    not_countable: str | None = None


class Complexity(Record, frozen=True, kw_only=True):
    """What one inference of a model takes."""

    macs: int | None  # convolutions, fully connected and other products by matrices
    macs_conv: int | None  # convolutions only
    not_countable: str | None
    params: int
    params_without_classifier: int
    ops: dict[str, int]
    weight_bytes: dict[str, int]  # by the type that they are stored in
    peak_activation_bytes: int | None  # most that is alive at once, in the file's order
    largest_layer: str | None  # by MACs
    signatures: dict[str, int | None]  # MACs of each
    layers: tuple[Layer, ...]


def count(path: Path) -> Complexity:
    """The complexity of a .tflite file; ModelError when the file can't be read."""
    contents = read(path)
    layers = tuple(
        _layer(number, index, graph, op, constants)
        for number, graph in enumerate(contents.graphs)
        for constants in [macs.constants(graph)]
        for index, op in enumerate(graph.ops)
    )
    totals = _Totals(contents, layers)
    total, total_conv, reason = totals.of(0)
    params = _parameters(contents)
    if params > macs.MOST:
        raise ModelError(
            f"{str(path)!r} is damaged: its shapes speak of {params} parameters.",
            next_step="Convert or download the model again.",
        )
    largest = max(layers, key=lambda layer: layer.macs or 0)
    return Complexity(
        macs=total,
        macs_conv=total_conv,
        not_countable=reason,
        params=params,
        params_without_classifier=params - _classifier_params(layers),
        ops=dict(Counter(layer.op for layer in layers)),
        weight_bytes=_weight_bytes(contents),
        peak_activation_bytes=_peak_activation_bytes(contents.graphs[0]),
        largest_layer=largest.name if largest.macs else None,
        signatures={name: totals.of(index)[0] for name, index in contents.signatures.items()},
        layers=layers,
    )


def _layer(number: int, index: int, graph: Graph, op: Op, constants: macs.Constants) -> Layer:
    outputs = [graph.tensors[output] for output in op.outputs if output is not None]
    weights = macs.weights(op, constants)
    counted, reason = macs.of(graph, op, constants)
    return Layer(
        graph=number,
        index=index,
        op=op.kind,
        name=outputs[0].name if outputs else "",
        shape=outputs[0].shape if outputs else None,
        macs=counted,
        params=sum(macs.elements(tensor) for tensor in weights),
        weight_bytes=sum(tensor.stored_bytes for tensor in weights),
        not_countable=reason,
    )


_Total = tuple[int | None, int | None, str | None]  # MACs, those of convolutions, why not


class _Totals:
    """The MACs of whole graphs, each with the graphs that it calls."""

    _DEEPEST = 64

    def __init__(self, contents: Contents, layers: Sequence[Layer]) -> None:
        self._contents = contents
        self._layers: dict[int, list[Layer]] = {}
        for layer in layers:
            self._layers.setdefault(layer.graph, []).append(layer)
        self._known: dict[int, _Total] = {}

    def of(self, number: int, depth: int = 0) -> _Total:
        if depth > self._DEEPEST:
            return None, None, "graphs call each other without end"
        if number not in self._known:
            self._known[number] = self._sum(number, depth)
        return self._known[number]

    def _sum(self, number: int, depth: int) -> _Total:
        if not 0 <= number < len(self._contents.graphs):
            return None, None, "a graph is called that isn't there"
        total = total_conv = 0
        ops = self._contents.graphs[number].ops
        for op, layer in zip(ops, self._layers.get(number, []), strict=True):
            inner = [self.of(callee, depth + 1) for callee in op.calls]
            counted, counted_conv, reason = _merged(op, layer, inner)
            if counted is None or counted_conv is None:
                return None, None, reason
            total += counted
            total_conv += counted_conv
        if total > macs.MOST:
            return None, None, "its shapes make no sense"
        return total, total_conv, None


def _merged(op: Op, layer: Layer, inner: list[_Total]) -> _Total:
    """The MACs of an operator with those of the graphs that it calls."""
    if layer.macs is None:
        return None, None, layer.not_countable
    if not inner:
        return layer.macs, layer.macs if op.kind in macs.CONVOLUTIONS else 0, None
    for counted, _, reason in inner:
        if counted is None:
            return None, None, f"{op.kind}: {reason}"
    if len(set(inner)) == 1 and op.kind != "WHILE":
        return inner[0]
    if any(counted for counted, _, _ in inner):
        return None, None, f"{op.kind}: how often its branches run depends on the input"
    return 0, 0, None


def _parameters(contents: Contents) -> int:
    """Every number that is learnt, once: what two operators share is held once."""
    held: dict[int | None, int] = {}
    for graph in contents.graphs:
        constants = macs.constants(graph)
        for op in graph.ops:
            for tensor in macs.weights(op, constants):
                held[tensor.buffer] = macs.elements(tensor)
    return sum(held.values())


def _classifier_params(layers: Sequence[Layer]) -> int:
    """Those of what makes classes of features.

    That is the fully connected layers after the last convolution, the last layer of a network
    that has no convolutions, or a last convolution whose map has one pixel.
    """
    counted = [layer for layer in layers if layer.graph == 0 and layer.macs]
    if not counted:
        return 0
    tail = [*itertools.takewhile(lambda layer: layer.op == "FULLY_CONNECTED", reversed(counted))]
    if len(tail) == len(counted):
        return counted[-1].params
    if tail:
        return sum(layer.params for layer in tail)
    last = counted[-1]
    one_pixel = last.shape is not None and all(size == 1 for size in last.shape[:-1])
    return last.params if last.op == "CONV_2D" and one_pixel else 0


def _weight_bytes(contents: Contents) -> dict[str, int]:
    stored: dict[int, Tensor] = {}
    for graph in contents.graphs:
        for tensor in graph.tensors:
            if tensor.buffer is not None:
                stored[tensor.buffer] = tensor
    by_type: Counter[str] = Counter()
    for tensor in stored.values():
        by_type[tensor.type.lower()] += tensor.stored_bytes
    return dict(by_type)


def _peak_activation_bytes(graph: Graph) -> int | None:
    """The most bytes of activations alive at once when the operators run in order.

    An activation lives from the operator that writes it to the last that reads it; outputs
    of the graph and variables live to the end. No two share memory, as views could.
    """
    constants = macs.constants(graph)
    last_use: dict[int, int] = {}
    first_use: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    for index, op in enumerate(graph.ops):
        for operand in (*op.inputs, *op.outputs):
            if operand is not None and operand not in constants:
                first_use.setdefault(operand, index)
                last_use[operand] = index
    kept = set(graph.outputs)
    change: Counter[int] = Counter()
    for operand, start in first_use.items():
        tensor = graph.tensors[operand]
        if tensor.shape is None or tensor.dynamic or tensor.bits is None:
            return None
        size = -(-macs.elements(tensor) * tensor.bits // 8)
        change[start] += size
        if operand not in kept and not tensor.variable:
            change[last_use.get(operand, 0) + 1] -= size
    peak = alive = 0
    for index in sorted(change):
        alive += change[index]
        peak = max(peak, alive)
    return min(peak, macs.MOST)
