"""NumPy's archives of arrays, read by any thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from bench.zoo.weights import Array

# NumPy reads headers with `ast`, whose count of its depth two threads of CPython 3.11 share:
# one of them ends with a SystemError now and then (cpython issue 106905).
_ONE_READER = threading.Lock()


def read(path: Path) -> dict[str, Array]:
    """The arrays by name; what NumPy and zipfile raise where the file is damaged."""
    # Opened here: NumPy forgets to close what turns out to be no archive.
    with _ONE_READER, path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
