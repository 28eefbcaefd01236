"""Many phones and many trials, on phones that are dictionaries and a runner that sleeps.

Prints the wall time of three identical phones that split a plan against that of one (wanted: at
most 0.40), and the host's memory after 1,000, 5,000 and 10,000 trials of one sweep (wanted: no
growth). The memory of the samples themselves is on the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SWEEP = """
name = "scale"
repetitions = {repetitions}
shard = {shard}
[[models]]
files = "net.tflite"
[config]
threads = [1, 2]
[fitness]
max_wait_s = 0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sleep-s", type=float, default=0.2, help="what the fake runner takes")
    parser.add_argument("--sharded", type=int, default=60, help="trials of the split plan")
    parser.add_argument("--trials", type=int, default=10_000)
    asked = parser.parse_args()
    sys.path.append(str(ROOT / "tests"))
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_CACHE_HOME"] = home
        one_s = sharded_s(Path(home), 1, asked.sharded, asked.sleep_s)
        three_s = sharded_s(Path(home), 3, asked.sharded, asked.sleep_s)
        print(f"{asked.sharded} trials of {asked.sleep_s:g} s: 1 phone {one_s:.1f} s,", end=" ")
        print(f"3 phones {three_s:.1f} s, ratio {three_s / one_s:.3f} (wanted: at most 0.40)")
        report_memory(Path(home), asked.trials)


def sharded_s(folder: Path, phones: int, trials: int, sleep_s: float) -> float:
    """Wall seconds of a plan that identical phones split."""

    def sleep(argv: Sequence[str]) -> object:
        time.sleep(sleep_s)
        return well(argv)

    from fake_phone import FakePhone, well

    twins = {}
    for number in range(phones):
        phone = twins[f"TWIN{number}"] = FakePhone(f"TWIN{number}", sleep)
        phone.model, phone.fingerprint = "Twin", "twin/build"
    began = time.perf_counter()
    sweep(folder, twins, trials, shard=True, on_event=lambda event: None)
    return time.perf_counter() - began


def report_memory(folder: Path, trials: int) -> None:
    """The host's memory along one sweep, with its progress shown as on the command line."""
    from fake_phone import FakePhone

    from bench import engine
    from bench.cli.progress import Screen

    phone = FakePhone("FAKE1")
    phone.started = deque(maxlen=1)  # its own memory of all starts is not the host's
    seen: dict[int, float] = {}
    ended = 0

    def hear(event: engine.Event) -> None:
        nonlocal ended
        screen.show(event)
        if isinstance(event, engine.TrialEnded):
            ended += 1
            if ended in (trials // 10, trials // 2, trials):
                gc.collect()
                seen[ended] = resident_mb()

    class Nowhere(io.TextIOBase):
        def write(self, text: str) -> int:
            return len(text)

    began = time.perf_counter()
    with contextlib.redirect_stdout(Nowhere()), Screen(quiet=False) as screen:
        sweep(folder, {"FAKE1": phone}, trials, shard=False, on_event=hear)
    took_s = time.perf_counter() - began
    told = ", ".join(f"after {count:,} trials {mb:.1f} MB" for count, mb in seen.items())
    grown_mb = seen[trials] - seen[trials // 2]
    print(f"host memory: {told}; the second half added {grown_mb:.1f} MB (wanted: none)")
    print(f"{trials:,} trials in {took_s:.0f} s, {took_s / trials * 1000:.1f} ms each")


def sweep(folder: Path, phones: dict, trials: int, *, shard: bool, on_event) -> None:
    from tiny_models import conv_net

    from bench import engine
    from bench import sweep as sweeps

    (folder / "net.tflite").write_bytes(conv_net())
    text = SWEEP.format(repetitions=trials // 2, shard=str(shard).lower())
    (folder / "scale.toml").write_text(text)
    outcome = engine.run_sweep(
        sweeps.load(folder / "scale.toml"),
        list(phones),
        connect=phones.__getitem__,
        results=folder / "results",
        on_event=on_event,
    )
    assert outcome.ok == trials


def resident_mb() -> float:
    """Memory of this process that is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
