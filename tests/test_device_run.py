"""Running commands: what comes back, and what every way of losing a phone looks like."""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
import time

import pytest
from fake_adb import FakeAdb, Peer, die, hang, nonce_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.device.shell import MAX_OUTPUT_BYTES, quoted
from bench.errors import DeviceError, DeviceLost, DeviceTimeout


def test_stdout_stderr_and_exit_code_come_apart() -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.started(line, pid=77)
        peer.packet(1, b"out\r\n")
        peer.packet(2, b"err\n")
        peer.packet(3, b"\x09")

    with FakeAdb(shell=shell).running() as adb:
        done = adb.phone().run(["true"], deadline_s=5)
    assert (done.exit_code, done.stdout, done.stderr, done.pid) == (9, b"out\r\n", b"err\n", 77)


def test_packets_may_come_in_any_pieces() -> None:
    def shell(peer: Peer, line: str) -> None:
        stream = bytearray()
        for kind, data in [(2, f"{nonce_of(line)} 5 5\n".encode()), (1, b"abc"), (1, b"")]:
            stream += bytes([kind]) + len(data).to_bytes(4, "little") + data
        stream += b"\x01\x03\x00\x00\x00def" + b"\x03\x01\x00\x00\x00\x00"
        for byte in stream:
            peer.send(bytes([byte]))

    with FakeAdb(shell=shell).running() as adb:
        done = adb.phone().run(["true"], deadline_s=5)
    assert (done.exit_code, done.stdout, done.stderr) == (0, b"abcdef", b"")


def test_a_command_is_told_that_there_is_nothing_to_read() -> None:
    told = bytearray()

    def shell(peer: Peer, line: str) -> None:
        peer.started(line)
        told.extend(peer.read(5))
        peer.packet(3, b"\x00")

    with FakeAdb(shell=shell).running() as adb:
        adb.phone().run(["cat"], deadline_s=20)
    assert told == b"\x04\x00\x00\x00\x00"


def test_an_end_without_an_exit_code_is_a_lost_phone_not_a_result() -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.started(line)
        peer.packet(1, b"half a docum")

    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceLost, match="was lost"):
        adb.phone().run(["bench_tflite"], deadline_s=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x63\x01\x00\x00\x00x",  # no such kind
        b"\x01\xff\xff\xff\xff",  # 4 GB to come
        b"\x03\x02\x00\x00\x00\x00\x00",  # an exit code of two bytes
    ],
)
def test_what_is_not_shell_v2_is_named_garbage(answer: bytes) -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.send(answer)

    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceError, match="not adb"):
        adb.phone().run(["true"], deadline_s=5)


def test_a_server_that_talks_garbage_is_named() -> None:
    answers = {"host:transport:FAKE0001": b"HTTP/1.1 400 Bad Request"}
    with FakeAdb(answers=answers).running() as adb, pytest.raises(DeviceError, match="not adb"):
        adb.phone().run(["true"], deadline_s=5)


@pytest.mark.parametrize("reason", ["device offline", "device 'FAKE0001' not found", "closed"])
def test_a_phone_that_the_server_lost_is_lost(reason: str) -> None:
    fake = FakeAdb(refuse_transport=reason)
    with fake.running() as adb, pytest.raises(DeviceLost, match=re.escape(reason)):
        adb.phone().run(["true"], deadline_s=5)


def test_a_server_that_is_gone_is_a_lost_phone() -> None:
    with FakeAdb().running() as adb:
        phone = adb.phone()
    with pytest.raises(DeviceLost, match="no adb server answers"):
        phone.run(["true"], deadline_s=5)


def test_a_frozen_phone_is_lost_although_it_took_the_connection() -> None:
    fake = FakeAdb(mute_transport=True)
    with fake.running() as adb, pytest.raises(DeviceLost, match="no answer"):
        adb.phone().run(["true"], deadline_s=600)


def test_a_hung_command_on_a_living_phone_is_a_timeout_and_is_killed() -> None:
    killed: list[str] = []

    def shell(peer: Peer, line: str) -> None:
        if "kill" in line:
            killed.append(line)
            return
        peer.started(line, pid=4242)
        hang(peer)

    message = r"bench_tflite on 'FAKE0001' .* 0\.2 s"
    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceTimeout, match=message):
        adb.phone().run(["/data/local/tmp/bench_tflite"], deadline_s=0.2)
    assert len(killed) == 1
    assert "kill -KILL -- -4242" in killed[0]


def test_a_hung_command_on_a_phone_that_went_silent_is_a_loss() -> None:
    def shell(peer: Peer, line: str) -> None:
        if "kill" not in line:
            peer.started(line)
        hang(peer)

    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceLost, match="no answer"):
        adb.phone().run(["true"], deadline_s=0.2)


@pytest.mark.parametrize("pid", [0, 1])
def test_a_phone_that_lies_about_the_pid_can_not_have_everything_killed(pid: int) -> None:
    lines: list[str] = []

    def shell(peer: Peer, line: str) -> None:
        lines.append(line)
        if len(lines) == 1:
            peer.started(line, pid=pid)
            hang(peer)

    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceTimeout):
        adb.phone().run(["true"], deadline_s=0.2)
    assert lines[1:] == ["true"]


def test_the_deadline_counts_the_whole_run_not_the_silence() -> None:
    def shell(peer: Peer, line: str) -> None:
        if "true" in line or "kill" in line:
            return
        peer.started(line)
        while True:
            peer.packet(1, b"still here\n")
            time.sleep(0.02)

    with FakeAdb(shell=shell).running() as adb:
        started = time.monotonic()
        with pytest.raises(DeviceTimeout):
            adb.phone().run(["yes"], deadline_s=0.3)
    assert time.monotonic() - started < 5


def test_endless_output_is_stopped() -> None:
    killed = threading.Event()

    def shell(peer: Peer, line: str) -> None:
        if "kill" in line:
            killed.set()
            return
        peer.started(line)
        part = b"x" * (1 << 20)
        for _ in range((MAX_OUTPUT_BYTES >> 20) + 2):
            peer.packet(1, part)

    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceError, match="more than 64 MB"):
        adb.phone().run(["yes"], deadline_s=60)
    assert killed.is_set()


def test_another_thread_can_interrupt_a_run_and_the_command_is_killed() -> None:
    running, killed = threading.Event(), threading.Event()

    def shell(peer: Peer, line: str) -> None:
        if "kill" in line:
            killed.set()
            return
        peer.started(line)
        peer.packet(1, b"x")
        running.set()
        hang(peer)

    with FakeAdb(shell=shell).running() as adb:
        phone = adb.phone()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                phone.run(["sleep", "600"], deadline_s=600)
            except DeviceError as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert running.wait(5)
        phone.interrupt()
        thread.join(5)
        with pytest.raises(DeviceError, match="was interrupted"):
            phone.run(["true"], deadline_s=5)  # it holds for what comes after, too
    assert [str(error) for error in errors] == ["The work on 'FAKE0001' was interrupted."]
    assert killed.is_set()


def test_an_interrupt_does_not_keep_a_hung_command_from_being_killed() -> None:
    def shell(peer: Peer, line: str) -> None:
        if "kill" in line:
            phone.interrupt()
            peer.send(b"done")
        else:
            peer.started(line)
            hang(peer)

    with FakeAdb(shell=shell).running() as adb:
        phone = adb.phone()
        with pytest.raises(DeviceTimeout):
            phone.run(["sleep", "600"], deadline_s=0.2)


def test_without_shell_v2_the_exit_code_comes_by_a_marker() -> None:
    def shell(peer: Peer, line: str) -> None:
        nonce = nonce_of(line)
        peer.send(f"{nonce} 12 11\nout and err\nno line end{nonce} 3\n".encode())

    with FakeAdb(shell=shell, features="cmd").running() as adb:
        done = adb.phone().run(["false"], deadline_s=5)
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out and err\nno line end", None)
    assert done.pid == 12


def test_a_terminal_of_an_old_phone_has_its_line_ends_undone() -> None:
    def shell(peer: Peer, line: str) -> None:
        nonce = nonce_of(line)
        peer.send(f"{nonce} 12 11\r\none\r\ntwo\r\n{nonce} 0\r\n".encode())

    with FakeAdb(shell=shell, features="").running() as adb:
        assert adb.phone().run(["cat", "x"], deadline_s=5).stdout == b"one\ntwo\n"


def test_where_our_own_line_ends_plain_a_carriage_return_is_data() -> None:
    def shell(peer: Peer, line: str) -> None:
        nonce = nonce_of(line)
        peer.send(f"{nonce} 12 11\none\r\n{nonce} 0\n".encode())

    with FakeAdb(shell=shell, features="cmd").running() as adb:
        assert adb.phone().run(["cat", "x"], deadline_s=5).stdout == b"one\r\n"


@pytest.mark.parametrize("printed", ["", "half", "bench-0123456789abcdef 0\n"])
def test_without_shell_v2_an_end_without_the_marker_is_a_lost_phone(printed: str) -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.send(f"{nonce_of(line)} 12 11\n{printed}".encode())

    with FakeAdb(shell=shell, features="cmd").running() as adb, pytest.raises(DeviceLost):
        adb.phone().run(["true"], deadline_s=5)


def test_without_shell_v2_a_hung_command_is_killed_with_its_group() -> None:
    killed: list[str] = []

    def shell(peer: Peer, line: str) -> None:
        if "kill" in line:
            killed.append(line)
            return
        peer.send(f"{nonce_of(line)} 12 11\n".encode())
        hang(peer)

    with FakeAdb(shell=shell, features="cmd").running() as adb, pytest.raises(DeviceTimeout):
        adb.phone().run(["sleep", "9"], deadline_s=0.2)
    assert "kill -KILL -- -11" in killed[0]
    assert "kill -KILL 12" in killed[0]


def test_each_request_is_one_connection_to_the_phone_by_its_serial() -> None:
    def shell(peer: Peer, line: str) -> None:
        peer.started(line)
        peer.packet(3, b"\x00")

    with FakeAdb(shell=shell).running() as adb:
        adb.phone().run(["echo", "a b", "$(id)"], deadline_s=5)
    assert adb.services[0] == "host:transport:FAKE0001"
    assert re.fullmatch(
        r"shell,v2,raw:echo bench-[0-9a-f]{16} \$\$ \$\$ >&2;exec echo 'a b' '\$\(id\)'",
        adb.services[1],
    )


def test_a_command_longer_than_adb_takes_is_an_error_that_says_so() -> None:
    with FakeAdb(shell=die).running() as adb, pytest.raises(DeviceError) as caught:
        adb.phone().run(["echo", "x" * 70_000], deadline_s=5)
    assert not isinstance(caught.value, DeviceLost)
    assert "refused to run echo: a request of 70" in str(caught.value)


def test_a_phone_that_answers_a_kill_with_a_flood_does_not_hold_the_host_up() -> None:
    def shell(peer: Peer, line: str) -> None:
        if "kill" not in line:
            peer.started(line)
            hang(peer)
        while True:
            peer.send(b"x" * 65536)

    with FakeAdb(shell=shell).running() as adb, pytest.raises(DeviceLost, match="no answer"):
        adb.phone().run(["sleep", "9"], deadline_s=0.2)


arguments = st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1)


@given(arguments.filter(lambda argv: argv[0] != ""))
def test_quoting_gives_back_every_argument(argv: list[str]) -> None:
    assert shlex.split(quoted(argv)) == argv


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=4))
def test_a_shell_hands_every_argument_on_untouched(arguments: list[str]) -> None:
    line = quoted(["printf", "%s\\0", *arguments])
    printed = subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout
    assert printed == b"".join(a.encode() + b"\0" for a in arguments or [""])


@pytest.mark.parametrize("argv", [[], [""], ["a", "b\0c"]])
def test_what_no_shell_line_can_carry_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match=r"program|NUL"):
        quoted(argv)
