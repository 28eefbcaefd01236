"""Models run on this machine, each in a process of its own.

A model can crash its runtime (a segmentation fault in a kernel), abort it, hang it or fill
the memory: then the process ends, and what happened is data. The runtimes themselves are
loaded in one place, `host_process.py`, which any Python with NumPy and a runtime can run.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.errors import ModelError
from bench.records import Output, Record

HostRuntime = Literal["ai-edge-litert", "tflite-runtime"]
RUNTIMES: tuple[HostRuntime, ...] = ("ai-edge-litert", "tflite-runtime")

# A Python that has tflite-runtime, when this one hasn't: it wants NumPy 1.
PYTHON_VARIABLE = "TFLITE_RUNTIME_PYTHON"

_ANSWER_LIMIT = 64 * 1024 * 1024  # bytes that are read of what a process prints


class HostRun(Record, frozen=True, kw_only=True):
    """What a model gave on this machine, or why it gave nothing."""

    runtime: str
    version: str | None = None
    outputs: tuple[Output, ...] = ()
    seconds: tuple[float, ...] = ()  # of each inference, the first one included
    peak_kb: int | None = None  # of the process's resident set
    error: str | None = None
    missing_op: str | None = None  # the operator that the runtime lacks, when that is why

    @property
    def ok(self) -> bool:
        return self.error is None


def run_once(
    path: Path,
    *,
    runtime: HostRuntime = "ai-edge-litert",
    threads: int = 1,
    seed: int = 1,
    inferences: int = 1,
    deadline_s: float = 120.0,
    python: str | None = None,
) -> HostRun:
    """Run a model with the seeded inputs that a phone gets too.

    ModelError when the runtime isn't installed or the file isn't there; everything that the
    model itself does wrong is in the HostRun.
    """
    request = {
        "do": "run",
        "model": str(path.absolute()),
        "threads": threads,
        "seed": seed,
        "inferences": inferences,
    }
    if not path.is_file():
        raise ModelError(f"There is no model file {str(path)!r}.", next_step="Check the path.")
    answer = ask(request, runtime=runtime, deadline_s=deadline_s, python=python)
    return msgspec.convert({"runtime": runtime, **answer}, HostRun)


def ask(
    request: dict[str, Any],
    *,
    runtime: HostRuntime,
    deadline_s: float,
    python: str | None = None,
    script: str = "host_process.py",
) -> dict[str, Any]:
    """What a new process answers to a request; {"error": ...} when it didn't live to answer."""
    argv = [
        python or _python_for(runtime),
        "-I",  # nothing of the surroundings: no PYTHONPATH, no current directory
        str(Path(__file__).with_name(script)),
        json.dumps(
            {
                "runtime": runtime,
                "inputs": str(_inputs_module()),
                "ends_after_s": math.ceil(deadline_s) + 5,  # also when this process is killed
                **request,
            }
        ),
    ]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        status = _run(argv, stdout.fileno(), stderr.fileno(), deadline_s)
        if status is None:
            return {"error": f"it was still running after {deadline_s:g} s"}
        stdout.seek(0)
        answer = _decoded(stdout.read(_ANSWER_LIMIT))
        stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - 4096))
        said = stderr.read().decode("utf-8", "replace")
    if answer is None:
        return {"error": f"its process {_end(status)}{_last_line(said)}"}
    if "no_runtime" in answer:
        raise ModelError(
            f"The host runtime {runtime} can't be loaded: {answer['no_runtime']}.",
            next_step=f"Install it (pip install {runtime}), or name a Python that has it in"
            f" {PYTHON_VARIABLE}.",
        )
    return answer


def version_of(runtime: HostRuntime) -> str:
    """Of a runtime that is installed here; another Python may have another one."""
    try:
        return metadata.version(runtime)
    except metadata.PackageNotFoundError:
        return "elsewhere"


def _python_for(runtime: HostRuntime) -> str:
    if runtime == "tflite-runtime":
        return os.environ.get(PYTHON_VARIABLE) or sys.executable
    return sys.executable


def _inputs_module() -> Path:
    from bench import runtime

    return Path(next(iter(runtime.__path__))) / "inputs.py"


def _run(argv: Sequence[str], stdout: int, stderr: int, deadline_s: float) -> int | None:
    """The exit status of a process; None when it had to be killed."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as error:
        raise ModelError(
            f"{argv[0]!r} can't be started: {error.strerror}.",
            next_step=f"Check {PYTHON_VARIABLE}.",
        ) from error
    try:
        return process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _decoded(raw: bytes) -> dict[str, Any] | None:
    """The last line that was printed, when it is the answer: a runtime may print before it."""
    lines = raw.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _end(status: int) -> str:
    if status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"ended with status {status} and no answer"


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("INFO:", "WARNING:"))]
    return f" ({lines[-1][:300]})" if lines else ""
