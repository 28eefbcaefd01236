"""How long `bench devices` takes with four phones.

    python benchmarks/devices.py [--phones 4] [--runs 7]

Virtual phones of all profiles, on an adb server of their own; each run is a new process with
all that Python has to load. Wanted: 1 second of wall time. Beside it stand what the start of
Python and of the command line take alone, and how one phone compares with all of them, which
tells whether they are asked at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time

from bench import virtual
from bench.device import AdbServer, private_server
from bench.stats import median

WANTED_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=4)
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    profiles = virtual.profiles()
    with private_server() as server, contextlib.ExitStack() as stack:
        serials = []
        for number in range(asked.phones):
            profile = profiles[number % len(profiles)]
            phone = stack.enter_context(virtual.booted(profile))
            server.connect_tcp(phone.serial)
            serials.append(phone.serial)
        walls: dict[str, list[float]] = {"start": [], "one": [], "all": [], "fit": []}
        for _ in range(asked.runs):
            walls["start"].append(wall_s(server, "--version"))
            walls["one"].append(wall_s(server, "devices", "--device", serials[0]))
            walls["all"].append(wall_s(server, "devices"))
            walls["fit"].append(wall_s(server, "devices", "--fit"))
    print(f"bench devices, {asked.phones} phones: {told(walls['all'])}, wanted {WANTED_S:g} s")
    print(f"bench devices, one phone:  {told(walls['one'])}")
    print(f"bench devices --fit:       {told(walls['fit'])}, 0.5 s of it watching processes")
    print(f"bench --version:           {told(walls['start'])}")
    print(f"all / one: {median(walls['all']) / median(walls['one']):.2f}")


def wall_s(server: AdbServer, *words: str) -> float:
    """Seconds of one command from start to end."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", *words],
        env=os.environ | {"ANDROID_ADB_SERVER_PORT": str(server.port)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def told(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
