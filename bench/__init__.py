"""Measure TensorFlow Lite (LiteRT) models on Android phones over adb.

    import bench

    trials = bench.load("results/mobilenet")
    trials.groupby(["alpha", "threads"]).median_us.median()

Everything below is loaded when it is first asked for, so that `import bench` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.engine import run_sweep
    from bench.frame import (
        compare,
        export,
        load,
        load_cells,
        load_ops,
        load_samples,
        load_series,
    )
    from bench.report import plots as plot
    from bench.report import render_report, show

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "compare",
    "export",
    "load",
    "load_cells",
    "load_ops",
    "load_samples",
    "load_series",
    "plot",
    "render_report",
    "run_sweep",
    "show",
]

_ROOMS = {
    "compare": "bench.frame",
    "export": "bench.frame",
    "load": "bench.frame",
    "load_cells": "bench.frame",
    "load_ops": "bench.frame",
    "load_samples": "bench.frame",
    "load_series": "bench.frame",
    "render_report": "bench.report",
    "run_sweep": "bench.engine",
    "show": "bench.report",
}
_MODULES = {"plot": "bench.report.plots"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
