"""What the harness adds to the runner: time around trials, bytes pushed twice, push speed, memory.

Runs a sweep of one-second trials on a virtual phone and prints: wall time / time inside the runner
(wanted: at most 1.05), the median harness time around a trial (at most 50 ms), bytes that a
second sweep pushes (0), push speed against adbutils' own on the same phone (at least 1), the
host's peak memory (at most 250 MB) and its growth from the 10th to the last trial (none).
"""

from __future__ import annotations

import argparse
import resource
import secrets
import tempfile
import time
from pathlib import Path

import adbutils
from rig import virtual_station

from bench import stats, store
from bench import sweep as sweeps
from bench.device import WORK_DIR, AdbPhone, AdbServer, connect
from bench.engine import TrialEnded, run_sweep
from bench.records import Measurement, Trial

SWEEP = """
name = "overhead"
repetitions = {repetitions}
[[models]]
family = "mobilenet_v1"
alpha = [1.0, 0.75, 0.5, 0.25]
[precision]
interval = 0
max_seconds = {seconds}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7, help="of four models")
    parser.add_argument("--seconds", type=float, default=1.0, help="of sampling in a trial")
    parser.add_argument("--push-mb", type=int, default=100)
    asked = parser.parse_args()
    with virtual_station() as (station, server), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "overhead.toml"
        file.write_text(SWEEP.format(repetitions=asked.repetitions, seconds=asked.seconds))
        sweep = sweeps.load(file)
        first = run(sweep, station.phone.serial, server, Path(folder))
        second = run(sweep, station.phone.serial, server, Path(folder))
        report_time(first, second)
        assert isinstance(station.phone, AdbPhone)
        report_push(station.phone, server, Path(folder), asked.push_mb)


def run(
    sweep: sweeps.Sweep, serial: str, server: AdbServer, results: Path
) -> tuple[float, list[Trial], list[int]]:
    """Wall seconds of a sweep, its trials, and the host's peak memory after each in kB."""
    peaks: list[int] = []
    began = time.perf_counter()
    outcome = run_sweep(
        sweep,
        [serial],
        connect=lambda s: connect(s, server),
        results=results,
        on_event=lambda event: peaks.append(peak_kb()) if isinstance(event, TrialEnded) else None,
    )
    wall_s = time.perf_counter() - began
    return wall_s, list(store.read_trials(outcome.path)), peaks


def report_time(
    first: tuple[float, list[Trial], list[int]], second: tuple[float, list[Trial], list[int]]
) -> None:
    wall_s, trials, peaks = second
    inside_s = [runner_s(t.measurement) for t in trials if t.measurement is not None]
    around_ms = [
        (trial.duration_s - inside) * 1000 for trial, inside in zip(trials, inside_s, strict=True)
    ]
    print(f"trials: {len(trials)} of {trials[0].precision.max_seconds:g} s")
    print(f"wall time / time inside the runner: {wall_s / sum(inside_s):.3f}")
    print(f"harness time around a trial, median: {stats.median(around_ms):.1f} ms")
    print(f"bytes pushed: first sweep {sum(t.pushed_bytes for t in first[1])},", end=" ")
    print(f"second sweep {sum(t.pushed_bytes for t in trials)}")
    everything = first[2] + peaks
    print(f"host peak memory: {everything[-1] / 1024:.0f} MB", end=", ")
    print(f"growth from the 10th to the last trial: {(everything[-1] - everything[9])} kB")


def runner_s(measurement: Measurement) -> float:
    """Time that the runner itself accounts for; its start and its end are the harness's."""
    timed = measurement.init_us + measurement.compile_us + measurement.first_inference_us
    return (timed + sum(measurement.warmup_us) + sum(measurement.samples_us)) / 1e6


def report_push(phone: AdbPhone, server: AdbServer, folder: Path, size_mb: int) -> None:
    file = folder / "payload"
    file.write_bytes(secrets.token_bytes(size_mb << 20))
    theirs = adbutils.AdbClient(server.host, server.port).device(phone.serial)
    remote = f"{WORK_DIR}/payload"
    ours_s, theirs_s = [], []
    for _ in range(5):
        began = time.perf_counter()
        phone.push(file, remote)
        middle = time.perf_counter()
        theirs.sync.push(str(file), remote)
        ours_s.append(middle - began)
        theirs_s.append(time.perf_counter() - middle)
    print(f"push of {size_mb} MiB: {size_mb / min(ours_s):.0f} MiB/s,", end=" ")
    print(f"{min(theirs_s) / min(ours_s):.2f} times adbutils' speed")


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
