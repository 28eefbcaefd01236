"""How long 10,000 outputs of benchmark_model take to read.

    python benchmarks/parse_logs.py [LOGS]

The logs are made here, of five layouts from old to new, one in five with a table of 31 operators;
each has figures of its own, which the reader must give back. Wanted: 5 seconds for 10,000.
"""

from __future__ import annotations

import argparse
import random
import time

from bench.runtime.benchmark_model import parse_output

WANTED_S = 5.0
COUNT = "count={n} first={first} curr={low} min={low} max={high} avg={mean} std=90"
PERCENTILES = " p5={low} median={median} p95={high}"
WARMUP = "count=2 first=9000 curr=8000 min=8000 max=9000 avg=8500 std=500"
RUNNING = (
    "Running benchmark for at least {} iterations and at least 1 seconds but terminate if "
    "exceeding 150 seconds."
)
SUMMARY = (
    "Inference timings in us: Init: 5120, First inference: 9000, Warmup (avg): 8500, "
    "Inference (avg): {mean}"
)
OLD_SUMMARY = "Average inference timings in us: Warmup: 8500, Init: 5120, no stats: {mean}"
HEAD = ["STARTING!", "Log parameter values verbosely: [0]", "Min num runs: [50]"]
HEAD += ["Num threads: [4]", "Graph: [/data/local/tmp/m.tflite]", "Use xnnpack: [1]"]
LOADED = ["Loaded model /data/local/tmp/m.tflite", "XNNPACK delegate created."]
LOADED += [
    "Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the "
    "delegate.",
    "The input model file size (MB): 5.3125",
    "Initialized session in 5.12ms.",
]
MEMORY = "Memory footprint delta from the start of the tool (MB): init=8.5 overall=10.25"


def layout(kind: int) -> str:
    """One of five layouts, with places for the figures."""
    if kind == 0:
        old = [x for x in HEAD if "verbosely" not in x and "xnnpack" not in x]
        return body(old, [LOADED[0], "Initialized session in 5.12ms"], COUNT, OLD_SUMMARY)
    steady = COUNT if kind == 1 else COUNT + PERCENTILES
    plain = body(HEAD, LOADED, steady, SUMMARY + "\n" + MEMORY)
    if kind == 1:
        return plain
    if kind == 2:
        return "".join(f"INFO: {x}\n" if x else "\n" for x in plain.splitlines())
    if kind == 3:
        stamp = "06-21 09:10:11.123  4711  4714 I tflite  : "
        return "".join(f"{stamp}{x}\n" for x in plain.splitlines())
    return "".join(f"INFO: {x}\n" for x in plain.splitlines()) + profile()


def body(head: list[str], loaded: list[str], steady: str, end: str) -> str:
    measured = [RUNNING.format(1), WARMUP, "", RUNNING.format(50), steady, "", end]
    return "\n".join([*head, *loaded, *measured]) + "\n"


def profile() -> str:
    banner = "============================== {} ==============================\n"
    header = "\t[node type]\t [first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]\n"
    row = "\tConvolution (NHWC, F32) IGEMM\t 0.101\t 0.100\t 3.225%\t 50.000%\t 0.000\t 1\tx:{}\n"
    rows = "".join(row.format(i) for i in range(31))
    return (
        "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        + banner.format("Run Order")
        + header
        + rows
        + "\n"
        + banner.format("Top by Computation Time")
        + header
        + "".join(row.format(i) for i in range(10))
        + "\nNumber of nodes executed: 31\n"
        + banner.format("Summary by node type")
        + "\t[Node type]\t [count]\t [avg ms]\n"
        + "Timings (microseconds): count=50 first=3200 curr=3100 min=3100 max=3200 avg=3100 std=9\n"
        + "31 nodes observed\n"
    )


def make(logs: int) -> list[tuple[bytes, float]]:
    """Logs, each with the mean that must be read from it."""
    layouts = [layout(kind) for kind in range(5)]
    dice = random.Random(1)  # noqa: S311
    made = []
    for i in range(logs):
        mean = dice.randrange(700_000, 900_000) / 100
        low, high = int(mean * 0.9), int(mean * 1.2)
        figures = {"n": 50 + i % 50, "mean": f"{mean:g}", "median": int(mean), "first": high}
        text = layouts[i % 5].format(low=low, high=high, **figures)
        made.append((text.encode(), float(f"{mean:g}")))
    return made


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("logs", nargs="?", type=int, default=10_000)
    count = arguments.parse_args().logs
    logs = make(count)
    begin = time.perf_counter()
    for text, mean in logs:
        assert parse_output(text, b"", 0, delegate=None).reported.mean_us == mean
    seconds = time.perf_counter() - begin
    size_mb = sum(len(text) for text, _ in logs) / 1e6
    wanted = WANTED_S * count / 10_000
    print(f"{count} logs ({size_mb:.1f} MB) in {seconds:.2f} s; wanted: {wanted:g} s")


if __name__ == "__main__":
    main()
