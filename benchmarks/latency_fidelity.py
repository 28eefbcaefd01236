"""Does the runner on a virtual phone tell the latency that LiteRT's own interpreter tells?

Interleaves rounds of the runner on the virtual phone and of LiteRT's Python interpreter on the
host: same model, one thread, same seeded input, as many inferences. Prints, for each model, the
ratio of the lowest medians (wanted: 0.97 to 1.03), whether the outputs' checksums are the same,
and the ratio of peak memory (wanted: at most 0.6). Noise on a shared machine only ever adds
time, so the lowest median of several rounds is what either side can do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rig import virtual_station

from bench import stats
from bench.engine import model_cache
from bench.records import Config, Measurement, Model, ModelSpec, Precision
from bench.trial import Station, push_all
from bench.trial.runners import Start, model_file
from bench.zoo import realize
from bench.zoo.host import RUNTIMES, HostRun, run_once

ALPHAS = (1.0, 0.5, 0.25)
SECONDS = 1.5  # of sampling in one round, on either side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--host-runtime", choices=RUNTIMES, default=RUNTIMES[0])
    asked = parser.parse_args()
    print("model                            runner ms  python ms  ratio  checksums  memory ratio")
    with virtual_station() as (station, _):
        for alpha in ALPHAS:
            model = realize(ModelSpec(family="mobilenet_v1", axes={"alpha": alpha}), model_cache())
            compare(station, model, asked.rounds, asked.host_runtime)


def compare(station: Station, model: Model, rounds: int, host_runtime: str) -> None:
    runner_us, python_us = [], []
    for _ in range(rounds):
        measured = on_phone(station, model)
        runner_us.append(stats.median(measured.samples_us))
        hosted = on_host(model, host_runtime, len(measured.samples_us))
        python_us.append(stats.median(hosted.seconds[len(hosted.seconds) // 5 :]) * 1e6)
    same = [o.crc32 for o in measured.outputs] == [o.crc32 for o in hosted.outputs]
    memory = (measured.memory.peak_kb or 0) / (hosted.peak_kb or 1)
    print(
        f"{model.name:32} {min(runner_us) / 1000:9.3f}  {min(python_us) / 1000:9.3f}"
        f"  {min(runner_us) / min(python_us):5.3f}  {'same' if same else 'DIFFER':9}  {memory:.2f}"
    )


def on_phone(station: Station, model: Model) -> Measurement:
    runner = station.runners[0]
    push_all(station.phone, runner, model)
    precision = Precision(interval=0, max_seconds=SECONDS)
    start = Start(model_file(model).remote, Config(), precision)
    finished = station.phone.run(runner.argv(start), deadline_s=120)
    measurement = runner.read(finished, start).measurement
    assert measurement is not None
    return measurement


def on_host(model: Model, host_runtime: str, samples: int) -> HostRun:
    # A fifth more: the first fifth is warm-up, which the runner takes apart itself.
    hosted = run_once(Path(model.path), runtime=host_runtime, inferences=samples + samples // 4 + 1)
    if not hosted.ok:
        raise SystemExit(f"{model.name} failed on {host_runtime}: {hosted.error}")
    return hosted


if __name__ == "__main__":
    main()
