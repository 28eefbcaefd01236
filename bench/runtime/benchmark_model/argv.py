"""The command that starts Google's benchmark_model, from the same config as the runner's.

The tool knows no interval to reach: it takes `min_samples` inferences and goes on for a second (or
to `max_seconds` where no interval was asked for), and stops at `max_seconds`. With `min_samples`
equal to `max_samples` it takes exactly that many, unless time runs out. Its flags are spelled
`--name=value`; a bool needs its `=true`; of a flag given twice the first counts; unknown flags are
ignored with a warning: so each is given once, and `parse_output` refuses a run that ignored one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from bench.errors import UsageError
from bench.records import Config, Precision

Tool = Literal["tflite", "litert"]  # tflite/tools/benchmark, or its successor litert/tools
Extra = Mapping[str, str | int | float | bool]


def benchmark_model_argv(
    *,
    binary: str,
    model: str,
    config: Config,
    precision: Precision,
    result_file: str | None = None,
    profile: bool = False,
    extra: Extra | None = None,
    tool: Tool = "tflite",
    cpu_mask: str | None = None,
) -> list[str]:
    """The command line; all paths are the phone's, `cpu_mask` is hexadecimal.

    The delegate is forced, never left to the tool's default, and so is XNNPACK beside another
    delegate: off. UsageError for what the tool can't do and for an `extra` flag that is set here.
    """
    for path in (binary, model, *([] if result_file is None else [result_file])):
        _refuse_strange(path, path=True)
    fixed = precision.min_samples == precision.max_samples
    least_s = min(1.0, precision.max_seconds) if precision.interval else precision.max_seconds
    flags: dict[str, str] = {
        "graph": model,
        "num_threads": str(config.threads),
        "num_runs": str(precision.min_samples),
        "min_secs": "0" if fixed else _decimal(least_s),
        "max_secs": _decimal(precision.max_seconds),
        "warmup_runs": "1",
        "warmup_min_secs": _decimal(min(0.5, precision.warmup_max_seconds)),
        **_delegate_flags(config.delegate, tool),
    }
    if profile:
        flags["enable_op_profiling" if tool == "tflite" else "use_profiler"] = "true"
    if result_file is not None:
        flags["result_file_path"] = result_file
    for name, value in (extra or {}).items():
        _add(flags, name, value)
    start = [binary] if cpu_mask is None else ["taskset", _mask(cpu_mask), binary]
    return start + [f"--{name}={value}" for name, value in flags.items()]


def _delegate_flags(delegate: str, tool: Tool) -> dict[str, str]:
    try:
        return dict(_DELEGATES[tool][delegate])
    except KeyError:
        able = ", ".join(_DELEGATES[tool])
        raise UsageError(
            f"benchmark_model of {tool} can't be held to delegate {delegate!r}.",
            next_step=f"It can be held to: {able}.",
        ) from None


_DELEGATES: dict[Tool, dict[str, dict[str, str]]] = {
    "tflite": {
        "xnnpack": {"use_xnnpack": "true"},
        "none": {"use_xnnpack": "false"},
        # cl: else a phone without OpenCL falls back to OpenGL in silence.
        "gpu": {"use_gpu": "true", "gpu_backend": "cl", "use_xnnpack": "false"},
        # Else NNAPI may run its own reference implementation on the CPU.
        "nnapi": {"use_nnapi": "true", "disable_nnapi_cpu": "true", "use_xnnpack": "false"},
    },
    "litert": {
        "xnnpack": {"use_cpu": "true", "use_gpu": "false", "use_npu": "false"},
        "gpu": {"use_gpu": "true", "use_npu": "false"},
        "npu": {"use_npu": "true", "use_gpu": "false"},
    },
}


def _add(flags: dict[str, str], name: str, value: str | int | float | bool) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise UsageError(f"{name!r} is no flag of benchmark_model: lower case, no dashes.")
    if name in flags:
        raise UsageError(f"--{name} is set by the config; it can't be given again.")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    _refuse_strange(text)
    flags[name] = text


def _mask(cpu_mask: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{1,16}", cpu_mask):
        raise UsageError(f"{cpu_mask!r} is no mask of CPUs: hexadecimal, without 0x.")
    return cpu_mask


def _refuse_strange(text: str, *, path: bool = False) -> None:
    if re.search(r"[\x00-\x1f\x7f]", text) or (path and not text.startswith("/")):
        what = "no path on a phone: absolute, without" if path else "no value: it holds"
        raise UsageError(f"{text!r} is {what} control characters.")


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"
