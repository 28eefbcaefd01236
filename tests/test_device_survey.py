"""All phones at once: other adb servers, two serials of one phone, phones that can't be used."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fake_adb import SERIAL, FakeAdb, Peer, block
from hypothesis import given
from hypothesis import strategies as st

from bench.device import AdbServer, Target, connect_target, parse_server, parse_target, survey
from bench.device.survey import Seen, same_phone
from bench.errors import DeviceError, UsageError
from bench.records import Device

# --- names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "server", "serial"),
    [
        ("R58M123ABC", None, "R58M123ABC"),
        ("192.168.1.7:5555", None, "192.168.1.7:5555"),
        ("adb-x (2)._adb-tls-connect._tcp", None, "adb-x (2)._adb-tls-connect._tcp"),
        ("lab-2.local:5037/R58M", AdbServer("lab-2.local", 5037), "R58M"),
        ("10.0.0.2:5037/192.168.1.7:5555", AdbServer("10.0.0.2", 5037), "192.168.1.7:5555"),
        ("[::1]:15037/a/b", AdbServer("[::1]", 15037), "a/b"),
    ],
)
def test_a_phone_is_named_by_serial_or_by_server_and_serial(
    text: str, server: AdbServer | None, serial: str
) -> None:
    target = parse_target(text)
    assert target == Target(server, serial)
    assert str(target) == text


@pytest.mark.parametrize("text", ["", " ", "lab:5037/", "lab:0/X", "lab:99999/X"])
def test_what_names_no_phone_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


@given(st.text())
def test_any_text_is_a_target_or_a_usage_error(text: str) -> None:
    for parse in (parse_target, parse_server):
        try:
            parse(text)
        except UsageError:
            continue


def test_a_server_is_host_and_port() -> None:
    assert parse_server("lab:5037") == AdbServer("lab", 5037)
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse_server("lab")


# --- one phone or two ---------------------------------------------------------------------


def seen(serial: str, boot_id: str | None = None, **fields: Any) -> Seen:
    told = {"serial": serial, "virtual": False, "identity": "R58M", "model": "A"} | fields
    return Seen(serials=(serial,), device=Device(**told), boot_id=boot_id)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (seen("R58M"), seen("10.0.0.2:5555"), True),
        (seen("a"), seen("b", identity="OTHER"), False),
        (seen("a", identity=None), seen("b", identity=None), False),  # bogus numbers
        (seen("a"), seen("b", model="B"), False),
        # Kernels that were started apart are two phones, whatever number both print.
        (seen("a", "k1"), seen("b", "k2"), False),
        (seen("a", "k1", identity=None), seen("b", "k1", identity=None), True),
        # Phones in containers share their host's kernel.
        (seen("a", "k1"), seen("b", "k1", identity="OTHER"), False),
        (seen("a", "k1", virtual=True), seen("b", "k1", virtual=True, identity="V2"), False),
        (seen("a", "k1", virtual=True), seen("b", "k1", virtual=True), True),
        (Seen(serials=("a",)), Seen(serials=("a",)), False),
    ],
)
def test_two_serials_are_one_phone_or_two(one: Seen, other: Seen, same: bool) -> None:
    assert same_phone(one, other) is same
    assert same_phone(other, one) is same


# --- surveys ------------------------------------------------------------------------------


def mute(peer: Peer, line: str) -> None:
    """A phone whose shell ends at once with nothing to say."""
    peer.started(line)
    peer.packet(3, b"\x01")


def test_phones_that_can_not_be_used_stand_in_the_list_with_what_to_do() -> None:
    devices = "A\tunauthorized\nB\toffline\nC\tno permissions (x)\nD\trecovery\nE\tfuture-state\n"
    with FakeAdb(devices=devices).running() as adb:
        found = survey([adb.server])
    assert [one.serials for one in found] == [
        (f"{adb.server}/{serial}",) for serial in ("A", "B", "C", "D")
    ]
    assert all(one.trouble is not None and one.trouble.next_step for one in found)
    assert f"'{adb.server}/A' does not trust" in str(found[0].trouble)


def test_a_phone_that_fails_does_not_hide_the_others() -> None:
    with FakeAdb(shell=mute, devices=f"{SERIAL}\tdevice\nB\toffline\n").running() as adb:
        broken, offline = survey([adb.server])
    assert broken.device is None
    assert "other content" in str(broken.trouble) or "lost" in str(broken.trouble)
    assert "offline" in str(offline.trouble)


def test_a_server_that_is_down_is_a_row_beside_the_others() -> None:
    with FakeAdb(devices="A\toffline\n").running() as adb:
        found = survey([adb.server, AdbServer("127.0.0.1", 1)])
    assert [one.serials for one in found] == [(f"{adb.server}/A",), ("127.0.0.1:1/",)]
    assert "No adb server answers" in str(found[1].trouble)
    with pytest.raises(DeviceError, match="No adb server answers"):
        survey([AdbServer("127.0.0.1", 1)])


def test_a_serial_that_nobody_has_is_an_error_that_names_the_others() -> None:
    with FakeAdb(devices="A\toffline\n").running() as adb:
        with pytest.raises(DeviceError, match=r"'NO' is not connected\. Connected: '.*/A'"):
            survey([adb.server], serials=["NO"])
        assert len(survey([adb.server], serials=[f"{adb.server}/A"])) == 1


def test_the_same_serial_twice_is_one_row_that_says_so() -> None:
    with FakeAdb(devices=f"{SERIAL}\tdevice\n{SERIAL}\tdevice\n").running() as adb:
        (one,) = survey([adb.server])
    assert "2 connected phones call themselves" in str(one.trouble)


def test_phones_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=20)

    def shell(peer: Peer, line: str) -> None:
        together.wait()  # broken, and with it the phone's answer, unless both are asked at once
        mute(peer, line)

    first, second = FakeAdb(shell=shell), FakeAdb(shell=shell)
    with first.running(), second.running():
        assert len(survey([first.server, second.server])) == 2
    assert not together.broken


def test_a_target_on_another_server_goes_by_its_whole_name() -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.started(line)
        peer.packet(3, b"\x00")

    with FakeAdb(shell=shell).running() as adb:
        name = f"{adb.server}/{SERIAL}"
        phone = connect_target(name)
        assert phone.serial == name
        assert phone.run(["true"], deadline_s=5).exit_code == 0
        assert phone.fresh().run(["true"], deadline_s=5).exit_code == 0
        with pytest.raises(DeviceError, match=f"'{adb.server}/X' is not connected"):
            connect_target(f"{adb.server}/X")


# --- pairing ------------------------------------------------------------------------------

PAIR = "host:pair:123456:10.0.0.2:37041"


@pytest.mark.parametrize(
    ("answer", "message", "cure"),
    [
        (
            b"OKAYFAIL" + block("Failed: Unable to start pairing client."),
            "adb can't pair with '10.0.0.2:37041': Unable to start pairing client.",
            "keep it open",
        ),
        (
            b"OKAY" + block("Failed: Wrong password or connection was dropped."),
            "adb can't pair with '10.0.0.2:37041': Wrong password or connection was dropped.",
            "The code and the port change",
        ),
        (b"FAIL" + block("unknown host service"), "unknown host service.", "version 30"),
        (b"OKAYFAILFAIL0004", "What listens at", "ANDROID_ADB_SERVER_PORT"),
    ],
)
def test_a_pairing_that_fails_says_why(answer: bytes, message: str, cure: str) -> None:
    with FakeAdb(answers={PAIR: answer}).running() as adb, pytest.raises(DeviceError) as caught:
        adb.server.pair("10.0.0.2:37041", "123456")
    assert message in caught.value.what
    assert cure in (caught.value.next_step or "")


def test_a_pairing_that_succeeds_says_with_whom() -> None:
    told = "Successfully paired to 10.0.0.2:37041 [guid=adb-X-y]"
    with FakeAdb(answers={PAIR: b"OKAY" + block(told)}).running() as adb:
        assert adb.server.pair("10.0.0.2:37041", "123456") == told


@pytest.mark.parametrize(
    ("address", "code"), [("10.0.0.2", "123456"), ("h:1", ""), ("h:1", "1 2"), ("h:1:kill", "1")]
)
def test_a_pairing_of_nonsense_never_reaches_the_server(address: str, code: str) -> None:
    with FakeAdb().running() as adb:
        with pytest.raises(UsageError, match="HOST:PORT"):
            adb.server.pair(address, code)
        assert adb.services == []


def test_an_address_without_a_port_means_adbs_own() -> None:
    reply = b"OKAY" + block("failed to connect to '10.0.0.2:5555': No route to host")
    fake = FakeAdb(answers={"host:connect:10.0.0.2:5555": reply})
    with fake.running() as adb, pytest.raises(DeviceError, match="No route to host"):
        adb.server.connect_tcp("10.0.0.2")
