"""What this computer computes for a model, kept for the outputs of phones to be held against.

The inputs are those that the runner gives a model on a phone. XNNPACK's kernels and the builtin
ones run, each in a process of its own, once for each model file and runtime version.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from bench.errors import ModelError
from bench.records import Check, Model
from bench.runtime.contract import SEED
from bench.zoo import cache
from bench.zoo.host import HostRuntime, ask, version_of

if TYPE_CHECKING:
    from bench.zoo.tflite import Graph
    from bench.zoo.weights import Array

Content = bytes | memoryview
Kernels = Literal["xnnpack", "none"]  # as a config's delegate calls them

MOST_BYTES = 64 * 1024 * 1024  # of all outputs of a model
_DEADLINE_S = 120.0
_BITS = (8, 16, 32, 64)
# That a phone may tell of; NumPy would take any text for a description of a type.
_TYPES = frozenset(
    {"bool", "float16", "float32", "float64", *(f"{u}int{n}" for u in ("", "u") for n in _BITS)}
)
_VALUES_STAY = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE"})


class Reference(NamedTuple):
    """The host's outputs of one model, in files."""

    runtime: HostRuntime
    files: Mapping[Kernels, Path] = {}
    steps: tuple[float, ...] = ()  # of each output's values; 0: they are no quantized reals
    why_not: str | None = None  # nothing can be compared; None: it can

    def check(
        self, outputs: Sequence[tuple[str, Content]], delegate: str, *, half: bool = False
    ) -> Check:
        """A phone's outputs, each with its type, held against those of the same kernels here.

        `half` is that the phone was asked for arithmetic in half precision; nothing is here.
        """
        from bench.zoo.likeness import held_against

        if self.why_not is not None:
            return self._untold(self.why_not)
        order: list[Kernels] = sorted(("xnnpack", "none"), key=lambda kernels: kernels != delegate)
        try:
            phone = [_array(*output) for output in outputs]
            (version, host), *others = [_read(self.files[k]) for k in order if k in self.files]
        except ModelError as error:
            return self._untold(error.what)
        other = others[0][1] if others else None
        found = held_against(host, phone, self.steps, other, half=half)
        return msgspec.structs.replace(found, runtime=self.runtime, version=version)

    def _untold(self, why: str) -> Check:
        """What the host can't do is not the phone's fault."""
        return Check(runtime=self.runtime, not_compared=why)


def reference(
    model: Model, runtime: HostRuntime, *, directory: Path, python: str | None = None
) -> Reference:
    """The outputs of a model on this computer, made or found in `directory`; it raises nothing."""
    files: dict[Kernels, Path] = {}
    try:
        steps = _steps(Path(model.path))
        files["xnnpack"] = _made(model, runtime, "xnnpack", directory, python)
    except ModelError as error:
        return Reference(runtime, why_not=_plain(error.what))
    with contextlib.suppress(ModelError):  # only how far kernels may differ is not known then
        files["none"] = _made(model, runtime, "none", directory, python)
    return Reference(runtime, files, steps)


def _plain(text: str) -> str:
    """One line without control characters: names of the model's may stand in it."""
    return "".join(c if c.isprintable() else " " for c in text[:300])


def _made(
    model: Model, runtime: HostRuntime, kernels: Kernels, directory: Path, python: str | None
) -> Path:
    identity = {
        "model": model.sha256,
        "runtime": runtime,
        "version": version_of(runtime),
        "python": python,
        "delegate": kernels,
        "seed": SEED,
    }
    path = directory / "references" / f"{cache.key_of(identity)}.npz"
    request = {
        "do": "bytes",
        "model": model.path,
        "threads": 1,
        "delegate": kernels,
        "seed": SEED,
        "most_bytes": MOST_BYTES,
    }

    def write(temporary: Path) -> None:
        asked = {**request, "output": str(temporary)}
        answer = ask(asked, runtime=runtime, deadline_s=_DEADLINE_S, python=python)
        if "error" in answer:
            raise ModelError(f"the host can't run it: {answer['error']}")

    if not path.is_file():
        cache.write_atomically(path, write)
    return path


def _read(path: Path) -> tuple[str, list[Array]]:
    """The version of the runtime, and the outputs; what can't be read is made again next time."""
    from bench.zoo import archive

    try:
        kept = archive.read(path)
        return str(kept["version"]), [kept[str(number)] for number in range(len(kept) - 1)]
    except (KeyError, *archive.DAMAGE) as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise ModelError("the host's outputs that were kept can't be read") from error


def _array(type_name: str, content: Content) -> Array:
    import numpy as np

    if type_name not in _TYPES or len(content) % np.dtype(type_name).itemsize:
        raise ModelError("the phone tells of outputs of a type that can't be compared")
    return np.frombuffer(content, type_name)


def _steps(path: Path) -> tuple[float, ...]:
    """How far apart the values of each output lie, for those that are quantized reals."""
    from bench.zoo import tflite

    contents = tflite.read(path)
    if next(iter(contents.signatures.values()), 0) != 0:
        raise ModelError("its first signature is not its main graph")
    graph = contents.graphs[0]
    return tuple(_step(graph, index) for index in graph.outputs)


def _step(graph: Graph, index: int) -> float:
    """Of whole numbers 1; of reals the scale of the whole numbers that they were made of."""
    if "INT" in graph.tensors[index].type:
        return 1.0 if graph.tensors[index].scale else 0.0
    makers = {output: op for op in graph.ops for output in op.outputs}
    while (op := makers.pop(index, None)) is not None and op.inputs:
        source = op.inputs[0]
        if source is None or op.kind not in {"DEQUANTIZE", *_VALUES_STAY}:
            break
        if op.kind == "DEQUANTIZE":
            scale = graph.tensors[source].scale or 0.0
            return scale if 0 < scale < math.inf else 0.0
        index = source
    return 0.0
