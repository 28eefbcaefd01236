"""The bytes of a .tflite file: one graph of tensors and operators, with its weights.

Weights are made straight into the file's own buffer when it is finished, so the memory needed
is the file's size.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bench.errors import ModelError
from bench.zoo.weights import Array, fill_bell

Shape = tuple[int, ...]
Offset = Literal["batch_norm", "bias", "zero"]  # what a layer adds to each output channel

MAX_BYTES = 2**31 - 2**20  # offsets of a flatbuffer end at 2 GiB; the rest is for the graph
_ALIGNMENT = 16  # what the schema asks of buffers, so that weights can be used in place
_BIAS_STD = 0.01


class Tensor(NamedTuple):
    """A tensor of the graph being written: its place among the tensors, and its shape."""

    place: int
    shape: Shape

    @property
    def channels(self) -> int:
        return self.shape[-1]


class GraphFile:
    """One graph with one signature, `serving_default`; `Graph` adds the layers."""

    def __init__(self, name: str, seed: int) -> None:
        self._seed = seed
        self._model = schema.ModelT(version=3, description=name, buffers=[_Buffer(None)])
        self._graph = schema.SubGraphT(name="main", tensors=[], operators=[], inputs=[])
        self._model.subgraphs = [self._graph]
        self._model.operatorCodes = []
        self._codes: dict[int, int] = {}
        self._layers = 0

    def input(self, shape: Shape, name: str = "input") -> Tensor:
        tensor = self._tensor(shape, name)
        self._graph.inputs.append(tensor.place)
        return tensor

    def finish(self, output: Tensor) -> memoryview:
        """The bytes of the file. The graph can't be used afterwards."""
        self._graph.outputs = [output.place]
        self._model.signatureDefs = [
            schema.SignatureDefT(
                signatureKey="serving_default",
                inputs=[_named("input", self._graph.inputs[0])],
                outputs=[_named("output", output.place)],
            )
        ]
        # Generous for everything but the weights, so that the buffer never has to grow.
        size = sum(buffer.size_in_file for buffer in self._model.buffers)
        if size > MAX_BYTES:
            raise ModelError(
                f"The weights of {self._model.description} would take {size} bytes, and a .tflite"
                f" file holds at most {MAX_BYTES}.",
                next_step="Ask for a smaller network.",
            )
        size += 4096 + 1024 * (len(self._graph.tensors) + len(self._graph.operators))
        builder = flatbuffers.Builder(size)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return memoryview(builder.Bytes)[builder.Head() :].toreadonly()

    def _layer(self, kind: str) -> str:
        self._layers += 1
        return f"{kind}_{self._layers}"

    def _weights(self, shape: Shape, name: str, std: float) -> Tensor:
        stream = len(self._model.buffers)
        return self._tensor(shape, name, _Buffer(_Bell(math.prod(shape), std, self._seed, stream)))

    def _offset(self, channels: int, name: str, offset: Offset) -> Tensor:
        if offset == "zero":
            return self._const(np.zeros(channels, np.float32), f"{name}/zero")
        return self._weights((channels,), f"{name}/{offset}", _BIAS_STD)

    def _const(self, values: Array, name: str) -> Tensor:
        return self._tensor(values.shape, name, _Buffer(values))

    def _tensor(self, shape: Shape, name: str, buffer: _Buffer | None = None) -> Tensor:
        index = 0  # the empty buffer: an activation
        if buffer is not None:
            self._model.buffers.append(buffer)
            index = len(self._model.buffers) - 1
        self._graph.tensors.append(
            schema.TensorT(
                shape=np.array(shape, np.int32),
                type=schema.TensorType.FLOAT32 if buffer is None else buffer.type,
                name=name,
                buffer=index,
                hasRank=True,
            )
        )
        return Tensor(len(self._graph.tensors) - 1, tuple(shape))

    def _op(
        self, kind: str, inputs: list[Tensor], shape: Shape, name: str, options: Any = None
    ) -> Tensor:
        output = self._tensor(shape, name)
        self._operator(kind, inputs, [output], options)
        return output

    def _operator(
        self, kind: str, inputs: list[Tensor], outputs: list[Tensor], options: Any
    ) -> None:
        code = getattr(schema.BuiltinOperator, kind)
        if code not in self._codes:
            self._codes[code] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(
                # Readers older than the wide field look at the deprecated one, which holds 127.
                schema.OperatorCodeT(
                    builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=1
                )
            )
        operator = schema.OperatorT(
            opcodeIndex=self._codes[code],
            inputs=np.array([tensor.place for tensor in inputs], np.int32),
            outputs=np.array([tensor.place for tensor in outputs], np.int32),
        )
        if options is not None:
            operator.builtinOptions = options
            kind_of_options = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind_of_options)
        self._graph.operators.append(operator)


class _Bell(NamedTuple):
    """Weights that aren't made yet."""

    size: int
    std: float
    seed: int
    stream: int


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer that makes its weights in the place where the file will hold them."""

    def __init__(self, content: Array | _Bell | None) -> None:
        super().__init__()
        self.content = content
        self.type = schema.TensorType.FLOAT32
        if isinstance(content, np.ndarray) and content.dtype == np.int32:
            self.type = schema.TensorType.INT32

    @property
    def size_in_file(self) -> int:
        if self.content is None:
            return 0
        return 4 * self.content.size

    def Pack(self, builder: Any) -> int:  # noqa: N802 (named by the generated class)
        if self.content is None:
            return int(super().Pack(builder))
        size = self.size_in_file
        builder.StartVector(1, size, _ALIGNMENT)
        builder.head = builder.Head() - size
        place = memoryview(builder.Bytes)[builder.head : builder.head + size]
        if isinstance(self.content, _Bell):
            _, std, seed, stream = self.content
            fill_bell(np.frombuffer(place, np.float32), std, seed, stream)
        else:
            place[:] = np.ascontiguousarray(self.content).tobytes()
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def _named(name: str, index: int) -> Any:
    return schema.TensorMapT(name=name, tensorIndex=index)
