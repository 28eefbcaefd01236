"""Finding phones: the list, and one clear line for each that can't be used."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_adb import LIST, SERIAL, FakeAdb, Peer, block
from virtual_adb import wait_until

from bench.device import (
    connect,
    default_server,
    list_phones,
    parse_server,
    private_server,
    usable_phones,
)
from bench.device.server import AdbServer, adb_binary
from bench.errors import DeviceError


def test_a_phone_in_the_list_can_be_connected_to() -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.started(line)
        peer.packet(3, b"\x00")

    with FakeAdb(shell=shell).running() as adb:
        phone = connect(SERIAL, adb.server)
        assert phone.serial == SERIAL
        assert phone.features == {"shell_v2", "cmd", "stat_v2"}
        assert phone.run(["true"], deadline_s=5).exit_code == 0
        assert [listed.serial for listed in list_phones(adb.server)] == [SERIAL]


TROUBLES = [
    ("", "'FAKE0001' is not connected; no phone is. Check on the phone:"),
    ("OTHER1\tdevice\nOTHER2\toffline\n", "not connected. Connected: 'OTHER1', 'OTHER2'."),
    (LIST + LIST, "2 connected phones call themselves 'FAKE0001'. Unplug"),
    (f"{SERIAL}\tunauthorized\n", "does not trust this computer yet. Unlock the phone"),
    (f"{SERIAL}\toffline\n", "is offline: adb sees it"),
    (
        f"{SERIAL}\tno permissions (x); see [http://y]\n",
        "may not be opened by this user. Add a udev",
    ),
    (f"{SERIAL}\trecovery\n", "is in recovery mode. Start Android on it"),
    (f"{SERIAL}\tsideload\n", "is in sideload mode. Start Android on it"),
    (f"{SERIAL}\tauthorizing\n", "is deciding whether to trust"),
    (f"{SERIAL}\thost\n", "is in the state 'host'. Plug it in again."),
]


@pytest.mark.parametrize(("devices", "message"), TROUBLES)
def test_a_phone_that_can_not_be_used_says_why_and_what_to_do(devices: str, message: str) -> None:
    with FakeAdb(devices=devices).running() as adb, pytest.raises(DeviceError) as caught:
        connect(SERIAL, adb.server)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_phone_the_error_says_what_to_check_and_names_the_virtual_one() -> None:
    with FakeAdb(devices="").running() as adb, pytest.raises(DeviceError) as caught:
        usable_phones(adb.server)
    for hint in ("cable", "developer options", "USB debugging", "prompt", "`--device virtual`"):
        assert hint in str(caught.value)


def test_usable_phones_are_those_that_can_run_a_command() -> None:
    devices = f"{LIST}OTHER\tunauthorized\n"
    with FakeAdb(devices=devices).running() as adb:
        assert [listed.serial for listed in usable_phones(adb.server)] == [SERIAL]


def test_one_unusable_phone_is_explained_and_several_are_listed() -> None:
    one, two = "A\tunauthorized\n", "A\tunauthorized\nB\toffline\n"
    with FakeAdb(devices=one).running() as adb, pytest.raises(DeviceError, match="trust"):
        usable_phones(adb.server)
    with FakeAdb(devices=two).running() as adb, pytest.raises(DeviceError) as caught:
        usable_phones(adb.server)
    assert "'A' (unauthorized), 'B' (offline)" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"FAIL000ano \x1b[1mway", "The adb server refused: no [1mway."),
        (b"HTTP/1.1 400", "What listens at"),
        (b"OKAYzzzz", "What listens at"),
        (b"OKAY-001", "What listens at"),
        (b"", "No adb server answers"),
    ],
)
def test_a_server_that_answers_nonsense_is_an_error(answer: bytes, message: str) -> None:
    fake = FakeAdb(answers={"host:devices-l": answer})
    with fake.running() as adb, pytest.raises(DeviceError) as caught:
        list_phones(adb.server)
    assert str(caught.value).startswith(message)


def test_connecting_to_where_no_phone_is_raises_what_adb_only_says() -> None:
    reply = "failed to connect to '127.0.0.1:1': Connection refused"
    fake = FakeAdb(answers={"host:connect:127.0.0.1:1": b"OKAY" + block(reply)})
    with fake.running() as adb, pytest.raises(DeviceError, match=re.escape(reply)):
        adb.server.connect_tcp("127.0.0.1:1")


@pytest.mark.parametrize("host", ["lab..local", "x" * 64])
def test_a_name_of_no_computer_is_an_error_as_any_other(host: str) -> None:
    server = AdbServer(host, 5037)
    with pytest.raises(DeviceError, match="No adb server answers at"):
        list_phones(server)
    assert not server.is_up()


def test_a_server_is_reached_by_its_ipv6_address() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert parse_server(f"[::1]:{listener.getsockname()[1]}").is_up()


def test_a_named_adb_that_can_not_be_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADBUTILS_ADB_PATH", "/no/such/adb")
    with pytest.raises(DeviceError, match="ADBUTILS_ADB_PATH names '/no/such/adb'"):
        adb_binary()


def test_without_adb_on_the_path_the_one_of_adbutils_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ADBUTILS_ADB_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "adbutils" in adb_binary()


def test_a_server_on_another_machine_is_not_started_from_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.2")
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    with pytest.raises(DeviceError, match=r"No adb server answers at 127\.0\.0\.2:1"):
        default_server()


@pytest.mark.parametrize("port", ["0", "99999", "5037x", "-1"])
def test_a_port_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", port)
    with pytest.raises(DeviceError, match="no port number"):
        default_server()


def test_the_users_server_is_the_one_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeAdb().running() as adb:
        monkeypatch.setenv("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.1")
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb.port))
        assert default_server() == adb.server


def test_the_users_server_is_started_where_it_is_not_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = unused_port()
    settings = {"ANDROID_ADB_SERVER_PORT": str(port), "HOME": str(tmp_path)}
    for name, value in (settings | {"ADB_USB": "0", "ADB_EMU": "0", "ADB_MDNS": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANDROID_ADB_SERVER_ADDRESS", raising=False)
    server = AdbServer("127.0.0.1", port)
    try:
        assert default_server() == server
        assert list_phones(server) == []
    finally:
        with contextlib.suppress(DeviceError):  # it ends without an answer
            server.query("host:kill")
    assert ends(server)


# --- the real adb, as a private server -----------------------------------------------------


def test_a_private_server_is_up_knows_no_phone_and_is_gone_after() -> None:
    with private_server() as server:
        assert int(server.query("host:version"), 16) >= 39
        assert list_phones(server) == []
        with pytest.raises(DeviceError, match="can't connect"):
            server.connect_tcp(f"127.0.0.1:{unused_port()}")
    assert not server.is_up()


def test_two_private_servers_stand_side_by_side() -> None:
    with private_server() as one, private_server() as two:
        assert one.port != two.port
        assert list_phones(one) == list_phones(two) == []


def test_a_private_server_takes_no_settings_from_the_users_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:localhost:1")
    with private_server() as server:
        assert list_phones(server) == []


def test_a_private_server_and_its_folder_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import time\n"
        "from bench.device import private_server\n"
        "with private_server() as server:\n"
        "    print(server.port, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as parent:
        try:
            assert parent.stdout is not None
            server = AdbServer("127.0.0.1", int(parent.stdout.readline()))
            assert server.is_up()
        finally:
            os.kill(parent.pid, signal.SIGKILL)
    assert ends(server)
    wait_until(lambda: not list(tmp_path.iterdir()))


def ends(server: AdbServer) -> bool:
    deadline = time.monotonic() + 10
    while server.is_up() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not server.is_up()


def unused_port() -> int:
    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
