"""One sweep over several virtual phones, into which faults of all kinds are thrown at random.

    python tests/chaos.py FOLDER ADB-PORT RESUME SERIAL...

is the host that is thrown over: it runs the sweep of a folder, and prints its events.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sweep_rig import Rig

from bench import device, engine, store, virtual
from bench import sweep as sweeps
from bench.cli.events import print_event
from bench.device.adb_phone import Patience as Silence
from bench.engine import choose
from bench.errors import BenchError
from bench.trial import process
from bench.virtual import VirtualPhone

PROFILES = ("small", "midrange", "flagship")
PATIENCE = engine.Patience(return_within_s=10, poll_s=0.1, losses=6)
RUNNER = "--max-seconds="
LATER_S = 0.25  # a fault comes so long after the trial that brings it, at most
MOST_STARTS = 40  # some 15 are usual
ENDS_WITHIN_S = 180.0  # a host that doesn't tells where it waits, and the storm fails with that


class Storm(NamedTuple):
    """What was thrown, and what was left of the sweep."""

    seed: int
    faults: Counter[str]
    planned: int
    final: Counter[str]  # by status
    lost: int
    doubled: int
    starts: int
    took_s: float


@contextlib.contextmanager
def sky(folder: Path) -> Iterator[Rig]:
    """A rig over three phones, whose adb server may be killed and started anew."""
    os.environ |= dict.fromkeys(("ADB_USB", "ADB_EMU", "ADB_MDNS"), "0")  # for what hosts start
    with device.private_server() as adb, contextlib.ExitStack() as booted:
        phones = [booted.enter_context(virtual.booted(p, disk_mb=64)) for p in PROFILES]
        for phone in phones:
            adb.connect_tcp(phone.serial)
        try:
            yield Rig(folder, adb, phones)
        finally:
            with contextlib.suppress(BenchError):
                adb.query("host:kill")


def storm(rig: Rig, faults: int, seed: int) -> Storm:
    """Run the sweep of a rig to its end, however often it has to be started."""
    began = time.monotonic()
    weather = _Weather(rig, faults, random.Random(seed))
    starts = _start_until_done(rig, weather)
    weather.join()
    starts += _start_until_done(rig, weather)  # the last fault may have hit the very end
    planned, ended = rig.plan_and_ends()
    return Storm(
        seed=seed,
        faults=weather.thrown,
        planned=planned.total(),
        final=Counter(trial.status for trial in rig.trials()),
        lost=(planned - ended).total(),
        doubled=(ended - planned).total(),
        starts=starts,
        took_s=time.monotonic() - began,
    )


def _start_until_done(rig: Rig, weather: _Weather) -> int:
    """Start the host as often as it takes; how often that was."""
    for starts in range(1, MOST_STARTS + 1):
        if _one_start(rig, weather):
            return starts
    devices = rig.server.query("host:devices")
    raise AssertionError(f"no end in {starts} starts: {weather.complaints}, phones: {devices}")


def _one_start(rig: Rig, weather: _Weather) -> bool:
    """Start the host and throw at it until it ends; whether the sweep is done."""
    run = store.latest_run(rig.folder / "results", "faults")
    arguments = [str(rig.folder), str(rig.server.port), str(int(run is not None))]
    complaints = rig.folder / "complaints"
    with (
        complaints.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, __file__, *arguments, *(phone.serial for phone in rig.phones)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as host,
    ):
        weather.host = host
        try:
            done = _hear(host, weather)
        finally:
            host.kill()  # or leaving it would wait for its end
    weather.host = None
    weather.complaints = complaints.read_text(errors="replace")
    crashed = "most recent call" in weather.complaints
    # Ctrl-C may come before the sweep begins, or after it has ended.
    assert not crashed or weather.complaints.endswith("KeyboardInterrupt\n"), weather.complaints
    if not done:
        time.sleep(0.2)
    return done


def _hear(host: subprocess.Popen[str], weather: _Weather) -> bool:
    """Take a host's events until it ends; whether it has done the whole sweep."""
    assert host.stdout is not None
    done = False
    for line in host.stdout:
        event = json.loads(line) if line.endswith("}\n") else {}
        if event.get("event") == "outcome":
            done = not (event["not_run"] or event["interrupted"] or event["stopped"])
        elif event.get("event") == "sweep_started":
            weather.planned = event["trials"]
        elif event.get("event") == "trial_ended":
            weather.blow()
    return done


class _Weather:
    """Throws as many faults as are due by how far the sweep has come."""

    def __init__(self, rig: Rig, faults: int, chosen: random.Random) -> None:
        self.host: subprocess.Popen[str] | None = None
        self.planned = 0
        self.complaints = ""  # of the last host
        self.thrown: Counter[str] = Counter()
        self._rig = rig
        self._faults = faults
        self._chosen = chosen
        self._ended = 0
        self._threads: list[threading.Thread] = []

    def blow(self) -> None:
        """A trial has ended: throw what is due after it, at once or a little later."""
        self._ended += 1
        due = min(self._faults, round(self._faults * self._ended / (0.8 * self.planned)))
        while self.thrown.total() < due:
            kind = self._chosen.choices(list(KINDS), list(WEIGHTS.values()))[0]
            self.thrown[kind] += 1
            phone = self._chosen.choice(self._rig.phones)
            number = self._chosen.randrange(1 << 30)
            after_s = self._chosen.uniform(0, LATER_S)
            thread = threading.Thread(
                target=self._throw, args=(kind, phone, number, after_s), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        for phone in self._rig.phones:
            virtual.fault(phone, "clear")

    def _throw(self, kind: str, phone: VirtualPhone, number: int, after_s: float) -> None:
        time.sleep(after_s)
        KINDS[kind](self, phone, random.Random(number))

    # --- each kind ---

    def drop(self, phone: VirtualPhone, chosen: random.Random) -> None:
        how: dict[str, Any] = chosen.choice(
            [{}, {"after_ms": 20, "pattern": RUNNER}, {"after_output": 100}, {"after_bytes": 5000}]
        )
        virtual.fault(phone, "drop", **how)

    def gone(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "gone", for_ms=chosen.randrange(50, 400))

    def frozen(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "frozen", for_ms=chosen.randrange(50, 1200))

    def reboot(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "reboot", for_ms=chosen.randrange(50, 400))

    def kill(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "kill", pattern=RUNNER, after_ms=chosen.randrange(40))

    def hang(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "hang", pattern=RUNNER, after_bytes=chosen.randrange(60))

    def cut(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "cut", after_bytes=chosen.randrange(100))

    def garble(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "garble", bytes=chosen.randrange(1, 400), seed=chosen.randrange(99))

    def for_a_while(self, phone: VirtualPhone, chosen: random.Random, kind: str) -> None:
        virtual.fault(phone, kind)
        time.sleep(chosen.uniform(0.05, 0.4))
        virtual.fault(phone, "clear")

    def clock(self, phone: VirtualPhone, chosen: random.Random) -> None:
        virtual.fault(phone, "clock", jump_s=chosen.randrange(-(10**7), 10**7))

    def kill_server(self, phone: VirtualPhone, chosen: random.Random) -> None:
        with contextlib.suppress(BenchError):
            self._rig.server.query("host:kill")

    def kill_host(self, phone: VirtualPhone, chosen: random.Random) -> None:
        if self.host is not None:
            self.host.kill()

    def interrupt_host(self, phone: VirtualPhone, chosen: random.Random) -> None:
        if self.host is not None:
            self.host.send_signal(2)

    def fill_results(self, phone: VirtualPhone, chosen: random.Random) -> None:
        host, run = self.host, store.latest_run(self._rig.folder / "results", "faults")
        if host is None or run is None:
            return
        limit = (run / "trials.jsonl").stat().st_size + chosen.randrange(3000)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (limit, limit))

    def other_host(self, phone: VirtualPhone, chosen: random.Random) -> None:
        with contextlib.suppress(BenchError), device.held(self._rig.connect(phone.serial)):
            time.sleep(0.1)


Throw = Callable[[_Weather, VirtualPhone, random.Random], None]


def _for_a_while(kind: str) -> Throw:
    return lambda weather, phone, chosen: weather.for_a_while(phone, chosen, kind)


KINDS: dict[str, Throw] = {
    "drop": _Weather.drop,
    "gone": _Weather.gone,
    "frozen": _Weather.frozen,
    "reboot": _Weather.reboot,
    "killed runner": _Weather.kill,
    "hanging runner": _Weather.hang,
    "cut output": _Weather.cut,
    "garbled output": _Weather.garble,
    "unauthorized": _for_a_while("unauthorized"),
    "offline": _for_a_while("offline"),
    "crlf": _for_a_while("crlf"),
    "full phone": _for_a_while("full"),
    "phone's clock": _Weather.clock,
    "killed adb server": _Weather.kill_server,
    "killed host": _Weather.kill_host,
    "Ctrl-C": _Weather.interrupt_host,
    "full results": _Weather.fill_results,
    "other host": _Weather.other_host,
}
# Those that cost a start of the host are rarer.
COSTLY = {"killed host": 3, "Ctrl-C": 2, "full results": 2, "hanging runner": 4, "offline": 4}
WEIGHTS = {kind: COSTLY.get(kind, 8) for kind in KINDS}


def main(folder: str, adb_port: str, resume: str, *serials: str) -> None:
    """The host."""
    faulthandler.dump_traceback_later(ENDS_WITHIN_S, exit=True)
    process.UNBOUNDED_ALLOWANCE_S = 1.0  # else a hanging runner costs two minutes,
    choose.SELF_TEST_S = 2.0  # or one
    os.environ["ANDROID_ADB_SERVER_PORT"] = adb_port

    def connect(serial: str) -> device.AdbPhone:
        phone = device.connect_target(serial)
        phone._patience = Silence(open_s=1.0, kill_s=1.0, silence_s=2.0)
        return phone

    try:
        outcome = engine.run_sweep(
            sweeps.load(Path(folder) / "faults.toml"),
            serials,
            connect=connect,
            results=Path(folder) / "results",
            resume=resume == "1",
            patience=PATIENCE,
            on_event=print_event,
        )
    except BenchError as error:
        print(f"Error: {error}", file=sys.stderr)
        return
    told = {
        "not_run": outcome.not_run,
        "interrupted": outcome.interrupted,
        "stopped": list(outcome.stopped),
    }
    print(json.dumps({"event": "outcome"} | told, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
