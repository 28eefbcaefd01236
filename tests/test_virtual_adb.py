"""The virtual phone held to a phone's behaviour, through the real adb server."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import socket
import stat
import struct
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import adbutils
import pytest
import virtual_adb
from virtual_adb import Adb, read_until, wait_until

from bench import virtual
from bench.errors import UsageError
from bench.virtual import VirtualPhone, control, state

TMP = "/data/local/tmp"
WORLDS = virtual_adb.worlds()
FULL_WORLDS = [world for world in WORLDS if world == "full"]


@pytest.fixture(scope="module", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Virtual phones of these tests are recorded apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("BENCH_VIRTUAL_FIDELITY", raising=False)
        yield


@pytest.fixture(
    scope="module", params=virtual_adb.binaries(), ids=lambda path: Path(path).parent.name
)
def adb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    with virtual_adb.server(request.param, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module", params=WORLDS)
def phone(request: pytest.FixtureRequest, adb: Adb) -> Iterator[VirtualPhone]:
    with adb.booted("small", disk_mb=300, fidelity=request.param) as booted:
        yield booted


@pytest.fixture(scope="module", params=FULL_WORLDS)
def full_phone(request: pytest.FixtureRequest, adb: Adb) -> Iterator[VirtualPhone]:
    with adb.booted("midrange", fidelity=request.param) as booted:
        yield booted


def test_exit_codes_come_back(adb: Adb, phone: VirtualPhone) -> None:
    assert [adb.shell(phone, f"exit {code}").returncode for code in (0, 1, 7, 255)] == [
        0,
        1,
        7,
        255,
    ]
    assert adb.shell(phone, "no-such-program-here").returncode == 127


def test_stdout_and_stderr_come_apart(adb: Adb, phone: VirtualPhone) -> None:
    done = adb.shell(phone, "echo to-out; echo to-err >&2")
    assert (done.stdout, done.stderr) == (b"to-out\n", b"to-err\n")


def test_stdin_arrives_whole_and_ends(adb: Adb, phone: VirtualPhone) -> None:
    data = os.urandom(1_500_000)
    done = adb.shell(phone, "sha256sum; echo after", stdin=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert done.stdout.endswith(b"after\n")


def test_a_command_that_does_not_read_its_stdin_still_ends(adb: Adb, phone: VirtualPhone) -> None:
    assert adb.shell(phone, "head -c 1 >/dev/null; exit 3", stdin=bytes(1 << 20)).returncode == 3


def test_a_killed_command_tells_its_signal(adb: Adb, phone: VirtualPhone) -> None:
    codes = [adb.shell(phone, f"kill -{name} $$").returncode for name in ("KILL", "SEGV", "TERM")]
    assert codes == [137, 139, 143]


def test_output_is_not_changed_on_its_way(adb: Adb, phone: VirtualPhone) -> None:
    done = adb.run("-s", phone.serial, "exec-out", "printf 'a\\r\\n\\000\\377'; echo err >&2")
    assert done.stdout == b"a\r\n\x00\xffrerr\n".replace(b"r", b"", 1)


def test_exec_in_writes_what_it_is_given(adb: Adb, phone: VirtualPhone) -> None:
    data = os.urandom(300_000)
    adb.run("-s", phone.serial, "exec-in", f"cat > {TMP}/from-exec-in", stdin=data)
    read = ["-s", phone.serial, "exec-out", f"cat {TMP}/from-exec-in"]
    wait_until(lambda: adb.run(*read).stdout == data)  # adb doesn't wait for the command's end


def test_more_output_than_the_host_takes_at_once_is_held_back(
    adb: Adb, phone: VirtualPhone
) -> None:
    done = adb.shell(phone, "head -c 20000000 /dev/zero")
    assert done.stdout == bytes(20_000_000)


def test_a_hundred_megabytes_are_the_same_after_push_and_pull(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(1 << 20) * 100)
    assert adb.run("-s", phone.serial, "push", str(sent), f"{TMP}/big").returncode == 0
    assert adb.run("-s", phone.serial, "pull", f"{TMP}/big", str(back)).returncode == 0
    assert sent.read_bytes() == back.read_bytes()
    adb.out(phone, f"rm {TMP}/big")


HOSTILE = [
    "a b;touch x$(id).tflite",
    "-rf",
    "quote'\"`",
    "new\nline",
    "päth-\u4e2d",
    "$HOME",
    "*",
    "back\\slash",
]


def test_folders_with_hostile_names_come_back_as_they_went(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    sent = tmp_path / "tree"
    (sent / "in ner" / "deep").mkdir(parents=True)
    for name in HOSTILE:
        (sent / name).write_text(name)
        (sent / "in ner" / "deep" / name).write_text(name * 2)
    adb.run("-s", phone.serial, "push", str(sent), f"{TMP}/")
    back = tmp_path / "back"
    assert adb.run("-s", phone.serial, "pull", f"{TMP}/tree", str(back)).returncode == 0
    files = {p.relative_to(sent): p.read_text() for p in sent.rglob("*") if p.is_file()}
    assert {p.relative_to(back): p.read_text() for p in back.rglob("*") if p.is_file()} == files
    names = {entry.path for entry in adb.library(phone).sync.list(f"{TMP}/tree")}
    assert set(HOSTILE) | {"in ner"} <= names


def test_a_pushed_file_keeps_its_time_and_its_mode(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\necho ran\n")
    script.chmod(0o755)
    os.utime(script, (1_600_000_000, 1_600_000_000))
    adb.run("-s", phone.serial, "push", str(script), f"{TMP}/run.sh")
    told = adb.library(phone).sync.stat(f"{TMP}/run.sh")
    assert told.size == script.stat().st_size
    assert told.mtime is not None
    assert told.mtime.timestamp() == 1_600_000_000
    assert stat.S_IMODE(told.mode) & 0o700 == 0o700
    assert adb.out(phone, f"{TMP}/run.sh") == "ran\n"


def test_what_is_missing_is_told_so(adb: Adb, phone: VirtualPhone, tmp_path: Path) -> None:
    library = adb.library(phone)
    assert library.sync.stat(f"{TMP}/nope").mode == 0
    assert not library.sync.exists(f"{TMP}/nope")
    pulled = adb.run("-s", phone.serial, "pull", f"{TMP}/nope", str(tmp_path / "x"))
    assert pulled.returncode == 1
    assert b"No such file" in pulled.stdout + pulled.stderr


def test_both_generations_of_stat_agree(adb: Adb, phone: VirtualPhone) -> None:
    adb.out(phone, f"printf 12345 > {TMP}/five")
    path = f"{TMP}/five".encode()
    with adb.library(phone).sync._prepare_sync(f"{TMP}/five", "STAT") as wire:
        wire.read(4)
        _, old_size, old_time = struct.unpack("<III", wire.read(12))
        wire.send(b"STA2" + struct.pack("<I", len(path)) + path)
        wire.read(4)
        fields = struct.unpack("<IQQIIIIQqqq", wire.read(68))
    assert (old_size, old_time) == (fields[7], fields[9])
    assert old_size == 5


def test_a_wrong_request_of_files_is_refused_not_obeyed(adb: Adb, phone: VirtualPhone) -> None:
    library = adb.library(phone)
    for word, path in (
        ("SEND", f"{TMP}/x"),
        ("WHAT", TMP),
        ("RECV", TMP),
        ("SEND", "/system/build.prop/x,1"),
    ):
        with library.sync._prepare_sync(path, word) as wire:
            if word == "SEND":
                wire.send(b"DATA" + struct.pack("<I", 1) + b"x")
                wire.send(b"DONE" + bytes(4))
            assert wire.read(4) in (b"FAIL", "FAIL")
    assert adb.out(phone, "echo alive") == "alive\n"


def test_adbutils_speaks_with_it(adb: Adb, phone: VirtualPhone, tmp_path: Path) -> None:
    library = adb.library(phone)
    done = library.shell2("echo a; echo b >&2; exit 9", v2=True)
    assert (done.returncode, done.stdout, done.stderr) == (9, "a\n", "b\n")
    assert library.shell("echo x") == "x"
    assert library.prop.get("ro.bench.virtual") == "1"
    library.sync.push(b"content", f"{TMP}/pushed", check=True)
    assert library.sync.read_bytes(f"{TMP}/pushed") == b"content"


def test_a_full_disk_is_an_error_and_leaves_no_partial_file(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(3 << 20))
    with adb.booted("small", disk_mb=2, fidelity=phone.fidelity) as small:
        failed = adb.run("-s", small.serial, "push", str(big), f"{TMP}/big")
        assert failed.returncode == 1
        assert b"No space left on device" in failed.stdout + failed.stderr
        with pytest.raises(adbutils.AdbError):
            adb.library(small).sync.push(big, f"{TMP}/big2")
        assert adb.out(small, f"ls -A {TMP}") == ""
        big.write_bytes(bytes(1 << 20))
        assert adb.run("-s", small.serial, "push", str(big), f"{TMP}/big").returncode == 0


@pytest.mark.parametrize("how", ["client leaves", "phone is unplugged"])
def test_nothing_of_a_command_outlives_its_connection(
    adb: Adb, phone: VirtualPhone, how: str
) -> None:
    # one that ignores hanging up, one in the background, one that sleeps in the shell's place
    line = "trap '' HUP; echo $$; sleep 1234 & sleep 1234; sleep 1234"
    client = adb.start("-s", phone.serial, "shell", line)
    leader = int(read_until(client.stdout, b"\n"))
    assert _session(adb, phone, leader)
    if how == "client leaves":
        client.kill()
    else:
        virtual.fault(phone, "drop")
    client.communicate()
    wait_until(lambda: adb.state(phone) == "device")
    wait_until(lambda: not _session(adb, phone, leader))


def _session(adb: Adb, phone: VirtualPhone, leader: int) -> list[str]:
    lines = adb.shell(phone, "cat /proc/[0-9]*/stat 2>/dev/null").stdout.decode().splitlines()
    return [line for line in lines if line.rpartition(")")[2].split()[3] == str(leader)]


def test_what_runs_detached_outlives_its_command_as_on_a_phone(
    adb: Adb, phone: VirtualPhone
) -> None:
    pid = adb.out(phone, "setsid sleep 1234 >/dev/null 2>&1 </dev/null & echo $!").strip()
    assert adb.shell(phone, f"kill -9 {pid}").returncode == 0


def test_two_phones_run_side_by_side(adb: Adb, phone: VirtualPhone) -> None:
    with adb.booted("midrange", fidelity=phone.fidelity) as other:
        adb.out(phone, f"echo first > {TMP}/mine")
        adb.out(other, f"echo second > {TMP}/mine")
        assert adb.out(phone, f"cat {TMP}/mine") == "first\n"
        assert adb.out(other, f"cat {TMP}/mine") == "second\n"
        serials = {adb.out(p, "getprop ro.serialno").strip() for p in (phone, other)}
        assert serials == {f"VIRTUALSMALL{phone.port}", f"VIRTUALMIDRANGE{other.port}"}


def test_a_phone_says_that_it_is_virtual_and_of_which_fidelity(
    adb: Adb, phone: VirtualPhone
) -> None:
    told = adb.out(phone, "getprop")
    for line in (
        "[ro.bench.virtual]: [1]",
        "[ro.bench.virtual.profile]: [small]",
        f"[ro.bench.virtual.fidelity]: [{phone.fidelity}]",
        "[ro.bench.virtual.libc]: [glibc]",
    ):
        assert f"{line}\n" in told
    assert "[persist.sys.boot.reason.history]: [reboot,ota,1763802200\nreboot,longkey," in told


def test_getprop_tells_one_property_or_the_default(adb: Adb, phone: VirtualPhone) -> None:
    assert adb.out(phone, "getprop ro.build.version.sdk") == "30\n"
    assert adb.out(phone, "getprop no.such.thing; getprop no.such.thing else") == "\nelse\n"
    assert adb.out(phone, "getprop ../../etc/passwd none; getprop .. none") == "none\nnone\n"
    refused = adb.shell(phone, "setprop ro.bench.virtual 0")
    assert refused.returncode == 1
    assert adb.out(phone, "getprop ro.bench.virtual") == "1\n"


def test_dumpsys_tells_what_it_knows_and_names_what_it_does_not(
    adb: Adb, phone: VirtualPhone
) -> None:
    assert "  temperature: 300\n" in adb.out(phone, "dumpsys battery")
    assert "mName=SKIN" in adb.out(phone, "dumpsys thermalservice")
    assert "mWakefulness=Awake" in adb.out(phone, "dumpsys power")
    assert adb.out(phone, "dumpsys nothing") == "Can't find service: nothing\n"
    assert adb.out(phone, "dumpsys ../getprop") == "Can't find service: ../getprop\n"


def test_the_cores_and_the_sensors_are_the_profiles(adb: Adb, phone: VirtualPhone) -> None:
    assert adb.out(phone, "cat /proc/cpuinfo").count("processor\t: ") == 4
    assert adb.out(phone, "cat /sys/devices/system/cpu/possible") == "0-3\n"
    clock = "/sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq"
    assert adb.out(phone, f"cat {clock}") == "2001000\n"
    assert adb.out(phone, "cat /sys/class/thermal/thermal_zone0/temp") == "38100\n"
    assert adb.out(phone, "head -1 /proc/meminfo").split() == ["MemTotal:", "2871044", "kB"]


def test_the_daemon_can_rewrite_what_the_phone_tells(adb: Adb, phone: VirtualPhone) -> None:
    zone = "/sys/class/thermal/thermal_zone1/temp"
    virtual.rewrite(phone, zone, "91\n")
    virtual.rewrite(phone, "/proc/meminfo", "MemTotal: 7 kB\n")
    assert adb.out(phone, f"cat {zone} /proc/meminfo") == "91\nMemTotal: 7 kB\n"
    with pytest.raises(UsageError, match="can't be rewritten"):
        virtual.rewrite(phone, "/sys/nothing/here", "")


def test_a_pushed_script_finds_getprop_and_dumpsys(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    script = tmp_path / "probe.sh"
    script.write_text('getprop ro.bench.virtual; dumpsys nothing; echo "$1"\n')
    adb.run("-s", phone.serial, "push", str(script), f"{TMP}/probe.sh")
    assert adb.out(phone, f"sh {TMP}/probe.sh x") == "1\nCan't find service: nothing\nx\n"


def test_a_terminal_is_given_to_who_asks_for_one(adb: Adb, phone: VirtualPhone) -> None:
    assert adb.run("-s", phone.serial, "shell", "-t", "-t", "tty").stdout.startswith(b"/dev/pts/")
    assert adb.shell(phone, "tty").returncode == 1
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
    with os.fdopen(ours, "r+b", 0) as screen:
        client = adb.start("-s", phone.serial, "shell", terminal=theirs)
        os.close(theirs)
        read_until(screen, b" ")  # the prompt
        screen.write(b"stty size; echo $((40+2)) $TERM; exit 6\n")
        assert b"33 77\r\n42 xterm" in read_until(screen, b"xterm\r\n")
        assert client.wait(20) == 6


def test_an_unauthorized_phone_is_refused_until_it_accepts(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "unauthorized")
    wait_until(lambda: adb.state(phone) == "unauthorized")
    refused = adb.shell(phone, "true")
    assert refused.returncode == 1
    assert b"unauthorized" in refused.stderr
    virtual.fault(phone, "clear")
    wait_until(lambda: adb.state(phone) == "device")
    assert adb.out(phone, "echo in") == "in\n"


def test_an_offline_phone_is_back_when_cleared(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "offline")
    wait_until(lambda: adb.state(phone) in ("offline", ""))
    assert adb.shell(phone, "true").returncode == 1
    virtual.fault(phone, "clear")
    wait_until(lambda: adb.state(phone) == "device")


def test_a_connection_dropped_in_a_push_leaves_no_partial_file(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(8 << 20))
    virtual.fault(phone, "drop", after_bytes=3 << 20)
    assert adb.run("-s", phone.serial, "push", str(big), f"{TMP}/cut").returncode == 1
    wait_until(lambda: adb.state(phone) == "device")
    wait_until(lambda: adb.shell(phone, f"ls {TMP}/cut").returncode != 0)
    assert adb.run("-s", phone.serial, "push", str(big), f"{TMP}/cut").returncode == 0


def test_an_unknown_fault_is_refused(phone: VirtualPhone) -> None:
    with pytest.raises(UsageError, match="no fault 'fire'"):
        virtual.fault(phone, "fire")
    with pytest.raises(ValueError, match="no order"):
        control.order(state.folder(), phone.port, {"order": "dance"})


def test_an_old_phone_has_neither_exit_codes_nor_the_new_stat(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    with adb.booted("small", features=("cmd",), fidelity=phone.fidelity) as old:
        assert adb.run("-s", old.serial, "features").stdout == b"cmd\n"
        done = adb.shell(old, "echo out; echo err >&2; exit 9")
        assert (done.returncode, done.stdout) == (0, b"out\nerr\n")
        (tmp_path / "file").write_bytes(b"old")
        pushed = adb.run("-s", old.serial, "push", str(tmp_path / "file"), f"{TMP}/new/file")
        assert pushed.returncode == 0, pushed
        assert adb.run("-s", old.serial, "exec-out", f"cat {TMP}/new/file").stdout == b"old"
        with adb.library(old).sync._prepare_sync(TMP, "STA2") as wire:
            assert wire.read(4) in (b"FAIL", "FAIL")


def test_a_host_that_speaks_nonsense_is_let_go(adb: Adb, phone: VirtualPhone) -> None:
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n" * 9, os.urandom(4096), b"\0" * 24):
        with socket.create_connection(("127.0.0.1", phone.port), timeout=10) as wire:
            wire.sendall(nonsense)
            with suppress(ConnectionResetError):
                assert wire.recv(100) == b""
    assert adb.out(phone, "echo alive") == "alive\n"


def test_the_hosts_files_cannot_be_reached_from_a_full_world(
    adb: Adb, full_phone: VirtualPhone, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    adb.out(full_phone, f"ln -s / {TMP}/root; ln -s {secret} {TMP}/link; ln -s ../../.. {TMP}/up")
    for path in (
        f"{TMP}/link",
        f"{TMP}/root{secret}",
        f"{TMP}/up/../..{secret}",
        f"/proc/1/root{secret}",
        f"/proc/1/cwd{secret}",
    ):
        assert b"the host's" not in adb.shell(full_phone, f"cat {path}").stdout
        pulled = tmp_path / "pulled"
        assert adb.run("-s", full_phone.serial, "pull", path, str(pulled)).returncode == 1
    new = tmp_path / "new"
    adb.run("-s", full_phone.serial, "push", str(secret), f"{TMP}/root{new}")
    assert not new.exists()


def test_commands_in_a_full_world_have_no_rights_beyond_the_shells(
    adb: Adb, full_phone: VirtualPhone
) -> None:
    assert adb.out(full_phone, "id").startswith("uid=2000(shell) gid=2000(shell)")
    status = adb.out(full_phone, "cat /proc/self/status")
    for line in status.splitlines():
        if line.startswith("Cap"):
            assert int(line.split()[1], 16) == 0, line
    for command in (
        "touch /x /system/x /etc/x /usr/x",
        "echo 1 > /sys/devices/system/cpu/online",
        "echo 1 > /proc/cpuinfo",
        "echo 0 > /proc/sys/kernel/printk",
        "chmod 600 /dev/null",
        "cat /sys/class/power_supply/battery/temp",
        "cat /proc/1/environ",
        "mount -t tmpfs x /data/local/tmp",
    ):
        assert adb.shell(full_phone, command).returncode != 0, command


def test_a_full_world_has_its_own_processes(adb: Adb, full_phone: VirtualPhone) -> None:
    pids = adb.out(full_phone, "cd /proc; echo [0-9]*").split()
    assert "1" in pids
    assert len(pids) < 10
    adb.shell(full_phone, "kill -9 1; kill -TERM 1; kill -INT 1; kill -HUP 1")
    assert adb.out(full_phone, "cat /proc/1/comm") == "adbd\n"


def test_one_shell_of_a_full_world_sees_anothers_processes(
    adb: Adb, full_phone: VirtualPhone
) -> None:
    client = adb.start("-s", full_phone.serial, "shell", "echo $$; exec sleep 1234")
    pid = int(read_until(client.stdout, b"\n"))
    adb.out(full_phone, f"kill -9 {pid}")
    client.communicate()
    assert client.returncode == 137


def test_a_full_worlds_disk_has_the_profiles_size(adb: Adb, full_phone: VirtualPhone) -> None:
    lines = adb.out(full_phone, f"df -k {TMP}").splitlines()
    assert lines[-1].split()[1] == str(1024 * 1024)
