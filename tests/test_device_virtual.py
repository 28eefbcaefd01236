"""The device room through the real adb server, on virtual phones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.device import (
    WORK_DIR,
    AdbPhone,
    AdbServer,
    connect,
    content_path,
    describe,
    ensure,
    list_phones,
    private_server,
    read_state,
)
from bench.errors import DeviceError, DeviceFull, DeviceLost, DeviceTimeout
from bench.virtual import VirtualPhone, booted, fault, rewrite


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with private_server() as server:
        yield server


@contextlib.contextmanager
def plugged(
    server: AdbServer,
    profile: str,
    *,
    disk_mb: int | None = None,
    features: tuple[str, ...] | None = None,
) -> Iterator[tuple[VirtualPhone, AdbPhone]]:
    """A phone that the server is connected to, and forgets before the next takes its port."""
    with booted(profile, disk_mb=disk_mb, features=features) as phone:
        server.connect_tcp(phone.serial)
        try:
            yield phone, connect(phone.serial, server)
        finally:
            server.disconnect_tcp(phone.serial)


@pytest.fixture(scope="module")
def booted_phone(server: AdbServer) -> Iterator[VirtualPhone]:
    with plugged(server, "flagship") as (phone, _):
        yield phone


@pytest.fixture
def phone(server: AdbServer, booted_phone: VirtualPhone) -> AdbPhone:
    return connect(booted_phone.serial, server)


@pytest.fixture(scope="module")
def old_phone(server: AdbServer) -> Iterator[AdbPhone]:
    with plugged(server, "small", features=("cmd",)) as (_, phone):
        yield phone


# --- run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "exit_code", "stdout", "stderr"),
    [
        ("true", 0, b"", b""),
        ("echo out; echo err >&2; exit 9", 9, b"out\n", b"err\n"),
        ("printf 'no end'; exit 255", 255, b"no end", b""),
        ("kill -KILL $$", 137, b"", b""),
        ("cat", 0, b"", b""),  # stdin is at its end
    ],
)
def test_what_a_command_says_and_how_it_ends(
    phone: AdbPhone, script: str, exit_code: int, stdout: bytes, stderr: bytes
) -> None:
    done = phone.run(["sh", "-c", script], deadline_s=10)
    assert (done.exit_code, done.stdout, done.stderr) == (exit_code, stdout, stderr)


def test_an_old_phone_gives_exit_codes_too_and_says_that_stderr_is_not_apart(
    old_phone: AdbPhone,
) -> None:
    done = old_phone.run(["sh", "-c", "echo out; echo err >&2; exit 9"], deadline_s=10)
    assert (done.exit_code, done.stdout, done.stderr) == (9, b"out\nerr\n", None)
    assert old_phone.run(["printf", r"a\r\nb\0"], deadline_s=10).stdout == b"a\r\nb\0"
    assert old_phone.run(["cat"], deadline_s=10).stdout == b"", "stdin is at its end"


HOSTILE = ["a b;touch x$(id).tflite", "'\"`\\n", "\n", "*", "-e", "é\udcff", ""]


def test_hostile_arguments_arrive_as_they_are(phone: AdbPhone, old_phone: AdbPhone) -> None:
    expected = b"".join(os.fsencode(argument) + b"|" for argument in HOSTILE)
    for each in (phone, old_phone):
        done = each.run(["sh", "-c", 'printf "%s|" "$@"', "sh", *HOSTILE], deadline_s=10)
        assert done.stdout == expected


STUBBORN = "trap '' HUP TERM INT; sleep 301 & echo $!; sleep 302; sleep 303"


def test_a_hung_command_is_gone_with_all_that_it_started(
    phone: AdbPhone, old_phone: AdbPhone
) -> None:
    for each in (phone, old_phone):
        with pytest.raises(DeviceTimeout, match="was stopped"):
            each.run(["sh", "-c", STUBBORN], deadline_s=0.5)
        assert all_gone(each)


def test_ctrl_c_kills_the_command_on_the_phone(phone: AdbPhone) -> None:
    def press_when_it_runs() -> None:
        deadline = time.monotonic() + 10
        while not sleepers(phone) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press_when_it_runs)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        phone.run(["sh", "-c", STUBBORN], deadline_s=60)
    presser.join()
    assert all_gone(phone)


def test_another_thread_can_end_a_command(server: AdbServer, phone: AdbPhone) -> None:
    worked_on = connect(phone.serial, server)
    errors: list[DeviceError] = []

    def work() -> None:
        try:
            worked_on.run(["sh", "-c", STUBBORN], deadline_s=60)
        except DeviceError as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    while not sleepers(phone) and worker.is_alive():
        time.sleep(0.02)
    worked_on.interrupt()
    worker.join(10)
    assert [error.what for error in errors] == [f"The work on {phone.serial!r} was interrupted."]
    assert all_gone(phone)


def all_gone(phone: AdbPhone) -> bool:
    """Whether what STUBBORN started ends; a killed process is listed for a moment."""
    deadline = time.monotonic() + 10
    while sleepers(phone) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not sleepers(phone)


def sleepers(phone: AdbPhone) -> list[bytes]:
    """Command lines of what STUBBORN started, on the phone."""
    script = 'for p in /proc/[0-9]*; do tr "\\0" " " 2>/dev/null <"$p/cmdline"; echo; done'
    lines = phone.run(["sh", "-c", script], deadline_s=10).stdout.split(b"\n")
    return [line for line in lines if line.startswith(b"sleep 30")]


# --- files --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_001])
def test_files_come_back_as_they_went(phone: AdbPhone, tmp_path: Path, size: int) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(size))
    remote = f"{WORK_DIR}/roundtrip-{size}"
    assert phone.push(there, remote) == size
    assert phone.pull(remote, back) == size
    assert there.read_bytes() == back.read_bytes()
    phone.run(["rm", remote], deadline_s=10)


def test_content_is_pushed_once_over_all_connections(
    server: AdbServer, phone: AdbPhone, old_phone: AdbPhone, tmp_path: Path
) -> None:
    local = tmp_path / "a b;touch x$(id).tflite"
    local.write_bytes(os.urandom(1_000_000))
    sha256 = hashlib.sha256(local.read_bytes()).hexdigest()
    remote = content_path("model", sha256, ".tflite")
    for each in (phone, old_phone):
        assert ensure(each, local, sha256, remote) == 1_000_000
        assert ensure(each, local, sha256, remote) == 0
        assert ensure(connect(each.serial, server), local, sha256, remote) == 0
        listed = each.run(["ls", "/data/local/tmp", WORK_DIR], deadline_s=10).stdout
        assert b"part" not in listed
        assert b"touch" not in listed


def test_a_full_phone_is_named_and_no_part_stays(server: AdbServer, tmp_path: Path) -> None:
    local = tmp_path / "large.tflite"
    local.write_bytes(bytes(24 << 20))
    sha256 = hashlib.sha256(local.read_bytes()).hexdigest()
    with plugged(server, "small", disk_mb=16) as (small, phone):
        if small.fidelity != "full":
            return  # a plain folder has no size of its own
        with pytest.raises(
            DeviceFull, match=r"no space for 'large\.tflite' \(25\.2 MB\)"
        ) as caught:
            ensure(phone, local, sha256, content_path("model", sha256))
        assert "remove something" in str(caught.value).lower()
        server.connect_tcp(small.serial)  # a push that ends early may cost the connection
        assert phone.run(["ls", WORK_DIR], deadline_s=10).stdout == b""


def test_a_phone_that_drops_amid_a_push_is_lost_and_can_be_used_again(
    server: AdbServer, tmp_path: Path
) -> None:
    local = tmp_path / "model.tflite"
    local.write_bytes(os.urandom(4_000_000))
    sha256 = hashlib.sha256(local.read_bytes()).hexdigest()
    remote = content_path("model", sha256)
    with plugged(server, "midrange") as (dropping, phone):
        fault(dropping, "drop", after_bytes=1_000_000)
        with pytest.raises(DeviceLost):
            ensure(phone, local, sha256, remote)
        server.connect_tcp(dropping.serial)
        assert phone.run(["ls", remote], deadline_s=10).exit_code != 0
        assert ensure(phone, local, sha256, remote) == 4_000_000


# --- what it is, and how it is ------------------------------------------------------------


def test_a_virtual_phone_says_that_it_is_one(phone: AdbPhone, booted_phone: VirtualPhone) -> None:
    device = describe(phone)
    assert (device.virtual, device.profile) == (True, "flagship")
    assert device.fidelity == booted_phone.fidelity
    assert device.libc == "glibc"
    assert device.serial == booted_phone.serial
    assert device.identity is not None
    assert device.abis
    assert device.sdk is not None
    assert device.sdk >= 21
    assert sorted(core for cluster in device.clusters for core in cluster.cpus) == list(
        range(device.cores or 0)
    )
    assert all(cluster.max_khz for cluster in device.clusters)
    assert device.mem_total_kb is not None
    assert device.kernel is not None


def test_the_state_of_a_phone_has_a_value_for_everything_it_tells(phone: AdbPhone) -> None:
    state = read_state(phone)
    told = {name: getattr(state, name) for name in state.__struct_fields__}
    assert not [name for name, value in told.items() if value in (None, {}, ())]
    assert set(state.current_khz) == set(state.max_khz) == {str(core) for core in range(9)}


def test_a_state_costs_one_round_trip_once_the_probe_is_there(phone: AdbPhone) -> None:
    read_state(phone)
    runs = 0
    real_run = phone.run

    class Counting:
        serial, verified, push, pull = phone.serial, phone.verified, phone.push, phone.pull
        interrupt = phone.interrupt

        def run(self, *args: object, **kwargs: object) -> object:
            nonlocal runs
            runs += 1
            return real_run(*args, **kwargs)  # type: ignore[arg-type]

    read_state(Counting())  # type: ignore[arg-type]
    assert runs == 1


def test_an_old_phone_describes_itself_too(old_phone: AdbPhone) -> None:
    assert describe(old_phone).profile == "small"
    assert read_state(old_phone).battery_level is not None


def test_a_probe_that_was_removed_is_an_error_once_and_comes_back(phone: AdbPhone) -> None:
    read_state(phone)
    phone.run(["rm", "-rf", WORK_DIR], deadline_s=10)
    with pytest.raises(DeviceError, match=r"did not run probe\.sh to its end"):
        read_state(phone)
    assert read_state(phone).battery_level is not None


def test_unreachable_phones_are_told_by_their_state(server: AdbServer) -> None:
    with booted("small") as booted_phone:
        fault(booted_phone, "unauthorized")
        with pytest.raises(DeviceError, match="does not trust this computer yet"):
            server.connect_tcp(booted_phone.serial)
        with pytest.raises(DeviceError, match="does not trust this computer yet"):
            connect(booted_phone.serial, server)
        states = {listed.serial: listed.state for listed in list_phones(server)}
        assert states[booted_phone.serial] == "unauthorized"
        server.disconnect_tcp(booted_phone.serial)


def test_a_hot_phone_tells_its_status(phone: AdbPhone, booted_phone: VirtualPhone) -> None:
    dump = phone.run(["dumpsys", "thermalservice"], deadline_s=10).stdout.decode()
    path = "/system/etc/virtual/dumpsys/thermalservice"
    try:
        rewrite(booted_phone, path, dump.replace("Thermal Status: 0", "Thermal Status: 3"))
        assert read_state(phone).thermal_status == 3
    finally:
        rewrite(booted_phone, path, dump)
