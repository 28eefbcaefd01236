"""Frames as files for other tools: CSV, JSON and Parquet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pandas as pd

from bench.errors import StoreError, UsageError
from bench.frame.cells import load_cells
from bench.frame.samples import load_ops, load_samples
from bench.frame.series import load_series
from bench.frame.trials import AnyPath, load

Rows = Literal["trials", "samples", "cells", "ops", "series"]
LOADERS: dict[str, Callable[[AnyPath | Iterable[AnyPath]], pd.DataFrame]] = {
    "trials": load,
    "samples": load_samples,
    "cells": load_cells,
    "ops": load_ops,
    "series": load_series,
}


def export(path: AnyPath | Iterable[AnyPath], output: AnyPath, rows: Rows = "trials") -> Path:
    """Write a frame of some runs to a file whose ending names the format, and return its path.

    `.csv`; `.json`, a list of objects; `.jsonl`, an object a line; `.parquet`, which needs
    pyarrow. Columns are those of docs/formats.md. The file is there whole or not at all.
    """
    target = Path(output)
    if rows not in LOADERS:
        raise UsageError(f"{rows!r} is no kind of row.", next_step=f"Name {', '.join(LOADERS)}.")
    write = _writer(target)
    frame = LOADERS[rows](path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=target.parent, prefix=".export-")
        os.close(handle)
        try:
            write(frame, Path(unfinished))
            Path(unfinished).chmod(0o644)
            Path(unfinished).replace(target)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"can't write {target}: {error.strerror or error}.", next_step="Name another place."
        ) from error
    return target


def _writer(target: Path) -> Callable[[pd.DataFrame, Path], None]:
    writers: dict[str, Callable[[pd.DataFrame, Path], None]] = {
        ".csv": lambda frame, file: frame.to_csv(file, index=False),
        ".json": lambda frame, file: _to_json(frame, file, lines=False),
        ".jsonl": lambda frame, file: _to_json(frame, file, lines=True),
        ".parquet": lambda frame, file: frame.to_parquet(file, index=False, engine="pyarrow"),
    }
    if target.suffix not in writers:
        raise UsageError(
            f"{str(target)!r} does not end like a format.",
            next_step=f"End it with {', '.join(writers)}.",
        )
    if target.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UsageError(
            "Parquet needs pyarrow.", next_step="Install it, with `pip install pyarrow`."
        )
    return writers[target.suffix]


def _to_json(frame: pd.DataFrame, file: Path, *, lines: bool) -> None:
    frame.to_json(file, orient="records", lines=lines, date_format="iso")
