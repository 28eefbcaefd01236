"""The two programs that can measure on a phone, behind one face: what to push, start and read."""

from __future__ import annotations

import functools
import hashlib
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.device import WORK_DIR, Finished, content_path
from bench.errors import RunnerError
from bench.records import (
    Config,
    Device,
    Measurement,
    MemoryPass,
    Model,
    OpTime,
    Precision,
    Reported,
    RunnerIdentity,
)
from bench.runtime import (
    FP16_FLAGS,
    Binaries,
    Kept,
    NpuLibrary,
    benchmark_model,
    parse_document,
    runner_argv,
)

PROFILED = 20  # inferences; enough for shares of a percent, and no phone grows hot of it
STEADY_AFTER = 20  # inferences of a memory pass; no model was seen to grow after the first ones
LAST_SDK_WITH_NNAPI = 34  # Android 14; NNAPI's delegate was taken out of LiteRT for later ones


class PhoneFile(NamedTuple):
    """A file that a runner needs on the phone, and where it lies there."""

    local: Path
    sha256: str
    remote: str
    mode: int


class Start(NamedTuple):
    """What one process of a runner is started with, and for."""

    model: str  # its path on the phone
    config: Config
    precision: Precision
    cpu_mask: str | None = None
    profile: bool = False  # take the times of the operators
    memory: bool = False  # take the memory after each step
    outputs: str | None = None  # a file on the phone for the bytes of the last outputs


class Result(NamedTuple):
    """What came of one process: samples, or a report of some that were not told."""

    measurement: Measurement | None = None
    reported: Reported | None = None
    ops: tuple[OpTime, ...] = ()
    memory: MemoryPass | None = None


class Runner(Protocol):
    """A program that measures one model in one process. Its errors are RunnerErrors."""

    @property
    def identity(self) -> RunnerIdentity: ...

    @property
    def files(self) -> tuple[PhoneFile, ...]: ...

    @property
    def result_file(self) -> str | None:
        """Where on the phone it may write what it does not print."""
        ...

    def cannot(self, config: Config, device: Device) -> str | None:
        """Why a config can't be had on a device, known before anything starts."""
        ...

    def argv(self, start: Start) -> list[str]:
        """The command; RunnerError where it can't take what the start is for."""
        ...

    def read(self, finished: Finished, start: Start, written: bytes | None = None) -> Result:
        """What the command printed, and wrote into its result file."""
        ...

    def has_another_way(self, failure: RunnerError) -> bool:
        """Whether to start again, since the command will be another after such a failure."""
        ...


class BenchRunner:
    """bench-runner over libLiteRt.so: every sample is told."""

    result_file = None

    def __init__(self, binaries: Binaries) -> None:
        self._version = binaries.runner_version
        self._writes_outputs = True
        self.identity = binaries.identity
        self._runner = PhoneFile(
            binaries.runner,
            binaries.runner_sha256,
            content_path("runner", binaries.runner_sha256),
            0o755,
        )
        self._library = PhoneFile(
            binaries.library,
            binaries.library_sha256,
            content_path("library", binaries.library_sha256, ".so"),
            0o644,
        )
        self.files = (self._runner, self._library)

    def cannot(self, config: Config, device: Device) -> str | None:
        if config.delegate == "xnnpack":
            return None
        if config.delegate == "none":
            unused = config.xnnpack != "default"
            return f"xnnpack {config.xnnpack}: delegate none does not use it." if unused else None
        return (
            f"delegate {config.delegate}: bench-runner has xnnpack and none;"
            ' `runner = "benchmark_model"` has more.'
        )

    def argv(self, start: Start) -> list[str]:
        cached = "weight_cache" in start.config.xnnpack
        return runner_argv(
            runner=self._runner.remote,
            library=self._library.remote,
            model=start.model,
            config=start.config,
            precision=start.precision,
            cpu_mask=start.cpu_mask,
            usage=not (start.profile or start.memory),
            profile=PROFILED if start.profile else 0,
            memory=STEADY_AFTER if start.memory else 0,
            xnnpack_flags=_flags(start.config.xnnpack),
            weight_cache=self._weight_cache(start.model) if cached else None,
            outputs=start.outputs if self._writes_outputs else None,
        )

    def _weight_cache(self, model: str) -> str:
        """Packed weights fit one model and one LiteRT only."""
        name = model.rpartition("/")[2].partition(".")[0]
        return f"{WORK_DIR}/weights-{name}-{self._library.sha256[:12]}"

    def read(self, finished: Finished, start: Start, written: bytes | None = None) -> Result:
        report = parse_document(
            finished.stdout,
            finished.stderr or b"",
            finished.exit_code,
            runner_version=self._version,
        )
        return Result(report.measurement, ops=report.ops, memory=report.memory)

    def has_another_way(self, failure: RunnerError) -> bool:
        """Outputs that can't be written, to a full disk perhaps, must not cost the latency."""
        if failure.stage != "report" or not self._writes_outputs:
            return False
        self._writes_outputs = False
        return True


class BenchmarkModel:
    """Google's benchmark_model: it has more delegates, and keeps its samples to itself."""

    result_file = f"{WORK_DIR}/benchmark_model.result"

    def __init__(
        self, kept: Kept, abi: str, why: str | None, npu: Sequence[NpuLibrary] = ()
    ) -> None:
        self.identity = RunnerIdentity(
            name="benchmark_model", why=why, version=kept.version, sha256=kept.sha256, abi=abi
        )
        self._binary = PhoneFile(
            Path(kept.path), kept.sha256, content_path("benchmark_model", kept.sha256), 0o755
        )
        digest = hashlib.sha256("".join(one.sha256 for one in npu).encode()).hexdigest()[:12]
        self._npu = f"{WORK_DIR}/npu-{digest}" if npu else None
        self.files = (
            self._binary,
            *(
                PhoneFile(Path(one.path), one.sha256, f"{self._npu}/{one.name}", 0o644)
                for one in npu
            ),
        )
        self._flags: benchmark_model.Tool = "tflite"

    def cannot(self, config: Config, device: Device) -> str | None:
        if config.delegate == "npu" and self._npu is None:
            return (
                "delegate npu: no vendor's library is at hand;"
                " `bench runtime add --npu FILE...` keeps it."
            )
        if config.delegate == "none" and self._flags == "litert":
            return "delegate none: this benchmark_model can't do without XNNPACK."
        if config.xnnpack != "default":
            return f"xnnpack {config.xnnpack}: only bench-runner has it."
        told = device.sdk is not None and device.sdk > LAST_SDK_WITH_NNAPI
        if config.delegate == "nnapi" and told:
            return f"delegate nnapi: Android {device.android_release or device.sdk} has no NNAPI."
        return None

    def argv(self, start: Start) -> list[str]:
        _refuse_what_only_bench_runner_tells(start)
        on_npu = start.config.delegate == "npu"
        argv = benchmark_model.benchmark_model_argv(
            binary=self._binary.remote,
            model=start.model,
            config=start.config,
            precision=start.precision,
            result_file=self.result_file,
            tool="litert" if on_npu else self._flags,
            extra=self._npu_flags() if on_npu else None,
            cpu_mask=start.cpu_mask,
            profile=start.profile,
        )
        # The vendor's libraries find each other, and their part on the DSP, by these.
        paths = [f"LD_LIBRARY_PATH={self._npu}", f"ADSP_LIBRARY_PATH={self._npu}"]
        return ["env", *paths, *argv] if on_npu else argv

    def _npu_flags(self) -> dict[str, str]:
        folder = self._npu or ""
        return {"dispatch_library_path": folder, "compiler_plugin_library_path": folder}

    def read(self, finished: Finished, start: Start, written: bytes | None = None) -> Result:
        outcome = benchmark_model.parse_output(
            finished.stdout,
            finished.stderr or b"",
            finished.exit_code,
            result_file=written,
            delegate=start.config.delegate,
            threads=start.config.threads,
            profile=start.profile,
        )
        return Result(reported=outcome.reported, ops=outcome.ops)

    def has_another_way(self, failure: RunnerError) -> bool:
        """Two tools carry the name: TFLite's, and LiteRT's with other flags for the delegates."""
        other = failure.stage == "delegate" and "ignored --use_" in failure.what
        if not other or self._flags == "litert":
            return False
        self._flags = "litert"
        return True


def _refuse_what_only_bench_runner_tells(start: Start) -> None:
    """A pass that is left out in silence would pass for one that was taken."""
    wanted = {"memory after each step": start.memory, "outputs": start.outputs is not None}
    for what, asked in wanted.items():
        if asked:
            raise RunnerError(
                f"benchmark_model does not tell the {what};"
                ' `runner = "bench-runner"` does where it has the delegate.',
                stage="arguments",
            )


def _flags(xnnpack: str) -> int | None:
    """XNNPACK's flags; None: as LiteRT sets them."""
    flags = [
        FP16_FLAGS if part == "fp16" else int(part.removeprefix("flags:"))
        for part in xnnpack.split("+")
        if part == "fp16" or part.startswith("flags:")
    ]
    return functools.reduce(operator.or_, flags) if flags else None


def model_file(model: Model) -> PhoneFile:
    """Remote names are made of content hashes, so no name of a user's reaches the phone."""
    remote = content_path("model", model.sha256, ".tflite")
    return PhoneFile(Path(model.path), model.sha256, remote, 0o644)
