"""One trial on one phone, from push to record.

1. Runner, library and model are on the phone (by content hash; nothing is pushed twice).
2. The phone's state is read. 3. One fresh process of the runner loads, compiles, warms up,
samples and prints one document. 4. The state is read again. 5. Doubts are judged.

What goes wrong in the runner is a failed trial; what goes wrong with the phone
(DeviceLost, DeviceFull) is the engine's to handle, and leaves no record.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.device import Phone, ensure, read_state
from bench.errors import DeviceTimeout, RunnerError
from bench.records import Config, Device, Doubt, Model, OpTime, PlannedTrial, Precision
from bench.trial.attempt import Attempt, Ended
from bench.trial.runners import Result, Runner, model_file

# Loading, compiling, the first inference and the last one of each phase are not bounded by the
# runner; two minutes is what the slowest phones need for the largest models.
UNBOUNDED_ALLOWANCE_S = 120.0
SMALL_S = 20.0  # for a command that does next to nothing


class Station(NamedTuple):
    """A phone that is ready for trials: reached, described, and with runners that fit it."""

    target: str  # how the phone was asked for, and will be if it goes away
    phone: Phone
    device: Device
    runners: tuple[Runner, ...]  # the first that can run a config runs it
    shared_by: int = 1  # identical phones that the plan is split over

    def runner_for(self, config: Config) -> tuple[Runner, str | None]:
        """The runner of a config, and why there is none (it is the first one then)."""
        reasons = [runner.cannot(config, self.device) for runner in self.runners]
        if None in reasons:
            return self.runners[reasons.index(None)], None
        return self.runners[0], reasons[0]


def run_trial(
    station: Station,
    planned: PlannedTrial,
    model: Model,
    precision: Precision,
    *,
    profile: bool = False,
) -> Ended:
    """Run one planned trial; raises DeviceError when the phone itself fails.

    With `profile` a second process takes the times of the operators: recording them disturbs
    the latency.
    """
    runner, _ = station.runner_for(planned.config)
    attempt = Attempt(station.device, runner.identity, planned, model, precision, station.shared_by)
    if model.check is not None and model.check.reason is not None:
        # A latency of a model that computes something else would be taken for its latency.
        return attempt.failed("check", f"Not measured: {model.check.reason}")
    why_not = why_skipped(station, planned.config)
    if why_not is not None:
        return attempt.skipped(why_not)
    attempt.pushed(push_all(station.phone, runner, model))
    attempt.found(read_state(station.phone))
    mask, _ = cpu_mask(station.device, planned.config)
    process = _Process(
        station.phone, runner, planned.config, precision, model_file(model).remote, mask
    )
    try:
        result = process.run(attempt, profile=False)
    except (RunnerError, DeviceTimeout) as error:
        return attempt.failed(getattr(error, "stage", "run"), str(error))
    after = read_state(station.phone)
    if profile:
        result = result._replace(ops=process.operators(attempt))
    return attempt.ok(result, after)


def why_skipped(station: Station, config: Config) -> str | None:
    """Why a config can't be had on a phone, known before anything starts; None when it can."""
    _, no_mask = cpu_mask(station.device, config)
    _, no_runner = station.runner_for(config)
    return no_mask or no_runner


def push_all(phone: Phone, runner: Runner, model: Model) -> int:
    """Have everything that a trial needs on the phone; the bytes that had to be pushed."""
    return sum(
        ensure(phone, file.local, file.sha256, file.remote, mode=file.mode)
        for file in (*runner.files, model_file(model))
    )


class _Process(NamedTuple):
    """One start of the runner, as often as it is needed."""

    phone: Phone
    runner: Runner
    config: Config
    precision: Precision
    model: str
    cpu_mask: str | None

    def run(self, attempt: Attempt, *, profile: bool) -> Result:
        try:
            return self._run(attempt, profile=profile)
        except RunnerError as failure:
            if not self.runner.has_another_way(failure):
                raise
            return self._run(attempt, profile=profile)

    def _run(self, attempt: Attempt, *, profile: bool) -> Result:
        runner, precision = self.runner, self.precision
        argv = runner.argv(
            self.model, self.config, precision, cpu_mask=self.cpu_mask, profile=profile
        )
        deadline_s = precision.max_seconds + precision.warmup_max_seconds + UNBOUNDED_ALLOWANCE_S
        if not profile:
            attempt.starts(argv)
        if runner.result_file is not None:  # an older one must not be taken for this one's
            self.phone.run(["rm", "-f", runner.result_file], deadline_s=SMALL_S)
        finished = self.phone.run(argv, deadline_s=deadline_s)
        attempt.said(finished.stderr or b"")
        written = self._written(runner.result_file) if runner.result_file else None
        return runner.read(finished, self.config, profile=profile, written=written)

    def _written(self, remote: str) -> bytes | None:
        """The result file; None where this version of the runner writes none."""
        there = self.phone.run(["test", "-s", remote], deadline_s=SMALL_S)
        if there.exit_code != 0:
            return None
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "result"
            self.phone.pull(remote, local)
            return local.read_bytes()

    def operators(self, attempt: Attempt) -> tuple[OpTime, ...]:
        """Times of the operators; a profile that fails leaves its trial as it is."""
        try:
            return self.run(attempt, profile=True).ops
        except (RunnerError, DeviceTimeout) as error:
            attempt.doubted(
                Doubt(kind="no profile", message=f"the profile failed: {error}", cure="none needed"
                      " for the latency; the log holds what the runner said")
            )  # fmt: skip
            return ()


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
