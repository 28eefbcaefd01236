"""Whole sweeps through the real adb while things go wrong: nothing is lost, nothing doubled."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sweep_rig import SOON, SWEEP, Rig, at_trial, name_of
from virtual_adb import wait_until

from bench import device, engine, store, virtual
from bench.device import AdbServer, lock, owner
from bench.errors import DeviceBusy, DeviceError, DeviceFull, StoreError
from bench.trial import attempt, process
from bench.virtual import VirtualPhone

RUNNER = "--max-seconds="  # of the command that measures, and of no other


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with pytest.MonkeyPatch.context() as patch, device.private_server() as running:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield running


@pytest.fixture(scope="module")
def phones(server: AdbServer) -> Iterator[list[VirtualPhone]]:
    with virtual.booted("small", disk_mb=64) as one, virtual.booted("midrange", disk_mb=64) as two:
        for phone in (one, two):
            server.connect_tcp(phone.serial)
        yield [one, two]


@pytest.fixture
def rig(tmp_path: Path, server: AdbServer, phones: list[VirtualPhone]) -> Iterator[Rig]:
    yield Rig(tmp_path, server, phones)
    for phone in phones:
        virtual.fault(phone, "clear")
        wait_until(lambda serial=phone.serial: is_usable(server, serial))


def is_usable(server: AdbServer, serial: str) -> bool:
    listed = device.list_phones(server)
    return any((one.serial, one.state) == (serial, "device") for one in listed)


# --- faults that pass by themselves: the phone is come back to, and all is measured ----------


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("drop", {}),
        ("drop", {"after_ms": 30, "pattern": RUNNER}),
        ("drop", {"after_output": 40, "pattern": RUNNER}),
        ("gone", {"for_ms": 500}),
        ("frozen", {"for_ms": 1500}),
        ("reboot", {"for_ms": 500}),
        ("crlf", {}),
        ("clock", {"jump_s": -40 * 86_400}),
        ("clock", {"jump_s": 40 * 86_400}),
    ],
)
def test_what_passes_costs_no_trial(rig: Rig, kind: str, how: dict[str, int | str]) -> None:
    broken = rig.phones[0]
    outcome = rig.run(at_trial(1, broken, lambda: virtual.fault(broken, kind, **how)))
    virtual.fault(broken, "clear")
    assert (outcome.ok, outcome.failed, outcome.not_run, outcome.stopped) == (8, 0, 0, {})
    assert rig.is_complete()
    assert all(0 <= trial.duration_s < 60 for trial in rig.trials())


@pytest.mark.parametrize("kind", ["unauthorized", "offline"])
def test_what_a_user_must_mend_is_waited_for(rig: Rig, kind: str) -> None:
    broken = rig.phones[0]
    breaks = at_trial(1, broken, lambda: virtual.fault(broken, kind))

    def hear(event: engine.Event) -> None:
        breaks(event)
        if isinstance(event, engine.PhoneWaited):
            virtual.fault(broken, "clear")

    outcome = rig.run(hear)
    assert (outcome.ok, outcome.not_run) == (8, 0)
    assert any(isinstance(event, engine.PhoneWaited) for event in rig.events)
    assert rig.is_complete()


def test_a_connection_that_is_cut_in_the_middle_of_a_push_costs_no_trial(rig: Rig) -> None:
    broken = rig.phones[0]
    rig.connect(broken.serial).run(["rm", "-rf", device.WORK_DIR], deadline_s=20)
    virtual.fault(broken, "drop", after_bytes=2_000_000)  # amid the library, before the sweep
    met = rig.run()
    assert (met.ok, met.failed, met.not_run, met.stopped) == (8, 0, 0, {})
    (rig.folder / "big.tflite").write_bytes(
        (rig.folder / "net.tflite").read_bytes() + bytes(3 << 20)
    )
    began = rig.run(at_trial(0, broken, lambda: virtual.fault(broken, "drop", after_bytes=1 << 20)))
    assert (began.ok, began.failed, began.not_run) == (16, 0, 0)
    assert any(isinstance(event, engine.PhoneWaited) for event in rig.events)
    assert rig.is_complete()


def test_an_adb_server_that_is_killed_is_started_again_with_its_phones(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, phones: list[VirtualPhone]
) -> None:
    with device.private_server() as doomed:
        for name, value in {
            "ANDROID_ADB_SERVER_ADDRESS": doomed.host,
            "ANDROID_ADB_SERVER_PORT": str(doomed.port),
            "ADB_USB": "0",
            "ADB_EMU": "0",
            "ADB_MDNS": "0",
        }.items():
            monkeypatch.setenv(name, value)
        for phone in phones:
            doomed.connect_tcp(phone.serial)
        try:
            outcome = rig.run(
                at_trial(1, phones[0], lambda: kill(doomed)), connect=device.connect_target
            )
        finally:
            kill(doomed)
    assert (outcome.ok, outcome.not_run, outcome.stopped) == (8, 0, {})
    assert rig.is_complete()


def kill(server: AdbServer) -> None:
    """End an adb server as `adb kill-server` does."""
    with contextlib.suppress(DeviceError):  # it ends before it has answered
        server.query("host:kill")
    wait_until(lambda: not server.is_up())


# --- faults of the runner: one failed trial that says why -------------------------------------


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [
        ("kill", {"pattern": RUNNER, "after_ms": 20}, "low-memory killer"),
        ("cut", {"after_bytes": 60, "pattern": RUNNER}, "cut or damaged"),
        ("garble", {"bytes": 40, "seed": 3, "pattern": RUNNER}, ""),
        ("hang", {"after_bytes": 60, "pattern": RUNNER}, "was not done after"),
    ],
)
def test_a_runner_that_fails_is_one_failed_trial_with_its_reason(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    how: dict[str, int | str],
    says: str,
) -> None:
    monkeypatch.setattr(process, "UNBOUNDED_ALLOWANCE_S", 2.0)
    broken = rig.phones[0]
    outcome = rig.run(at_trial(0, broken, lambda: virtual.fault(broken, kind, **how)))
    assert (outcome.ok, outcome.failed, outcome.not_run) == (7, 1, 0)
    (failed,) = [trial for trial in rig.trials() if trial.status == "failed"]
    assert failed.device == name_of(broken, rig)
    assert says in (failed.reason or "")
    assert rig.is_complete()


@pytest.mark.parametrize("kind", ["cut", "garble", "hang"])
def test_a_damaged_answer_of_a_script_is_asked_for_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(device.describe.__globals__["probe"], "__kwdefaults__", {"deadline_s": 2.0})
    broken = rig.phones[0]
    order = {"pattern": "probe-"} | ({"bytes": 4000} if kind == "garble" else {})
    outcome = rig.run(at_trial(1, broken, lambda: virtual.fault(broken, kind, **order)))
    assert (outcome.ok, outcome.not_run) == (8, 0)
    assert rig.is_complete()


# --- faults that stop one phone: the others go on, and --resume finishes ----------------------


def test_a_full_phone_stops_alone_and_resume_finishes(rig: Rig) -> None:
    broken = rig.phones[0]
    for number in range(2):  # so that something is to be pushed in the middle
        name = f"big{number}.tflite"
        (rig.folder / name).write_bytes((rig.folder / "net.tflite").read_bytes() + bytes(2 << 20))
    full = at_trial(0, broken, lambda: virtual.fault(broken, "full", free_bytes=100_000))
    outcome = rig.run(full)
    assert outcome.not_run > 0
    (error,) = outcome.stopped.values()
    assert isinstance(error, DeviceFull)
    assert sum(trial.device != name_of(broken, rig) for trial in rig.trials()) == 12
    virtual.fault(broken, "clear")
    assert rig.run(resume=True).not_run == 0
    assert rig.is_complete()


def test_a_phone_that_stays_away_stops_alone_and_resume_finishes(rig: Rig) -> None:
    broken = rig.phones[0]
    gone = at_trial(1, broken, lambda: virtual.fault(broken, "gone", for_ms=0))
    outcome = rig.run(gone, patience=SOON._replace(return_within_s=0.5))
    (error,) = outcome.stopped.values()
    assert "did not come back" in str(error)
    assert len(rig.trials()) == 8 - outcome.not_run >= 4
    noted = [event.note for event in rig.events if isinstance(event, engine.PhoneNoted)]
    assert any("`bench devices --restore`" in note for note in noted)  # it was left prepared
    virtual.fault(broken, "clear")
    wait_until(lambda: is_usable(rig.server, broken.serial))
    assert rig.run(resume=True).not_run == 0
    assert rig.is_complete()


# --- the host -----------------------------------------------------------------------------------


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from bench.cli import main; main()", *words]


def started(rig: Rig, *more: str) -> subprocess.Popen[str]:
    """A sweep as a process of its own, that prints its events."""
    port = str(rig.server.port)
    devices = [word for phone in rig.phones for word in ("--device", phone.serial)]
    return subprocess.Popen(
        command("sweep", "faults.toml", "--json", "--no-report", *devices, *more),
        cwd=rig.folder,
        env=os.environ | {"ANDROID_ADB_SERVER_PORT": port},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("first", [0, 1])
def test_a_host_that_is_killed_again_and_again_loses_and_doubles_nothing(
    rig: Rig, first: int
) -> None:
    # Killed at the first event, then two events later each time: amid all that a sweep does.
    for after in range(first, 12, 2):
        resume = store.latest_run(rig.folder / "results", "faults") is not None
        with started(rig, *["--resume"] * resume) as sweep:
            assert sweep.stdout is not None
            for _ in range(after):
                sweep.stdout.readline()
            sweep.kill()
    outcome = rig.run(resume=store.latest_run(rig.folder / "results", "faults") is not None)
    assert (outcome.failed, outcome.not_run) == (0, 0)
    assert rig.is_complete()


def test_a_full_disk_of_the_host_is_one_error_and_resume_finishes(rig: Rig) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    kept: list[str] = []

    def fill(event: engine.Event) -> None:
        if isinstance(event, engine.TrialEnded):
            kept.append(event.trial.key)
            if len(kept) == 3:
                size = (rig.path / "trials.jsonl").stat().st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))

    try:
        with pytest.raises(StoreError, match="can't write results"):
            rig.run(fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [trial.key for trial in rig.trials()] == kept
    assert rig.is_clean()
    assert rig.run(resume=True).not_run == 0
    assert rig.is_complete()


@pytest.mark.parametrize("hours", [-30, 30])
def test_the_hosts_clock_may_jump_in_a_run_and_between_runs(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    class Jumped(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

    def jump() -> None:
        monkeypatch.setattr(attempt, "datetime", Jumped)
        monkeypatch.setattr(store, "datetime", Jumped)

    first = rig.run(at_trial(1, rig.phones[0], jump))
    assert first.ok == 8
    assert all(0 <= trial.duration_s < 60 for trial in rig.trials())
    stopped = rig.run(interrupt_at(3))
    assert stopped.interrupted
    assert rig.path == stopped.path != first.path
    resumed = rig.run(resume=True)
    assert (resumed.path, resumed.not_run) == (stopped.path, 0)
    assert rig.is_complete()


def interrupt_at(count: int):
    ended = iter(range(1, 1000))

    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.TrialEnded) and next(ended) == count:
            raise KeyboardInterrupt

    return hear


def test_ctrl_c_leaves_the_phones_as_they_were_and_free(rig: Rig) -> None:
    outcome = rig.run(interrupt_at(2))
    assert outcome.interrupted
    assert rig.is_clean()
    assert rig.run(resume=True).not_run == 0
    assert rig.is_complete()


# --- two hosts on one phone ---------------------------------------------------------------------

HOLD = """
import sys
from bench import device
with device.held(device.connect_target(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_host(rig: Rig) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the first phone, by an adb server of its own."""
    phone = rig.phones[0]
    with device.private_server() as theirs:
        theirs.connect_tcp(phone.serial)
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, phone.serial],
            env=os.environ | {"ANDROID_ADB_SERVER_PORT": str(theirs.port)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder
            holder.kill()


def test_a_phone_that_another_sweep_holds_is_left_to_it_and_done_on_resume(
    rig: Rig, other_host: subprocess.Popen[str]
) -> None:
    outcome = rig.run()
    assert (outcome.ok, outcome.not_run) == (4, 4)
    ((name, error),) = outcome.stopped.items()
    assert name == name_of(rig.phones[0], rig)
    assert isinstance(error, DeviceBusy)
    assert f"in use by process {other_host.pid} on this computer. Wait" in str(error)
    assert {trial.device for trial in rig.trials()} == {name_of(rig.phones[1], rig)}
    other_host.communicate("")
    assert rig.run(resume=True).not_run == 0
    assert rig.is_complete()


def test_the_phone_of_a_host_that_was_killed_is_taken_over_at_once(
    rig: Rig, other_host: subprocess.Popen[str]
) -> None:
    other_host.kill()
    other_host.wait()
    assert rig.run().ok == 8
    assert rig.is_complete()


def test_a_sweep_of_held_phones_alone_is_one_error(
    rig: Rig, other_host: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_host", lambda: "another0host")  # and asks from elsewhere
    rig.phones = rig.phones[:1]
    with pytest.raises(DeviceBusy, match=r"bench on another computer, last heard of \d+ s ago"):
        rig.run()
    assert not (rig.folder / "results").exists()


def test_a_sweep_whose_phone_was_taken_by_force_gives_it_up_and_loses_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = rig.phones[0]
    monkeypatch.setattr(lock, "RENEW_S", 0.3)
    rig.write(SWEEP.format(repetitions=6, seconds=0.1))
    thieves = []

    def steal() -> None:
        phone = rig.connect(broken.serial)
        while not thieves:
            device.break_hold(phone)
            with contextlib.suppress(DeviceBusy):  # the sweep was quicker to take it again
                thieves.append(device.Hold(phone, "another0host:1:1:1"))

    outcome = rig.run(at_trial(0, broken, steal))
    (error,) = outcome.stopped.values()
    assert isinstance(error, DeviceBusy)
    assert outcome.not_run > 0
    thieves[0].release()
    assert rig.run(resume=True).not_run == 0
    assert rig.is_complete()


def test_restore_frees_a_phone_by_force_and_clean_refuses_one_that_is_in_use(
    rig: Rig, other_host: subprocess.Popen[str]
) -> None:
    environment = os.environ | {"ANDROID_ADB_SERVER_PORT": str(rig.server.port)}
    serial = rig.phones[0].serial

    def devices(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command("devices", *words, "--device", serial),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = devices("--clean")
    assert refused.returncode == 1
    assert f"in use by process {other_host.pid}" in refused.stderr
    done = devices("--restore")
    assert done.returncode == 0, done.stderr
    assert f"the hold of process {other_host.pid} on this computer was ended" in done.stdout
    assert devices("--clean").returncode == 0


def test_one_slow_phone_does_not_hold_up_the_others(rig: Rig) -> None:
    slow, quick = rig.phones
    order: list[str] = []
    freeze = at_trial(0, slow, lambda: virtual.fault(slow, "frozen", for_ms=0))

    def hear(event: engine.Event) -> None:
        freeze(event)
        if isinstance(event, engine.PhoneDone):
            order.append(event.device.serial)
            virtual.fault(slow, "clear")

    assert rig.run(hear, patience=SOON._replace(return_within_s=60)).ok == 8
    assert order == [quick.serial, slow.serial]
    assert rig.is_complete()
