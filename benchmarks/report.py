"""What reading results and rendering reports costs, on made-up runs of known size.

Prints: seconds and memory of loading 10,000 trials of 50 samples (wanted: at most 1.0 s and
400 MB), seconds and size of a report of 1,000 trials (5 s, 3 MB) and of 10,000 (20 s). Each is
done in a process of its own, lowest of some rounds, with the imports told apart.

With Chromium, also what a reader waits for: from navigation until the table has been sorted by a
click and drawn (1 s), for reports of 1,000 and 10,000 trials and of 2,000 rows; and of those rows,
from a click until its script has ended, and until the answer is drawn (100 ms), of sorting,
filtering and hiding, with the first rows shown and with all. The latter waits for a frame, and on
a busy machine for others, so what of it the page's own thread was busy for is told too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import bench

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

import chromium  # noqa: E402 -- lies with the tests
import fabricated as made  # noqa: E402 -- lies with the tests

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

# Runs in every page before its own script, and clicks as soon as there is what to click on.
FIRST_USE = """
const looking = setInterval(() => {
  const button = document.querySelector("#table.live [data-key^='median'] button");
  if (!button) return;
  clearInterval(looking);
  button.click();
  requestAnimationFrame(() => setTimeout(() => { window.usable = performance.now(); }));
}, 1);
addEventListener("load", () => { window.whole = performance.now(); });
"""
IDLE = "new Promise((done) => setTimeout(done, 300))"  # what the last step left has been drawn
STEP = """(async () => {{
  const began = performance.now();
  ({action})();
  const told = performance.now() - began;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [told, performance.now() - began];
}})()"""
CLICK = '() => document.querySelector("{}").click()'
TYPE = (
    "() => {{ const box = document.querySelector('#controls input');"
    " box.value = '{}'; box.dispatchEvent(new Event('input')); }}"
)
TICK = CLICK.format(".menu label:nth-of-type(3) input")
STEPS = (
    ("sort by a number", CLICK.format("[data-key='macs'] button")),
    ("sort by a name", CLICK.format("[data-key='model'] button")),
    ("filter by a name", TYPE.format("net1")),
    ("filter no more", TYPE.format("")),
    ("hide a column", TICK),
    ("show it again", TICK),
)
SHOW_ALL = CLICK.format("#controls > button:last-of-type")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = make(Path(folder), trials=10_000)
        small = make(Path(folder), trials=1_000)
        tell("load of 10,000 trials x 50 samples", LOAD, large, "rows", asked.rounds)
        tell("load_samples of the same", SAMPLES, large, "rows", asked.rounds)
        tell("report of 1,000 trials", REPORT, small, "MB", asked.rounds)
        tell("report of 10,000 trials", REPORT, large, "MB", asked.rounds)
        if chromium.found() is None:
            print("Chromium is not installed: nothing is told of the page in a browser.")
            return
        rows = bench.render_report(make_rows(Path(folder), 2_000))
        browse(
            {
                "1,000 trials": small / "report.html",
                "10,000 trials": large / "report.html",
                "2,000 rows": rows,
            },
            asked.rounds,
        )


def make(results: Path, trials: int) -> Path:
    """A run of two devices and five repetitions."""
    devices = [made.phone(f"phone-{n}", model=f"Phone {n}") for n in range(2)]
    models = [
        made.model(f"net_{n:04}", family="net", macs=int(2e7 * 1.02 ** (n % 170)))
        for n in range(trials // 10)
    ]
    done = made.grid(devices, models, repetitions=5, samples=50)
    return made.write_run(results, devices, models, done, repetitions=5, name=f"t{trials}")


def make_rows(results: Path, rows: int) -> Path:
    """A run of one device and so many models."""
    phone = made.phone()
    models = [made.model(f"net{n}", macs=1_000_000 + 997 * n % 100_000) for n in range(rows)]
    return made.write_run(results, [phone], models, made.grid([phone], models), name="rows")


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


def browse(pages: dict[str, Path], rounds: int) -> None:
    """What a reader of some pages waits for, the last of which is the one that is worked on."""
    with chromium.Chromium() as browser:
        browser.send("Page.addScriptToEvaluateOnNewDocument", source=FIRST_USE)
        browser.send("Performance.enable", timeDomain="threadTicks")
        for what, page in pages.items():
            found = []
            for _ in range(rounds):
                browser.open(page)
                browser.wait_for("window.usable > 0 && window.whole > 0")
                found.append(browser.run("[usable, whole]"))
            print(
                f"page of {what} in Chromium: usable after {lowest(found, 0) / 1000:.2f} s,"
                f" whole after {lowest(found, 1) / 1000:.2f} s"
            )
        for shown in ("the first shown", "all shown"):
            for name, action in STEPS:  # a second click on a column is not the first's repetition
                found = [step(browser, action) for _ in range(rounds)]
                script, drawn, busy = (median(one[place] for one in found) for place in range(3))
                print(
                    f"2,000 rows, {shown}: {name}: {script:.0f} ms of script, drawn after"
                    f" {drawn:.0f} ms, of which the page's thread was busy for {busy:.0f} ms"
                )
            browser.run(STEP.format(action=SHOW_ALL))


def step(browser: chromium.Chromium, action: str) -> tuple[float, float, float]:
    """One thing done, in ms: its script, until it is drawn, processor time until then."""

    def busy_s() -> float:
        told = browser.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in told if one["name"] == "TaskDuration")

    browser.run(IDLE)
    before_s = busy_s()
    script_ms, drawn_ms = browser.run(STEP.format(action=action))
    return script_ms, drawn_ms, 1000 * (busy_s() - before_s)


def lowest(found: Iterable[list[float]], place: int) -> float:
    return min(one[place] for one in found)


if __name__ == "__main__":
    main()
