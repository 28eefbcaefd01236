"""Small .tflite files with any operator in them, for the tests of the zoo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT16, INT8, INT32 = np.float16, np.int8, np.int32


@dataclass
class SmallGraph:
    """One graph; tensors are the indices that its methods give."""

    table: Any = field(
        default_factory=lambda: schema.SubGraphT(tensors=[], operators=[], inputs=[], outputs=[])
    )
    constants: dict[int, Any] = field(default_factory=dict)
    ops: list[tuple[str, list[int], list[int], Any]] = field(default_factory=list)

    def tensor(self, *shape: int, dtype: Any = np.float32, **fields: Any) -> int:
        kind = getattr(schema.TensorType, np.dtype(dtype).name.upper())
        self.table.tensors.append(
            schema.TensorT(
                shape=np.array(shape, np.int32),
                type=kind,
                name=f"t{len(self.table.tensors)}",
                hasRank=True,
                **fields,
            )
        )
        return len(self.table.tensors) - 1

    def input(self, *shape: int, **fields: Any) -> int:
        index = self.tensor(*shape, **fields)
        self.table.inputs.append(index)
        return index

    def const(self, *shape: int, dtype: Any = np.float32, scale: float | None = None) -> int:
        index = self.tensor(*shape, dtype=dtype)
        if scale is not None:
            self.table.tensors[index].quantization = schema.QuantizationParametersT(
                scale=[scale], zeroPoint=[0]
            )
        self.constants[index] = np.arange(1, 1 + int(np.prod(shape))).astype(dtype)
        return index

    def op(self, kind: str, inputs: Sequence[int], *shape: int, options: Any = None) -> int:
        output = self.tensor(*shape)
        self.ops.append((kind, list(inputs), [output], options))
        return output


def write(path: Path, *graphs: SmallGraph, signatures: dict[str, int] | None = None) -> Path:
    """The file of these graphs."""
    model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[], subgraphs=[])
    codes: dict[str, int] = {}
    for graph in graphs:
        for index, values in graph.constants.items():
            model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
            graph.table.tensors[index].buffer = len(model.buffers) - 1
        for kind, inputs, outputs, options in graph.ops:
            if kind not in codes:
                codes[kind] = len(codes)
                builtin, _, custom = kind.partition(":")
                number = getattr(schema.BuiltinOperator, builtin)
                model.operatorCodes.append(
                    schema.OperatorCodeT(
                        builtinCode=number,
                        deprecatedBuiltinCode=min(number, 127),
                        customCode=custom or None,
                        version=1,
                    )
                )
            operator = schema.OperatorT(opcodeIndex=codes[kind], inputs=inputs, outputs=outputs)
            if options is not None:
                name = type(options).__name__.removesuffix("T")
                if hasattr(schema.BuiltinOptions, name):
                    operator.builtinOptions = options
                    operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
                else:
                    operator.builtinOptions2 = options
                    operator.builtinOptions2Type = getattr(schema.BuiltinOptions2, name)
            graph.table.operators.append(operator)
        model.subgraphs.append(graph.table)
    model.signatureDefs = [
        schema.SignatureDefT(signatureKey=name, subgraphIndex=index, inputs=[], outputs=[])
        for name, index in (signatures or {}).items()
    ]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path
