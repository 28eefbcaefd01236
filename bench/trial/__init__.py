"""One trial on one phone, from push to record.

1. Runner, library and model are on the phone (by content hash; nothing is pushed twice).
2. The phone is waited for until it is fit (gate.py). 3. One fresh process of the runner loads,
compiles, warms up, samples and prints one document (process.py); clocks and temperatures are
read meanwhile. 4. The phone's state is read again. 5. Doubts are judged; a throttled try is
repeated. 6. What would disturb the latency is taken in processes of its own (passes.py).
The first repetition's outputs are held against the host's (host_check.py).

What goes wrong in the runner is a failed trial; what goes wrong with the phone (a DeviceError) is
the engine's to handle, and leaves no record but the try that was measured by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.device import Phone, ensure, watched
from bench.errors import DeviceError, RunnerError
from bench.records import Config, Device, Model, PlannedTrial, Precision
from bench.trial.attempt import Attempt, Ended
from bench.trial.gate import Gate
from bench.trial.host_check import NO_HOST_CHECK, HostCheck
from bench.trial.passes import LATENCY_ALONE, Passes, take, tried
from bench.trial.process import Process
from bench.trial.runners import Runner, Start, model_file

__all__ = [
    "Ended",
    "Gate",
    "HostCheck",
    "Passes",
    "Station",
    "cpu_mask",
    "push_all",
    "run_trial",
    "why_skipped",
]


class Station(NamedTuple):
    """A phone that is ready for trials: reached, described, and with runners that fit it."""

    target: str  # how the phone was asked for, and will be if it goes away
    phone: Phone
    device: Device
    runners: tuple[Runner, ...]  # the first that can run a config runs it
    shared_by: int = 1  # identical phones that the plan is split over
    host: HostCheck = NO_HOST_CHECK  # what its outputs are held against

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
    gate: Gate,
    passes: Passes = LATENCY_ALONE,
    on_try: Callable[[Ended, str], None] = lambda ended, why: None,
) -> Ended:
    """Run one planned trial; raises DeviceError when the phone itself fails.

    What was measured and is to be measured again is handed to `on_try` with the reason: a
    throttled try, repeated as the gate allows, or a latency after which the phone failed, when it
    was asked how it is or in the other passes, which follow in processes of their own.
    """
    runner, _ = station.runner_for(planned.config)
    attempt = Attempt(station.device, runner.identity, planned, model, precision, station.shared_by)
    if model.check is not None and model.check.reason is not None:
        # A latency of a model that computes something else would be taken for its latency.
        return attempt.failed("check", f"Not measured: {model.check.reason}")
    why_not = why_skipped(station, planned.config)
    if why_not is not None:
        return attempt.skipped(why_not)
    attempt.adds(pushed_bytes=push_all(station.phone, runner, model))
    mask, _ = cpu_mask(station.device, planned.config)
    start = Start(model_file(model).remote, planned.config, precision, mask)
    process = Process(station.phone, runner, start)
    outputs = station.host.file_for(model, planned, runner)
    latency = process._replace(start=start._replace(outputs=outputs))
    try:
        _measure(station, latency, model, attempt, gate)
        while gate.repeats(attempt.kinds, attempt.tries):
            on_try(attempt.ok(), "throttled")
            attempt.begins()
            attempt.waited(gate.cool_down(), ("throttled",))
            _measure(station, latency, model, attempt, gate)
        take(passes, process, attempt)
    except RunnerError as error:
        return attempt.failed(error.stage, str(error))
    except DeviceError as error:
        if attempt.has_result:
            on_try(attempt.ok(), error.what)
        raise
    return attempt.ok()


def _measure(
    station: Station, process: Process, model: Model, attempt: Attempt, gate: Gate
) -> None:
    """One try: the phone fit as far as waiting helps, the latency, and the phone afterwards."""
    attempt.found(gate.open(station.phone, station.device))
    attempt.adds(argv=tuple(process.argv()))
    with watched(station.phone) as series:
        result = process.run(attempt)
        try:
            after = series.read_state()
            found = tried(
                "outputs", lambda: station.host.check(process, model, result.measurement), attempt
            )
        except DeviceError:
            attempt.measured(result, series)
            raise
    attempt.measured(result, series, after, found)


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
