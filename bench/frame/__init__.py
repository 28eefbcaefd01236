"""Trials as pandas frames: one row a trial, one row a sample, one row a cell and so on.

Every column is told in `columns` and in docs/formats.md.
"""

from __future__ import annotations

from bench.frame.cells import load_cells
from bench.frame.comparison import Comparison, compare
from bench.frame.files import export
from bench.frame.samples import load_ops, load_samples
from bench.frame.series import load_series
from bench.frame.trials import load

__all__ = [
    "Comparison",
    "compare",
    "export",
    "load",
    "load_cells",
    "load_ops",
    "load_samples",
    "load_series",
]
