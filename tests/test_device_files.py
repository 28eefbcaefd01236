"""Files to and from a phone: reasons for failures, and content known by its hash."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from fake_adb import FakeAdb, Peer, die, hang
from folder_phone import OTHERS, TOOLS, FolderPhone

from bench.device import WORK_DIR, content_path, ensure, sync
from bench.errors import BenchError, DeviceError, DeviceFull, DeviceLost

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMOTE = content_path("model", SHA256, ".tflite")


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "a b;touch x$(id).tflite"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def phone(tmp_path: Path) -> FolderPhone:
    return FolderPhone(tmp_path / "phone")


# --- push ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 15 * 65_536, 3_000_001])
def test_a_push_sends_every_byte_and_the_mode(tmp_path: Path, size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    path = tmp_path / "file"
    path.write_bytes(content)
    received: list[tuple[str, bytes]] = []

    def sync(peer: Peer) -> None:
        received.append(peer.read_push())
        peer.send(b"OKAY\0\0\0\0")

    with FakeAdb(sync=sync).running() as adb:
        assert adb.phone().push(path, "/data/local/tmp/x", mode=0o755) == size
    assert received == [(f"/data/local/tmp/x,{0o100755}", content)]


def test_a_full_phone_is_named_with_the_size_the_free_space_and_what_to_do(local: Path) -> None:
    def sync(peer: Peer) -> None:
        peer.read(8)
        peer.fail("write failed: No space left on device")

    def shell(peer: Peer, line: str) -> None:
        peer.started(line)
        header = "Filesystem     1K-blocks    Used Available Use% Mounted on"
        peer.packet(1, f"{header}\n/dev/block/dm-7 9000000 8990000  10000 100% /data\n".encode())
        peer.packet(3, b"\x00")

    with FakeAdb(sync=sync, shell=shell).running() as adb, pytest.raises(DeviceFull) as caught:
        adb.phone().push(local, REMOTE)
    assert str(caught.value) == (
        "'FAKE0001' has no space for 'a b;touch x$(id).tflite' (0.3 MB). "
        "10.2 MB are free in /data/local/tmp/tflite-phone-bench. "
        "Remove something from the phone, then run the command again."
    )


def test_a_full_phone_that_tells_no_free_space_is_full_all_the_same(local: Path) -> None:
    def sync(peer: Peer) -> None:
        peer.read_push()
        peer.fail("remote No space left on device")

    with FakeAdb(sync=sync, shell=die).running() as adb, pytest.raises(DeviceFull) as caught:
        adb.phone().push(local, REMOTE)
    assert "are free" not in str(caught.value)


def test_a_refusal_carries_the_phones_own_reason_on_one_line(local: Path) -> None:
    def sync(peer: Peer) -> None:
        peer.read_push()
        peer.fail("couldn't create file: \x1b[31mPermission\r\ndenied")

    with FakeAdb(sync=sync).running() as adb, pytest.raises(DeviceError) as caught:
        adb.phone().push(local, REMOTE)
    assert str(caught.value).endswith("couldn't create file: [31mPermission denied.")


def test_a_refusal_amid_the_file_stops_the_push_at_once(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20_000_000))
    received = 0

    def sync(peer: Peer) -> None:
        nonlocal received
        peer.read(100_000)
        peer.fail("Read-only file system")
        while True:
            received += len(peer.read(65536))

    with FakeAdb(sync=sync).running() as adb, pytest.raises(DeviceError, match="Read-only"):
        adb.phone().push(large, REMOTE)
    assert received < 20_000_000


def test_a_phone_that_vanishes_amid_a_push_is_lost(local: Path) -> None:
    def sync(peer: Peer) -> None:
        peer.read(50_000)

    with FakeAdb(sync=sync).running() as adb, pytest.raises(DeviceLost, match="took"):
        adb.phone().push(local, REMOTE)


def test_a_phone_that_takes_all_and_never_confirms_is_lost(local: Path) -> None:
    with FakeAdb(sync=hang).running() as adb, pytest.raises(DeviceLost, match="no answer"):
        adb.phone().push(local, REMOTE)


def test_a_phone_that_takes_a_file_too_slowly_for_any_use_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "_SLOWEST_BYTES_PER_S", 1e12)
    large = tmp_path / "large"
    large.write_bytes(bytes(40_000_000))

    def trickle(peer: Peer) -> None:
        for _ in range(40_000_000 // 262_144):
            peer.read(262_144)
            time.sleep(0.005)
        peer.send(b"OKAY\0\0\0\0")

    with FakeAdb(sync=trickle).running() as adb, pytest.raises(DeviceLost, match="no answer"):
        adb.phone().push(large, REMOTE)


def test_a_success_before_the_end_of_the_file_is_not_believed(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20_000_000))

    def sync(peer: Peer) -> None:
        peer.read(10)
        peer.send(b"OKAY\0\0\0\0")
        peer.wait_for_end()

    with FakeAdb(sync=sync).running() as adb, pytest.raises(DeviceError, match="not adb"):
        adb.phone().push(large, REMOTE)


def test_a_file_that_is_not_there_is_an_error_without_a_phone(tmp_path: Path) -> None:
    with FakeAdb().running() as adb, pytest.raises(BenchError, match="Can't read"):
        adb.phone().push(tmp_path / "nope", REMOTE)


# --- pull ---------------------------------------------------------------------------------


def data(content: bytes) -> bytes:
    return b"DATA" + len(content).to_bytes(4, "little") + content


def test_a_pull_brings_the_whole_file(tmp_path: Path) -> None:
    def sync(peer: Peer) -> None:
        peer.send(data(b"one") + data(b"two") + b"DONE\0\0\0\0")

    with FakeAdb(sync=sync).running() as adb:
        assert adb.phone().pull(REMOTE, tmp_path / "file") == 6
    assert (tmp_path / "file").read_bytes() == b"onetwo"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (data(b"half"), DeviceLost, "was lost"),
        (b"FAIL\x19\0\0\0No such file or directory", DeviceError, "No such file"),
        (b"DATA\xff\xff\xff\xff", DeviceError, "not adb"),
        (b"DATA\0\0\0\0" * 9, DeviceError, "not adb"),  # would never come to an end
        (b"DENT\0\0\0\0", DeviceError, "not adb"),
        (b"", DeviceLost, "was lost"),
    ],
)
def test_a_pull_that_fails_leaves_nothing_behind(
    tmp_path: Path, answer: bytes, error: type[DeviceError], message: str
) -> None:
    def sync(peer: Peer) -> None:
        peer.send(answer)

    with FakeAdb(sync=sync).running() as adb, pytest.raises(error, match=message):
        adb.phone().pull(REMOTE, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_pull_into_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with FakeAdb().running() as adb, pytest.raises(BenchError, match="Can't write"):
        adb.phone().pull(REMOTE, tmp_path / "nope" / "file")


# --- ensure -------------------------------------------------------------------------------


def test_content_is_pushed_once_and_never_again(phone: FolderPhone, local: Path) -> None:
    assert ensure(phone, local, SHA256, REMOTE, 0o755) == len(CONTENT)
    assert phone.here(REMOTE).read_bytes() == CONTENT
    assert phone.here(REMOTE).stat().st_mode & 0o777 == 0o755
    runs = len(phone.runs)
    assert ensure(phone, local, SHA256, REMOTE, 0o755) == 0
    assert len(phone.runs) == runs, "what is known costs no round trip"
    phone.verified.clear()  # a new connection
    assert ensure(phone, local, SHA256, REMOTE) == 0
    assert len(phone.pushes) == 1


@pytest.mark.parametrize(
    "tools",
    [TOOLS, (*OTHERS, "md5sum"), OTHERS],
    ids=["sha256sum", "md5sum", "no hash tool"],
)
def test_content_is_known_by_whatever_hash_the_phone_has(
    tmp_path: Path, local: Path, tools: tuple[str, ...]
) -> None:
    phone = FolderPhone(tmp_path / "old", tools)
    assert ensure(phone, local, SHA256, REMOTE) == len(CONTENT)
    phone.verified.clear()
    assert ensure(phone, local, SHA256, REMOTE) == 0
    phone.here(REMOTE).write_bytes(CONTENT[:-1] + b"?")
    phone.verified.clear()
    assert ensure(phone, local, SHA256, REMOTE) == len(CONTENT)
    assert phone.here(REMOTE).read_bytes() == CONTENT


def test_a_hash_tool_that_talks_nonsense_is_not_believed(tmp_path: Path, local: Path) -> None:
    phone = FolderPhone(tmp_path / "odd", OTHERS)
    phone.add_tool("sha256sum", "echo sha256sum: not found")
    with pytest.raises(DeviceError, match="other content"):
        ensure(phone, local, SHA256, REMOTE)


def test_what_arrives_changed_is_an_error_and_is_taken_away(
    phone: FolderPhone, local: Path
) -> None:
    phone.on_push = lambda path: path.write_bytes(CONTENT[:-1])
    with pytest.raises(DeviceError, match="other content"):
        ensure(phone, local, SHA256, REMOTE)
    assert list(phone.work.iterdir()) == []
    assert phone.verified == {}


def test_a_push_that_is_cut_is_never_taken_for_the_file(phone: FolderPhone, local: Path) -> None:
    def cut(path: Path) -> None:
        path.write_bytes(CONTENT[:1000])
        raise DeviceLost("gone")

    phone.on_push = cut
    with pytest.raises(DeviceLost):
        ensure(phone, local, SHA256, REMOTE)
    assert not phone.here(REMOTE).exists()
    phone.on_push = lambda path: None
    assert ensure(phone, local, SHA256, REMOTE) == len(CONTENT)


def test_a_file_that_went_away_on_the_host_is_an_error_that_names_it(
    phone: FolderPhone, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=r"Can't read '.*gone\.tflite': No such file"):
        ensure(phone, tmp_path / "gone.tflite", SHA256, REMOTE)


def test_a_file_that_changed_on_the_host_is_blamed_on_the_host(
    phone: FolderPhone, local: Path
) -> None:
    local.write_bytes(b"something else")
    with pytest.raises(BenchError, match="changed while it was pushed") as caught:
        ensure(phone, local, SHA256, REMOTE)
    assert not isinstance(caught.value, DeviceError)


def test_parts_that_lie_around_are_taken_away_and_those_that_grow_are_not(
    phone: FolderPhone, local: Path
) -> None:
    phone.work.mkdir()
    old, young = phone.work / "model-1.part-aa", phone.work / "model-2.part-bb"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    ensure(phone, local, SHA256, REMOTE)
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize(
    "remote",
    [
        "/sdcard/x",
        WORK_DIR,
        f"{WORK_DIR}/",
        f"{WORK_DIR}/../x",
        f"{WORK_DIR}/a b",
        f"{WORK_DIR}/$x",
    ],
)
def test_files_land_in_the_work_folder_under_plain_names_only(
    phone: FolderPhone, local: Path, remote: str
) -> None:
    with pytest.raises(ValueError, match="path"):
        ensure(phone, local, SHA256, remote)
    assert phone.pushes == []


def test_names_on_the_phone_are_made_of_hashes_only() -> None:
    assert content_path("runner", SHA256) == f"{WORK_DIR}/runner-{SHA256[:24]}"
    for kind, sha256, suffix in [("a b", SHA256, ""), ("x", "../..", ""), ("x", SHA256, "/..")]:
        with pytest.raises(ValueError, match="not a"):
            content_path(kind, sha256, suffix)
