"""Hosts that speak ADB badly, and many at once: none of them harms the phone."""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import virtual_adb
from virtual_adb import BareHost

from bench import virtual
from bench.virtual import VirtualPhone, procstat, protocol, state

TMP = "/data/local/tmp"
WORLDS = virtual_adb.worlds()


@pytest.fixture(scope="module", params=WORLDS)
def phone(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VirtualPhone]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        with virtual.booted("small", fidelity=request.param) as booted:
            yield booted
            assert _run(booted, "echo alive") == b"alive\n"
            complaints = (state.folder() / f"{booted.port}.log").read_text()
            assert complaints == ""  # nothing that a host did surprised the daemon


def test_a_host_that_ignores_flow_control_is_let_go(phone: VirtualPhone) -> None:
    with BareHost(phone) as host:
        stream = host.open("exec:sleep 1000")  # reads nothing; some of it is waited for
        with pytest.raises(ConnectionError):
            _flood(host, stream)


def _flood(host: BareHost, stream: int) -> None:
    for _ in range(40):
        host.send(protocol.WRTE, 1, stream, b"\0" * protocol.MAX_PAYLOAD)
    host.read_until(stream, b"never")


def test_data_that_adb_flushes_without_an_acknowledgement_is_taken(phone: VirtualPhone) -> None:
    with BareHost(phone) as host:
        stream = host.open("exec:cat")
        for part in (b"one ", b"two ", b"three"):
            host.send(protocol.WRTE, 1, stream, part)
        host.read_until(stream, b"one two three")


def test_a_command_that_cannot_be_started_says_why(phone: VirtualPhone) -> None:
    with BareHost(phone) as host:
        stream = host.open("shell,v2,raw:: " + "x" * 200_000)  # more than exec takes
        assert b"too long" in host.read_until(stream, b"\x03\x01\0\0\0\x7f")


@pytest.mark.parametrize(
    "nonsense",
    [
        protocol.HEADER.pack(protocol.WRTE, 1, 1, 0, 0, 0),
        protocol.HEADER.pack(protocol.WRTE, 1, 1, 1 << 31, 0, protocol.WRTE ^ 0xFFFF_FFFF),
    ],
    ids=["wrong inverse", "too large"],
)
def test_a_packet_that_is_none_ends_the_connection(phone: VirtualPhone, nonsense: bytes) -> None:
    with BareHost(phone) as host:
        host.send_bytes(nonsense)
        with pytest.raises(ConnectionError):
            host.receive()


def test_packets_for_streams_that_are_no_more_do_no_harm(phone: VirtualPhone) -> None:
    with BareHost(phone) as host:
        for command in (protocol.OKAY, protocol.CLSE, protocol.WRTE):
            host.send(command, 1, 4711, b"x" if command == protocol.WRTE else b"")
        assert host.receive()[0].command == protocol.CLSE
        assert b"fine" in host.read_until(host.open("exec:echo fine"), b"fine")


def test_a_host_that_connects_again_has_left_what_it_had_open(phone: VirtualPhone) -> None:
    nap = f"exec sleep {80_000 + phone.port}"
    with BareHost(phone) as host:
        host.open(f"shell,v2,raw:{nap}")
        host.greet()
        host.greet()
        stream = host.open(f"exec:while pgrep -f '^sleep {nap.split()[-1]}'; do :; done; echo over")
        host.read_until(stream, b"over")


def test_a_shell_takes_no_notice_of_packets_that_it_does_not_know(phone: VirtualPhone) -> None:
    with BareHost(phone) as host:
        stream = host.open("shell,v2,raw:cat")
        for kind, data in ((77, b"what"), (5, b"9x9,0x0"), (1, b"mine"), (0, b"stdin"), (3, b"")):
            host.send(protocol.WRTE, 1, stream, struct.pack("<BI", kind, len(data)) + data)
        assert host.read_until(stream, b"stdin") == b"\x01\x05\0\0\0stdin"


@pytest.mark.parametrize(
    "path",
    [
        b"\0",
        b"/data/local/tmp/a\0b",
        b"",
        b"/" * 1000,
        b"/data/local/tmp/" + b"n" * 300,
        b"\xff/\xfe",
        b"..",
    ],
)
def test_files_with_hostile_paths_are_answered(phone: VirtualPhone, path: bytes) -> None:
    for word in (b"STAT", b"STA2", b"LST2", b"LIST", b"LIS2", b"RECV", b"SEND"):
        asked = path + b",33188" if word == b"SEND" else path
        _answered(
            phone, word + struct.pack("<I", len(asked)) + asked + _CONTENT * (word == b"SEND")
        )


def test_a_mode_that_is_none_is_refused(phone: VirtualPhone) -> None:
    for mode in (b"9" * 30, b"-1", b"x", b""):
        asked = b"/data/local/tmp/x," + mode
        assert (
            _answered(phone, b"SEND" + struct.pack("<I", len(asked)) + asked + _CONTENT) == b"FAIL"
        )


_CONTENT = b"DATA\x01\0\0\0xDONE\0\0\0\0"


def _answered(phone: VirtualPhone, request: bytes) -> bytes:
    """The word of the answer to a request of the service sync."""
    with BareHost(phone) as host:
        stream = host.open("sync:")
        host.send(protocol.WRTE, 1, stream, request)
        return host.read_until(stream, b"")[:4]


def test_a_request_that_is_cut_ends_with_its_host(phone: VirtualPhone) -> None:
    for whole in (b"SEND\x40\0\0\0/data", b"STA", b"LIST\xff\xff\xff\xff"):
        with BareHost(phone) as host:
            host.send(protocol.WRTE, 1, host.open("sync:"), whole)


def test_a_thousand_streams_are_served_at_once(phone: VirtualPhone) -> None:
    with BareHost(phone) as host:
        streams = [host.open("sync:") for _ in range(1000)]
        for stream in streams:
            host.send(protocol.WRTE, 1, stream, b"STAT\x01\0\0\0/")
        host.read_until(streams[0], b"STAT", times=1000)


def test_descriptors_that_run_out_are_there_again_when_the_streams_are_closed(
    phone: VirtualPhone,
) -> None:
    (inside,) = [p for p in procstat.pids() if (s := procstat.read(p)) and s.parent == phone.pid]
    before = resource.prlimit(inside, resource.RLIMIT_NOFILE)
    resource.prlimit(inside, resource.RLIMIT_NOFILE, (34, before[1]))
    try:
        for attempt in range(16):
            with ExitStack() as hosts:
                # one more descriptor each time, so that any of a command's may be the last
                for _ in range(attempt % 4):
                    hosts.enter_context(BareHost(phone))
                host = hosts.enter_context(BareHost(phone))
                for _ in range(10):
                    host.send(protocol.OPEN, 1, 0, b"shell,v2,raw:exec sleep 1000\0")
                host.read_until(1, b"Too many open files")
            assert _run(phone, "echo fine") == b"fine\n"
    finally:
        resource.prlimit(inside, resource.RLIMIT_NOFILE, before)


def test_what_a_command_leaves_behind_takes_nothing_of_the_next_ones_output(
    phone: VirtualPhone,
) -> None:
    # It holds the first one's stderr open, when nobody reads that any more.
    left = "setsid sleep 3 >/dev/null & while :; do echo x; done"
    with BareHost(phone) as host:
        for _ in range(8):
            stream = host.open(f"shell,v2,raw:{left}")
            host.receive()
            host.send(protocol.CLSE, 1, stream)
            for _ in range(4):
                assert _run(phone, "echo fine; echo wrong >&2; sleep 0.03; echo again") == (
                    b"fine\nwrong\nagain\n"
                )


def _run(phone: VirtualPhone, command: str) -> bytes:
    """What a command prints, all of it, until its end."""
    with BareHost(phone) as host:
        stream = host.open(f"shell,v2,raw:{command}")
        told, printed = host.read_until(stream, b"\x03\x01\0\0\0\0"), b""
        while told[:1] != b"\x03":
            length = int.from_bytes(told[1:5], "little")
            printed += told[5 : 5 + length]
            told = told[5 + length :]
        return printed
