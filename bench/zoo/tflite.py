"""A .tflite file read into plain records, whatever its bytes are.

The file is mapped, not copied: weights stay on the disk. It may be damaged or made to harm,
so every length is checked against the file and the total number of parts is bounded; what
doesn't fit is a ModelError that names the file.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ai_edge_litert import schema_py_generated as schema

from bench.errors import ModelError

MAX_BYTES = 2**31  # as far as the offsets of a flatbuffer reach
MAX_TABLES = 200_000  # tensors, operators, buffers ... all together; large models have 50,000
MAX_NUMBERS = 2_000_000  # dimensions and operands, all together
MAX_RANK = 16
MAX_ELEMENTS = 2**48
_MAX_NAME = 200

# Places of vectors of int32 in their tables: 4 + 2 * their field's number in the schema.
_SHAPE, _SHAPE_SIGNATURE = 4, 18
_INPUTS, _OUTPUTS = 6, 8
_INPUTS_OF_GRAPH, _OUTPUTS_OF_GRAPH = 6, 8

# What reading a damaged flatbuffer raises: the generated readers unpack whatever is there.
_DAMAGE = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)

_BITS = {
    "FLOAT32": 32, "FLOAT16": 16, "INT32": 32, "UINT8": 8, "INT64": 64, "BOOL": 8, "INT16": 16,
    "COMPLEX64": 64, "INT8": 8, "FLOAT64": 64, "COMPLEX128": 128, "UINT64": 64, "UINT32": 32,
    "UINT16": 16, "INT4": 4, "BFLOAT16": 16, "INT2": 2, "UINT4": 4, "FLOAT8_E4M3FN": 8,
    "FLOAT8_E5M2": 8,
}  # fmt: skip


class Tensor(NamedTuple):
    """A tensor: an activation, or a constant that the file holds."""

    name: str
    shape: tuple[int, ...] | None  # None: not told
    dynamic: bool  # a dimension other than the first is only known at run time
    type: str
    bits: int | None  # of one element; None: strings, resources
    buffer: int | None  # of a constant; None: an activation
    stored_bytes: int  # of a constant, as the file holds it
    scale: float | None  # of a quantized tensor's steps, of its first channel
    variable: bool  # keeps its value between inferences
    uniform: float | None  # the one value of all the elements of a filter [1, h, w, c]

    @property
    def quantized(self) -> bool:
        return self.scale is not None


class Op(NamedTuple):
    """One operator of a graph. An operand that isn't given is None."""

    kind: str  # CONV_2D ..., or CUSTOM:name
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]
    calls: tuple[int, ...]  # indices of the graphs that it runs
    transposed: tuple[bool, bool]  # operands of a BATCH_MATMUL


class Graph(NamedTuple):
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Contents(NamedTuple):
    """What a file holds. The first graph is the one that is run by default."""

    graphs: tuple[Graph, ...]
    signatures: dict[str, int]  # index of the graph by name


def read(path: Path) -> Contents:
    """The contents of a .tflite file; ModelError when it isn't one."""
    with _mapped(path) as data:
        if data[4:8] != b"TFL3":
            raise ModelError(
                f"{_shown(path)} is not a TensorFlow Lite model (it doesn't say TFL3).",
                next_step="Give a .tflite file as a converter wrote it.",
            )
        try:
            return _Reader(path, data).contents()
        except _DAMAGE as error:
            _damaged(path, f"{type(error).__name__} while reading it", error)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    try:
        # O_NONBLOCK: a pipe without a writer must be refused, not waited for.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ModelError(
            f"There is no model file {_shown(path)}.", next_step="Check the path."
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{_shown(path)} can't be read: {error}.", next_step="Check the file's permissions."
        ) from error
    try:
        size = _checked_size(path, os.fstat(handle))
        data = mmap.mmap(handle, size, access=mmap.ACCESS_READ)
    finally:
        os.close(handle)
    with data:
        yield data


def _checked_size(path: Path, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{_shown(path)} is not a file.", next_step="Give a .tflite file.")
    if status.st_size == 0:
        raise ModelError(
            f"{_shown(path)} is empty.", next_step="Convert or download the model again."
        )
    if status.st_size < 8:
        _damaged(path, f"it ends after {status.st_size} bytes")
    if status.st_size > MAX_BYTES:
        raise ModelError(
            f"{_shown(path)} has {status.st_size} bytes; a .tflite file has at most {MAX_BYTES}.",
            next_step="Check that it is a model.",
        )
    return status.st_size


def _damaged(path: Path, how: str, cause: Exception | None = None) -> NoReturn:
    raise ModelError(
        f"{_shown(path)} is truncated or damaged: {how}.",
        next_step="Convert or download the model again.",
    ) from cause


def _shown(path: Path) -> str:
    return repr(str(path))


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._tables_left = MAX_TABLES
        self._numbers_left = MAX_NUMBERS
        self._model = schema.Model.GetRootAs(data, 0)

    def contents(self) -> Contents:
        model = self._model
        self._buffers = [self._buffer(model.Buffers(i)) for i in self._each(model.BuffersLength())]
        self._codes = [
            self._code(model.OperatorCodes(i)) for i in self._each(model.OperatorCodesLength())
        ]
        graphs = tuple(self._graph(model.Subgraphs(i)) for i in self._each(model.SubgraphsLength()))
        if not graphs or not graphs[0].ops:
            _damaged(self._path, "it holds no operators")
        signatures = {}
        for i in self._each(model.SignatureDefsLength()):
            signature = model.SignatureDefs(i)
            index = signature.SubgraphIndex()
            if index < len(graphs):
                signatures[_text(signature.SignatureKey())] = index
        return Contents(graphs, signatures)

    def _each(self, length: int) -> range:
        """The indices of a vector of tables. Two vectors may hold the same tables, so that a
        small file could speak of endless ones: they are counted as often as they are read."""
        self._tables_left -= length
        if self._tables_left < 0:
            raise ModelError(
                f"{_shown(self._path)} holds more than {MAX_TABLES} tensors and operators.",
                next_step="Nothing that a phone runs has as many: check the file.",
            )
        return range(length)

    def _numbers(self, table: Any, slot: int) -> tuple[int, ...]:
        """A vector of int32, at once."""
        field = table._tab.Offset(slot)
        if field == 0:
            return ()
        length = table._tab.VectorLen(field)
        self._numbers_left -= length
        if self._numbers_left < 0:
            _damaged(self._path, f"it holds more than {MAX_NUMBERS} dimensions and operands")
        return struct.unpack_from(f"<{length}i", self._data, table._tab.Vector(field))

    def _buffer(self, buffer: Any) -> tuple[int, int]:
        """Where a buffer's bytes start, and how many there are."""
        start, size = buffer.Offset(), buffer.Size()  # beyond the flatbuffer, in large files
        if start <= 1:
            field = buffer._tab.Offset(4)
            if field == 0:
                return 0, 0
            start, size = buffer._tab.Vector(field), buffer._tab.VectorLen(field)
        if start + size > len(self._data):
            _damaged(self._path, f"weights of {size} bytes lie outside of the file")
        return start, size

    def _code(self, code: Any) -> str:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _OPS.get(number, f"BUILTIN_{number}")
        return f"CUSTOM:{_text(code.CustomCode())}" if name == "CUSTOM" else name

    def _graph(self, graph: Any) -> Graph:
        tensors = tuple(self._tensor(graph.Tensors(i)) for i in self._each(graph.TensorsLength()))
        count = len(tensors)
        ends = [self._numbers(graph, slot) for slot in (_INPUTS_OF_GRAPH, _OUTPUTS_OF_GRAPH)]
        if any(not 0 <= index < count for end in ends for index in end):
            _damaged(self._path, "its inputs or outputs aren't there")
        return Graph(
            tensors=tensors,
            ops=tuple(
                self._op(graph.Operators(i), count) for i in self._each(graph.OperatorsLength())
            ),
            inputs=ends[0],
            outputs=ends[1],
        )

    def _tensor(self, tensor: Any) -> Tensor:
        shape = self._numbers(tensor, _SHAPE)
        signature = self._numbers(tensor, _SHAPE_SIGNATURE)
        told = bool(shape) or tensor.HasRank()
        if max(len(shape), len(signature)) > MAX_RANK:
            _damaged(self._path, f"a tensor has more than {MAX_RANK} dimensions")
        if math.prod(shape) > MAX_ELEMENTS:
            _damaged(self._path, f"a tensor has the shape {shape}")
        kind = _TYPES.get(tensor.Type(), "UNKNOWN")
        start, stored = self._buffers[tensor.Buffer()]
        scale = self._scale(tensor.Quantization())
        return Tensor(
            name=_text(tensor.Name()),
            shape=shape if told else None,
            dynamic=any(size < 0 for size in (*shape, *signature[1:])),
            type=kind,
            bits=_BITS.get(kind),
            buffer=tensor.Buffer() if stored else None,
            stored_bytes=stored,
            scale=scale,
            variable=bool(tensor.IsVariable()),
            uniform=self._uniform(kind, shape, start, stored, scale),
        )

    def _scale(self, quantization: Any) -> float | None:
        if quantization is None or quantization.ScaleLength() == 0:
            return None
        return float(quantization.Scale(0))

    def _uniform(
        self, kind: str, shape: tuple[int, ...], start: int, size: int, scale: float | None
    ) -> float | None:
        code = {"FLOAT32": "<f", "FLOAT16": "<e", "INT8": "<b"}.get(kind)
        if code is None or len(shape) != 4 or shape[0] != 1 or size < 2:
            return None
        width = struct.calcsize(code)
        first = self._data[start : start + width]
        for at in range(start, start + size, 4096):
            piece = self._data[at : min(at + 4096, start + size)]
            if piece != first * (len(piece) // width):
                return None
        (value,) = struct.unpack(code, first)
        return float(value) * (1.0 if scale is None else scale)

    def _op(self, op: Any, tensors: int) -> Op:
        kind = self._codes[op.OpcodeIndex()]
        return Op(
            kind=kind,
            inputs=self._operands(op, _INPUTS, tensors),
            outputs=self._operands(op, _OUTPUTS, tensors),
            calls=_calls(kind, op),
            transposed=_transposed(kind, op),
        )

    def _operands(self, op: Any, slot: int, tensors: int) -> tuple[int | None, ...]:
        indices = self._numbers(op, slot)
        if indices and max(indices) >= tensors:
            _damaged(self._path, "an operator uses a tensor that isn't there")
        return tuple(None if index < 0 else index for index in indices)


def _calls(kind: str, op: Any) -> tuple[int, ...]:
    options: Any
    if kind == "IF":
        options = _options(op.BuiltinOptions(), schema.IfOptions())
        return options.ThenSubgraphIndex(), options.ElseSubgraphIndex()
    if kind == "WHILE":
        options = _options(op.BuiltinOptions(), schema.WhileOptions())
        return options.CondSubgraphIndex(), options.BodySubgraphIndex()
    if kind == "STABLEHLO_COMPOSITE":
        options = _options(op.BuiltinOptions2(), schema.StableHLOCompositeOptions())
        return (options.DecompositionSubgraphIndex(),)
    return ()


def _transposed(kind: str, op: Any) -> tuple[bool, bool]:
    if kind != "BATCH_MATMUL" or op.BuiltinOptions() is None:
        return False, False
    options: Any = _options(op.BuiltinOptions(), schema.BatchMatMulOptions())
    return bool(options.AdjX()), bool(options.AdjY())


def _options(table: Any, options: Any) -> Any:
    options.Init(table.Bytes, table.Pos)
    return options


def _text(raw: bytes | None) -> str:
    return (raw or b"")[:_MAX_NAME].decode("utf-8", "replace")


def _names(enum: type) -> dict[int, str]:
    return {number: name for name, number in vars(enum).items() if name.isupper()}


_OPS = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)
