"""Runs one model, prints one line of JSON, ends: the one place where a host runtime runs models.

It runs by its path and imports nothing of `bench`, so that any Python with NumPy and a
runtime can run it; `host.py` starts it and says what to do in its only argument.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import resource
import signal
import sys
import time
import zlib
from types import ModuleType
from typing import Any

_MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}

_MEMORY = 16 * 1024**3  # bytes of addresses


def main() -> None:
    request = json.loads(sys.argv[1])
    signal.alarm(request["ends_after_s"])
    runtime = request["runtime"]
    # A model that asks for absurd memory must end here, not the machine.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        interpreters = importlib.import_module(_MODULES[runtime])
        version = importlib.metadata.version(runtime)
    except ImportError as error:
        answer = {"no_runtime": " ".join(str(error).split())[:300]}
    else:
        try:
            answer = {"version": version, **_run(interpreters, request)}
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            answer = {"version": version, **_failure(error)}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def _run(interpreters: ModuleType, request: dict[str, Any]) -> dict[str, Any]:
    kernels = interpreters.OpResolverType
    builtin = request.get("delegate", "xnnpack") == "none"
    interpreter = interpreters.Interpreter(
        model_path=request["model"],
        num_threads=request["threads"],
        experimental_op_resolver_type=(
            kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES if builtin else kernels.AUTO
        ),
    )
    interpreter.allocate_tensors()
    return _ACTIONS[request["do"]](interpreter, request)


def _fill(interpreter: Any, request: dict[str, Any]) -> None:
    """The bytes that the runner puts into its inputs, which it has in the same order."""
    inputs = _module("inputs", request["inputs"])
    for index, detail in enumerate(interpreter.get_input_details()):
        value = inputs.seeded_input(_shape(detail), detail["dtype"], request["seed"], index)
        interpreter.set_tensor(detail["index"], value)


def _time(interpreter: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The same inputs several times: how long it takes, and a digest of what comes out."""
    _fill(interpreter, request)
    seconds = []
    for _ in range(request["inferences"]):
        start = time.perf_counter()
        interpreter.invoke()
        seconds.append(time.perf_counter() - start)
    outputs = [_output(interpreter, detail) for detail in interpreter.get_output_details()]
    return {"seconds": seconds, "outputs": outputs, "peak_kb": _peak_kb()}


def _keep_outputs(interpreter: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What comes out for several inputs, as real numbers, written to a file.

    A quantized model gets the same real inputs as its float parent, in its own steps.
    """
    import numpy as np

    inputs = _module("inputs", request["inputs"])
    kept = {}
    for number, seed in enumerate(request["seeds"]):
        for index, detail in enumerate(interpreter.get_input_details()):
            scale, zero = detail["quantization"]
            kind = np.float32 if scale else detail["dtype"]
            value = inputs.seeded_input(_shape(detail), kind, seed, index)
            if scale:
                limits = np.iinfo(detail["dtype"])
                steps = np.round(value / scale + zero)
                value = np.clip(steps, limits.min, limits.max).astype(detail["dtype"])
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        for index, detail in enumerate(interpreter.get_output_details()):
            scale, zero = detail["quantization"]
            value = interpreter.get_tensor(detail["index"]).astype(np.float64)
            kept[f"{number}.{index}"] = (value - zero) * scale if scale else value
    with open(request["output"], "wb") as file:  # noqa: PTH123
        np.savez(file, **kept)
    return {}


def _keep_bytes(interpreter: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What comes out for the runner's inputs, as it is, written to a file with the version.

    A phone runs a model many times before its outputs are looked at, so a model that gives
    something else the second time can't be compared.
    """
    import numpy as np

    _fill(interpreter, request)
    details = interpreter.get_output_details()
    interpreter.invoke()
    first = [interpreter.get_tensor(detail["index"]) for detail in details]
    if sum(value.nbytes for value in first) > request["most_bytes"]:
        return {"error": f"its outputs hold more than {request['most_bytes']} bytes"}
    interpreter.invoke()
    for detail, value in zip(details, first, strict=True):
        if interpreter.get_tensor(detail["index"]).tobytes() != value.tobytes():
            return {"error": "it gives other outputs each time"}
    version = importlib.metadata.version(request["runtime"])
    with open(request["output"], "wb") as file:  # noqa: PTH123
        np.savez(file, version=version, **{str(n): value for n, value in enumerate(first)})
    return {}


_ACTIONS = {"run": _time, "outputs": _keep_outputs, "bytes": _keep_bytes}


def _shape(detail: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in detail["shape"])


def _peak_kb() -> int | None:
    """VmHWM of this process; getrusage's figure would hold its parent's before the exec."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123  no pathlib: keep the peak low
            line = next(line for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1])


def _output(interpreter: Any, detail: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    value = np.ascontiguousarray(interpreter.get_tensor(detail["index"]))
    total = float(np.sum(value, dtype=np.float64)) if value.dtype.kind in "iuf" else None
    return {
        "name": detail["name"],
        "type": value.dtype.name,
        "bytes": value.nbytes,
        "crc32": f"{zlib.crc32(value.tobytes()):08x}",
        "sum": total if total is not None and np.isfinite(total) else None,
    }


def _failure(error: Exception) -> dict[str, Any]:
    said = " ".join(str(error).split())
    lacking = re.search(
        r"unresolved custom op: ([^\s.]+)|op(?:code)? for builtin opcode '([^']+)'", said, re.I
    )
    op = next((name for name in lacking.groups() if name), None) if lacking else None
    return {"error": said[:1000] or type(error).__name__, "missing_op": op}


def _module(name: str, path: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
