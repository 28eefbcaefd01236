"""NumPy's archives of arrays, read by any thread."""

from __future__ import annotations

import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np

from bench.zoo.weights import Array

# What NumPy and zipfile raise where a file is damaged: RuntimeError for a bit that says encrypted
# or packed in a way of its own, MemoryError for a shape that no file can hold.
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)

# NumPy reads headers with `ast`, whose count of its depth two threads of CPython 3.11 share:
# one of them ends with a SystemError now and then (cpython issue 106905).
_ONE_READER = threading.Lock()


def read(path: Path) -> dict[str, Array]:
    """The arrays by name; one of DAMAGE where they can't be read."""
    # Opened here: NumPy forgets to close what turns out to be no archive.
    with _ONE_READER, path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
