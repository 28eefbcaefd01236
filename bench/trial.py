"""One trial on one phone, from push to record.

1. Runner, library and model are on the phone (by content hash; nothing is pushed twice).
2. The phone's state is read. 3. One fresh process of the runner loads, compiles, warms up,
samples and prints one document. 4. The state is read again. 5. Doubts are judged.

What goes wrong in the runner is a failed trial; what goes wrong with the phone
(DeviceLost, DeviceFull) is the engine's to handle, and leaves no record.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench import doubts
from bench.device import Phone, content_path, ensure, read_state
from bench.errors import DeviceTimeout, RunnerError
from bench.records import (
    Config,
    Device,
    DeviceState,
    Doubt,
    Measurement,
    Model,
    PlannedTrial,
    Precision,
    Status,
    Trial,
    device_id,
    trial_key,
)
from bench.runtime import Binaries, parse_document, runner_argv

# Loading, compiling, the first inference and the last one of each phase are not bounded by the
# runner; two minutes is what the slowest phones need for the largest models.
UNBOUNDED_ALLOWANCE_S = 120.0


class Station(NamedTuple):
    """A phone that is ready for trials: reached, described, and with binaries that fit it."""

    phone: Phone
    device: Device
    binaries: Binaries


class Ended(NamedTuple):
    """A trial's record, with the log that is kept beside it."""

    trial: Trial
    stderr: bytes


def run_trial(station: Station, planned: PlannedTrial, model: Model, precision: Precision) -> Ended:
    """Run one planned trial; raises DeviceError when the phone itself fails."""
    attempt = _Attempt(station, planned, model, precision)
    if model.check is not None and model.check.reason is not None:
        # A latency of a model that computes something else would be taken for its latency.
        return attempt.ended(
            status="failed", stage="check", reason=f"Not measured: {model.check.reason}"
        )
    mask, why_not = cpu_mask(station.device, planned.config)
    if why_not is not None:
        return attempt.ended(status="skipped", reason=why_not)
    pushed_bytes, remote = push_all(station, model)
    before = read_state(station.phone)
    argv = runner_argv(
        runner=remote.runner,
        library=remote.library,
        model=remote.model,
        config=planned.config,
        precision=precision,
        cpu_mask=mask,
    )
    deadline_s = precision.max_seconds + precision.warmup_max_seconds + UNBOUNDED_ALLOWANCE_S
    attempt.begin(tuple(argv), pushed_bytes, before)
    try:
        finished = station.phone.run(argv, deadline_s=deadline_s)
    except DeviceTimeout as error:
        return attempt.ended(status="failed", reason=str(error), stage="run")
    stderr = finished.stderr or b""
    try:
        report = parse_document(finished.stdout, stderr, finished.exit_code)
    except RunnerError as error:
        return attempt.ended(status="failed", reason=str(error), stage=error.stage, stderr=stderr)
    return attempt.ended(
        status="ok",
        measurement=report.measurement,
        state_after=read_state(station.phone),
        stderr=stderr,
    )


class Remote(NamedTuple):
    """Where the files of a trial lie on the phone."""

    runner: str
    library: str
    model: str


def push_all(station: Station, model: Model) -> tuple[int, Remote]:
    """Bytes that had to be pushed, and where everything lies now.

    Remote names are made of content hashes, so no name of a user's file reaches the phone.
    """
    binaries = station.binaries
    remote = Remote(
        runner=content_path("runner", binaries.runner_sha256),
        library=content_path("library", binaries.library_sha256, ".so"),
        model=content_path("model", model.sha256, ".tflite"),
    )
    pushed = ensure(
        station.phone, binaries.runner, binaries.runner_sha256, remote.runner, mode=0o755
    )
    pushed += ensure(station.phone, binaries.library, binaries.library_sha256, remote.library)
    pushed += ensure(station.phone, Path(model.path), model.sha256, remote.model)
    return pushed, remote


def cpu_mask(device: Device, config: Config) -> tuple[str | None, str | None]:
    """The cores that an affinity means on a device as a hex mask, or why it means none."""
    if config.affinity == "default":
        return None, None
    if config.affinity.startswith("mask:"):
        return config.affinity.removeprefix("mask:"), None
    clocked = sorted(
        (cluster for cluster in device.clusters if cluster.max_khz is not None),
        key=lambda cluster: cluster.max_khz or 0,
    )
    if len(clocked) < 2:
        return None, f"affinity {config.affinity}: this device does not tell its clusters"
    if config.affinity == "mid" and len(clocked) < 3:
        return None, f"affinity mid: this device has only {len(clocked)} clusters"
    chosen = {"big": clocked[-1:], "little": clocked[:1], "mid": clocked[1:-1]}[config.affinity]
    mask = sum(1 << cpu for cluster in chosen for cpu in cluster.cpus)
    return f"{mask:x}", None


class _Attempt:
    """What is known of a trial so far, to be completed into its record."""

    def __init__(
        self, station: Station, planned: PlannedTrial, model: Model, precision: Precision
    ) -> None:
        self._station = station
        self._planned = planned
        self._model = model
        self._precision = precision
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._began = time.monotonic()
        self._argv: tuple[str, ...] = ()
        self._pushed_bytes = 0
        self._before: DeviceState | None = None

    def begin(self, argv: tuple[str, ...], pushed_bytes: int, before: DeviceState) -> None:
        """The runner is about to start."""
        self._argv, self._pushed_bytes, self._before = argv, pushed_bytes, before

    def ended(
        self,
        *,
        status: Status,
        reason: str | None = None,
        stage: str | None = None,
        state_after: DeviceState | None = None,
        measurement: Measurement | None = None,
        stderr: bytes = b"",
    ) -> Ended:
        planned, device = self._planned, self._station.device
        trial = Trial(
            key=trial_key(device_id(device), planned),
            index=planned.index,
            device=device_id(device),
            virtual=device.virtual,
            model=self._model.name,
            model_sha256=self._model.sha256,
            config=planned.config,
            precision=self._precision,
            repetition=planned.repetition,
            status=status,
            reason=reason,
            stage=stage,
            started_at=self._started_at,
            duration_s=round(time.monotonic() - self._began, 6),
            argv=self._argv,
            pushed_bytes=self._pushed_bytes,
            runner=self._station.binaries.identity,
            measurement=measurement,
            state_before=self._before,
            state_after=state_after,
            doubts=self._doubts(measurement, state_after),
        )
        return Ended(trial, stderr)

    def _doubts(
        self, measurement: Measurement | None, after: DeviceState | None
    ) -> tuple[Doubt, ...]:
        if measurement is None:
            return ()
        return doubts.judge(measurement, self._planned.config, self._precision, self._before, after)
