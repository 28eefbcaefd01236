"""bench devices as a user meets it: a process, a real adb server, virtual phones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench import virtual
from bench.device import AdbServer, connect, private_server, restore_leftovers
from bench.device.phone import SAVED, WORK_DIR
from bench.records import Device, DeviceState

MAIN = "from bench.cli import main; main()"


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with private_server() as server:
        yield server


@pytest.fixture(scope="module")
def phone(server: AdbServer) -> Iterator[virtual.VirtualPhone]:
    with virtual.booted("flagship") as booted:
        server.connect_tcp(booted.serial)
        yield booted
        server.disconnect_tcp(booted.serial)


def environment(server: AdbServer) -> dict[str, str]:
    return os.environ | {"ANDROID_ADB_SERVER_PORT": str(server.port)}


def bench(server: AdbServer, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "devices", *words],
        capture_output=True,
        text=True,
        env=environment(server),
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done


def test_a_table_shows_what_a_phone_is_and_what_would_run(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    head, row = bench(server).stdout.splitlines()
    assert head.split() == [
        "serial", "device", "Android", "SoC", "ABI", "cores", "(GHz)", "memory", "(MB)",
        "battery", "thermal", "root", "runner",
    ]  # fmt: skip
    for told in (phone.serial, "[virtual", "16", "4 x 1.75 + 4 x 2.41 + 1 x 3.02", "81 %, 29 °C"):
        assert told in row
    assert "own wheel" in row


def test_json_holds_every_field_of_device_and_state(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    (row,) = json.loads(bench(server, "--json").stdout)
    assert {*Device.__struct_fields__, *DeviceState.__struct_fields__} <= set(row)
    assert (row["serial"], row["serials"]) == (phone.serial, [phone.serial])
    assert (row["runner"], row["runner_abi"]) == ("own", row["abis"][0])
    assert row["library_source"] == "wheel"
    assert (row["trouble"], row["cure"], row["runner_trouble"]) == (None, None, None)
    assert row["root"] in ("no", "su", "adbd")
    assert "findings" not in row


def test_fit_says_what_would_disturb_and_what_to_do(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    dump = connect(phone.serial, server).run(["dumpsys", "thermalservice"], deadline_s=10)
    text = dump.stdout.decode()
    path = "/system/etc/virtual/dumpsys/thermalservice"
    try:
        virtual.rewrite(phone, path, text.replace("Thermal Status: 0", "Thermal Status: 2"))
        shown = bench(server, "--fit").stdout
        (row,) = json.loads(bench(server, "--fit", "--json").stdout)
    finally:
        virtual.rewrite(phone, path, text)
    assert "would disturb a measurement" in shown
    assert "  throttled: thermal status 2. Cure: let it cool down." in shown.splitlines()
    assert row["findings"][0]["kind"] == "virtual"
    (throttled,) = [found for found in row["findings"] if found["kind"] == "throttled"]
    assert throttled["numbers"] == {"thermal_status": 2.0}
    assert 0 <= row["busy_cores"] <= (os.cpu_count() or 1)


def test_an_unusable_phone_is_listed_beside_a_usable_one(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    with virtual.booted("small") as other:
        server.connect_tcp(other.serial)
        virtual.fault(other, "unauthorized")
        try:
            wait_for_state(server, other.serial, "unauthorized")
            done = bench(server)
            rows = {row["serial"]: row for row in json.loads(bench(server, "--json").stdout)}
            alone = bench(server, "--device", other.serial, code=1)
        finally:
            server.disconnect_tcp(other.serial)
    assert len(done.stdout.splitlines()) == 3
    assert f"Error: '{other.serial}' does not trust this computer yet. Unlock" in done.stderr
    assert rows[phone.serial]["trouble"] is None
    assert "does not trust" in rows[other.serial]["trouble"]
    assert "accept the prompt" in rows[other.serial]["cure"]
    assert rows[other.serial]["model"] is None
    assert "does not trust" in alone.stderr


def wait_for_state(server: AdbServer, serial: str, state: str) -> None:
    deadline = time.monotonic() + 20
    while f"{serial}\t{state}" not in server.query("host:devices"):
        assert time.monotonic() < deadline, server.query("host:devices")
        time.sleep(0.05)


def test_one_phone_on_two_servers_is_one_row(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    with private_server() as other:
        other.connect_tcp(phone.serial)
        (row,) = json.loads(bench(server, "--json", "--server", str(other)).stdout)
        assert row["serials"] == [phone.serial, f"{other}/{phone.serial}"]
        name = f"{other}/{phone.serial}"
        (row,) = json.loads(bench(server, "--json", "--device", name).stdout)
        assert row["serial"] == name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "NO"], "'NO' is not connected. Connected: "),
        (["--device", "lab:0/X"], "0 is no port"),
        (["--server", "x"], "'x' is no adb server"),
        (["connect", "127.0.0.1:1"], "adb can't connect to '127.0.0.1:1'"),
        (["pair", "127.0.0.1:1", "123456"], "adb can't pair with '127.0.0.1:1'"),
        (["pair", "127.0.0.1", "123456"], "are not HOST:PORT and a code"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    server: AdbServer, phone: virtual.VirtualPhone, words: list[str], message: str
) -> None:
    done = bench(server, *words, code=1)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


# --- left as found ------------------------------------------------------------------------

# A host that prepares a phone and is then killed: what it does up to its Nth command there.
VICTIM = """
import os, signal, sys, time
from bench.device import AdbPhone, Preparation, connect, prepared
from bench.device.server import AdbServer
port, serial, last, stay_s = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
run, done = AdbPhone.run, 0
def counted(phone, argv, **options):
    global done
    finished = run(phone, argv, **options)
    done += 1
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return finished
AdbPhone.run = counted
phone = connect(serial, AdbServer("127.0.0.1", port))
print("begins", flush=True)
with prepared(phone, Preparation(stay_awake=True, animations_off=True, fixed_performance=True,
                                 airplane_mode=True)):
    time.sleep(stay_s)
"""


def victim(
    server: AdbServer, phone: virtual.VirtualPhone, *, last: int = 0, stay_s: float = 0
) -> subprocess.Popen[str]:
    words = [str(server.port), phone.serial, str(last), str(stay_s)]
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_after(server: AdbServer, phone: virtual.VirtualPhone, commands: int) -> bool:
    """Whether a host was killed after so many commands; else it had fewer to do."""
    connect(phone.serial, server).run(["rm", "-rf", WORK_DIR], deadline_s=10)
    child = victim(server, phone, last=commands)
    _, told = child.communicate(timeout=60)
    assert child.returncode in (0, -signal.SIGKILL), told
    return child.returncode != 0


def test_a_host_killed_after_any_of_its_commands_is_restored_by_the_next_bench_devices(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    before = virtual.snapshot(phone)
    changes = 0
    for commands in range(1, 40):
        if not killed_after(server, phone, commands):
            break
        after = virtual.snapshot(phone)
        changes += after != before
        shown = bench(server)
        assert virtual.snapshot(phone) == before, commands
        assert ("put back to" in shown.stderr) == (after != before), commands
    assert changes >= 1
    assert 5 < commands < 39
    assert virtual.snapshot(phone) == before
    assert connect(phone.serial, server).run(["ls", SAVED], deadline_s=10).exit_code != 0


@pytest.mark.parametrize("delay_s", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_a_host_killed_at_any_moment_is_restored_too(
    server: AdbServer, phone: virtual.VirtualPhone, delay_s: float
) -> None:
    """The script on the phone is hung up on wherever it is."""
    before = virtual.snapshot(phone)
    child = victim(server, phone, stay_s=60)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(delay_s)
    child.kill()
    child.communicate(timeout=20)
    bench(server)
    assert settled(phone) == before


def settled(phone: virtual.VirtualPhone) -> dict[str, str]:
    """The phone's settings, once a script that was hung up on is surely gone."""
    time.sleep(0.5)
    return virtual.snapshot(phone)


def test_restore_and_clean_say_what_they_did_and_do_no_harm_twice(
    server: AdbServer, phone: virtual.VirtualPhone
) -> None:
    before = virtual.snapshot(phone)
    for commands in range(1, 40):  # up to where it has changed something
        if virtual.snapshot(phone) != before or not killed_after(server, phone, commands):
            break
    assert virtual.snapshot(phone) != before
    done = bench(server, "--restore")
    assert f"{phone.serial}: stay_on_while_plugged_in: put back to" in done.stdout
    assert virtual.snapshot(phone) == before
    assert bench(server, "--restore").stdout == f"{phone.serial}: nothing was left to restore\n"
    told = bench(server, "--restore", "--json").stdout
    assert json.loads(told) == [{"serial": phone.serial, "done": []}]
    cleaned = bench(server, "--clean").stdout  # of a world without a namespace: its real path
    assert cleaned.startswith(f"{phone.serial}: ")
    assert cleaned.endswith(f"{WORK_DIR}: removed\n")
    assert virtual.snapshot(phone) == before
    assert restore_leftovers(connect(phone.serial, server)) == ()


def test_ctrl_c_restores(server: AdbServer, phone: virtual.VirtualPhone) -> None:
    before = virtual.snapshot(phone)
    child = victim(server, phone, stay_s=60)
    deadline = time.monotonic() + 20
    while virtual.snapshot(phone)["settings/global/airplane_mode_on"] != "1":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in told
    assert virtual.snapshot(phone) == before
