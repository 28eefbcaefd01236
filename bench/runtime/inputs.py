"""The seeded inputs of the runner, made again on the host with NumPy.

device_scripts/README.md writes the generator down; device_scripts/runner/inputs.cc is the other
half. Both give the same bytes, so the outputs of a phone and of a host can be compared. This file
needs NumPy alone: a Python without bench, with another runtime, can load it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]


def seeded_input(shape: Sequence[int], dtype: Any, seed: int, index: int) -> NDArray[Any]:
    """What input number `index` of a model holds for a seed; ValueError for strange types."""
    kind = np.dtype(dtype)
    if kind.name not in _MAKERS:
        raise ValueError(f"there are no seeded values for inputs of type {kind.name}")
    count = int(np.prod(shape, dtype=np.int64))
    key = _mix(np.array([seed], np.uint32) ^ _mix(np.array([index + 1], np.uint32)))
    words = _mix(_mix(np.arange(count, dtype=np.uint32)) ^ key)
    return _MAKERS[kind.name](words).reshape(shape)


def _mix(x: Words) -> Words:
    """A 32-bit integer hash with low bias ("lowbias32", C. Wellons, public domain)."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _bits(dtype: type[np.generic]) -> Callable[[Words], NDArray[Any]]:
    """0 or 1: safe where the input is an index."""
    return lambda words: (words >> np.uint32(31)).astype(dtype)


_MAKERS: dict[str, Callable[[Words], NDArray[Any]]] = {
    "float32": lambda words: (words >> np.uint32(8)).astype(np.float32) * np.float32(2**-24),
    "float64": lambda words: words.astype(np.float64) * 2.0**-32,
    "float16": lambda words: (
        (words >> np.uint32(21)).astype(np.float32) * np.float32(2**-11)
    ).astype(np.float16),
    "uint8": lambda words: (words >> np.uint32(24)).astype(np.uint8),
    "int8": lambda words: (words >> np.uint32(24)).astype(np.uint8).view(np.int8),
    "uint16": lambda words: (words >> np.uint32(16)).astype(np.uint16),
    "int16": lambda words: (words >> np.uint32(16)).astype(np.uint16).view(np.int16),
    "int32": _bits(np.int32),
    "uint32": _bits(np.uint32),
    "int64": _bits(np.int64),
    "uint64": _bits(np.uint64),
    "bool": _bits(np.bool_),
}
