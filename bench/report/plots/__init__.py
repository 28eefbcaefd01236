"""Plots, each a matplotlib Figure; from Python they are `bench.plot`.

Those of `complexity`, `schemes` and `scaling` take a frame of `bench.load_cells`, whole or
filtered; those of `samples` and `endurance` take one of `bench.load_samples`. A virtual device
is drawn hollow and dashed, and the title says what it is; names are text, never mathematics.
"""

from __future__ import annotations

from bench.report.plots.complexity import error_vs_latency, error_vs_macs, latency_vs_macs
from bench.report.plots.endurance import sustained
from bench.report.plots.samples import distributions, time_series
from bench.report.plots.scaling import affinity_scaling, device_vs_device, thread_scaling
from bench.report.plots.schemes import groups_vs_latency, quantization

__all__ = [
    "affinity_scaling",
    "device_vs_device",
    "distributions",
    "error_vs_latency",
    "error_vs_macs",
    "groups_vs_latency",
    "latency_vs_macs",
    "quantization",
    "sustained",
    "thread_scaling",
    "time_series",
]
