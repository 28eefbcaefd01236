"""What reading results and rendering reports costs, on made-up runs of known size.

Prints: seconds and memory of loading 10,000 trials of 50 samples (wanted: at most 1.0 s and
400 MB), seconds and size of a report of 1,000 trials (5 s, 3 MB) and of 10,000 (20 s). Each is
done in a process of its own, lowest of some rounds, with the imports told apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"

# A process reads or renders once, and says how long that took and how large it grew.
TASK = """
import json, resource, sys, time
begin = time.perf_counter()
import bench.frame, bench.report
imported = time.perf_counter()
base_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{task}
print(json.dumps({{"import_s": imported - begin, "s": time.perf_counter() - imported,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "base_mb": base_kb / 1024,
    "told": told}}))
"""
LOAD = "told = len(bench.frame.load(sys.argv[1]))"
SAMPLES = "told = len(bench.frame.load_samples(sys.argv[1]))"
REPORT = "told = bench.report.render_report(sys.argv[1]).stat().st_size / 1e6"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = make(Path(folder), trials=10_000)
        small = make(Path(folder), trials=1_000)
        tell("load of 10,000 trials x 50 samples", LOAD, large, "rows", asked.rounds)
        tell("load_samples of the same", SAMPLES, large, "rows", asked.rounds)
        tell("report of 1,000 trials", REPORT, small, "MB", asked.rounds)
        tell("report of 10,000 trials", REPORT, large, "MB", asked.rounds)


def make(results: Path, trials: int) -> Path:
    """A run of two devices and five repetitions."""
    sys.path.insert(0, str(TESTS))
    import fabricated

    devices = [fabricated.phone(f"phone-{n}", model=f"Phone {n}") for n in range(2)]
    models = [
        fabricated.model(f"net_{n:04}", family="net", macs=int(2e7 * 1.02 ** (n % 170)))
        for n in range(trials // 10)
    ]
    done = fabricated.grid(devices, models, repetitions=5, samples=50)
    return fabricated.write_run(results, devices, models, done, repetitions=5, name=f"t{trials}")


def tell(what: str, task: str, run: Path, unit: str, rounds: int) -> None:
    """The quickest of some rounds, and the most memory of any."""
    code = TASK.format(task=task)
    found = [
        json.loads(subprocess.check_output([sys.executable, "-c", code, str(run)]))
        for _ in range(rounds)
    ]
    best = min(found, key=lambda one: one["s"])
    peak_mb = max(one["peak_mb"] for one in found)
    print(
        f"{what}: {best['s']:.2f} s ({best['import_s']:.2f} s of imports before), {peak_mb:.0f} MB"
        f" ({best['base_mb']:.0f} MB of imports), {best['told']:,.4g} {unit}"
    )


if __name__ == "__main__":
    main()
