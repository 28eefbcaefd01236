"""Random faults in one sweep over three virtual phones: what was thrown, lost and doubled.

The sweep is started anew, with --resume, whenever a fault ended its host. Wanted: 0 lost,
0 doubled, and the phones as they were before.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=20, help="of two configs on 3 phones")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "ANDROID_USER_HOME"):
            os.environ[name] = home
        os.environ["ANDROID_ADB_SERVER_ADDRESS"] = "127.0.0.1"
        sys.path.append(str(ROOT / "tests"))
        from chaos import sky, storm
        from sweep_rig import SWEEP

        print(f"seed: {asked.seed}", flush=True)
        with sky(folder) as rig:
            rig.write(SWEEP.format(repetitions=asked.repetitions, seconds=0.05))
            seen = storm(rig, asked.faults, asked.seed)
            rig.is_complete()
    print(f"faults: {seen.faults.total()} of {len(seen.faults)} kinds")
    for kind, count in seen.faults.most_common():
        print(f"  {count:3} {kind}")
    ends = ", ".join(f"{count} {status}" for status, count in sorted(seen.final.items()))
    print(f"trials planned: {seen.planned}, final: {seen.final.total()} ({ends})")
    print(f"lost: {seen.lost}, doubled: {seen.doubled}")
    print(f"starts of the sweep: {seen.starts}, in {seen.took_s:.0f} s")
    print("phones: no process, lock or changed setting left")


if __name__ == "__main__":
    main()
