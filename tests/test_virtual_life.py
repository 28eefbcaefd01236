"""Starting, finding and ending virtual phones; what they leave behind, which is nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import virtual_adb
from virtual_adb import BareHost, read_until, wait_until

from bench import virtual
from bench.errors import BenchError, DeviceError, UsageError
from bench.virtual import VirtualPhone, control, procstat, state

WORLDS = virtual_adb.worlds()


@pytest.fixture(autouse=True)
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder for this test; no phone outlives it."""
    # longer than the path of a socket may be
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("long" * 25)))
    monkeypatch.delenv("BENCH_VIRTUAL_FIDELITY", raising=False)
    yield state.folder()
    for phone in virtual.running():
        virtual.down(phone)


@pytest.fixture(params=WORLDS)
def phone(request: pytest.FixtureRequest) -> VirtualPhone:
    return virtual.up("small", fidelity=request.param)


def test_a_phone_that_is_up_is_listed_until_it_is_down(where: Path, phone: VirtualPhone) -> None:
    assert virtual.running() == [phone]
    assert phone.serial == f"127.0.0.1:{phone.port}"
    assert phone.fidelity in WORLDS
    other = virtual.up("flagship")
    assert virtual.running() == sorted([phone, other], key=lambda p: p.port)
    virtual.down(phone)
    assert virtual.running() == [other]
    virtual.down(other.port)
    assert virtual.running() == []
    with pytest.raises(UsageError, match=f"No virtual phone runs on port {other.port}"):
        virtual.down(other)


def test_nothing_is_left_when_a_phone_is_down(where: Path, phone: VirtualPhone) -> None:
    with BareHost(phone) as device:
        # one that ignores hanging up, and one in a session of its own
        nap = str(100_000 + os.getpid())  # not another run's
        line = f"trap '' HUP; setsid sleep {nap} & sleep {nap} & echo ready; sleep {nap}"
        stream = device.open(f"shell,v2,raw:{line}")
        device.read_until(stream, b"ready")
        wait_until(lambda: len(_processes(f"sleep\0{nap}")) == 3)
        listening = _listening(phone.port)
        assert listening
        virtual.down(phone)
    assert [path.name for path in where.iterdir()] == ["lock"]
    assert _processes(f"sleep\0{nap}") == []
    assert not Path(f"/proc/{phone.pid}").exists()
    assert _worlds_on_disk(phone.pid) == []
    assert "/phone/" not in Path("/proc/self/mountinfo").read_text()
    assert not listening & _listening()


def test_a_killed_daemon_takes_its_phone_along_and_its_traces_are_found(
    where: Path, phone: VirtualPhone
) -> None:
    inside = _children(phone.pid)
    assert len(inside) == 1
    os.kill(phone.pid, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in inside))
    wait_until(lambda: virtual.running() == [])
    assert [path.name for path in where.iterdir()] == ["lock"]


def test_a_phone_whose_process_dies_is_cleared_away_by_its_daemon(
    where: Path, phone: VirtualPhone
) -> None:
    for pid in _children(phone.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: virtual.running() == [])
    assert [path.name for path in where.iterdir()] == ["lock"]


def test_a_phone_that_is_up_outlives_the_process_that_started_it(where: Path) -> None:
    done = _python("from bench import virtual; print(virtual.up('small').port)")
    assert [phone.port for phone in virtual.running()] == [int(done)]


@pytest.mark.parametrize("fidelity", WORLDS)
def test_a_booted_phone_does_not_outlive_the_process_that_booted_it(fidelity: str) -> None:
    code = (
        "import time; from bench import virtual\n"
        f"with virtual.booted('small', fidelity={fidelity!r}) as phone:\n"
        "    print(phone.pid, flush=True); time.sleep(1000)"
    )
    booting = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    pid = int(read_until(booting.stdout, b"\n"))
    assert [phone.pid for phone in virtual.running()] == [pid]
    booting.kill()
    booting.communicate()
    wait_until(lambda: virtual.running() == [])
    wait_until(lambda: _worlds_on_disk(pid) == [])


@pytest.mark.parametrize("fidelity", WORLDS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_phone_whose_starter_ends_while_it_starts(
    where: Path, tmp_path: Path, fidelity: str, number: signal.Signals
) -> None:
    code = (
        "import time; from bench import virtual; print(flush=True)\n"
        f"with virtual.booted('small', fidelity={fidelity!r}): time.sleep(1000)"
    )
    for delay_s in (0.1, 0.25, 0.4, 0.6):  # from its first import on to its last steps
        starting = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        read_until(starting.stdout, b"\n")
        time.sleep(delay_s)
        starting.send_signal(number)
        starting.communicate(timeout=60)
        wait_until(lambda: {path.name for path in where.iterdir()} <= {"lock"})
        wait_until(lambda: not list(tmp_path.glob(f"{state.FOLDER_PREFIX}*")))


def test_a_booted_phone_is_down_after_its_block_even_after_an_error() -> None:
    def fail() -> None:
        with virtual.booted("small"):
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    assert virtual.running() == []


def test_a_booted_phone_may_be_taken_down_in_its_block() -> None:
    with virtual.booted("small") as phone:
        virtual.down(phone)
    assert virtual.running() == []


def test_a_reduced_phone_says_so_loudly(capfd: pytest.CaptureFixture[str]) -> None:
    phone = virtual.up("small", fidelity="reduced")
    assert phone.fidelity == "reduced"
    assert "reduced fidelity" in " ".join(phone.notes)
    assert "reduced fidelity" in capfd.readouterr().err


def test_the_environment_can_ask_for_the_reduced_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_FIDELITY", "reduced")
    assert virtual.up("small").fidelity == "reduced"
    monkeypatch.setenv("BENCH_VIRTUAL_FIDELITY", "perfect")
    with pytest.raises(UsageError, match="perfect"):
        virtual.up("small")


_WITHOUT_NAMESPACES = """
import os
from bench import virtual
from bench.virtual import linux
user = os.getuid()
try:
    linux.unshare(linux.CLONE_NEWUSER)
    open("/proc/self/uid_map", "w").write(f"0 {user} 1")
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
except OSError:
    pass  # then they are forbidden already
with virtual.booted("small") as phone:
    print(phone.fidelity)
try:
    virtual.up("small", fidelity="full")
except virtual.launch.UsageError as error:
    print(error)
"""


def test_where_namespaces_are_forbidden_the_world_is_reduced(where: Path) -> None:
    fidelity, refusal = _python(_WITHOUT_NAMESPACES).splitlines()
    assert fidelity == "reduced"
    assert "full fidelity can't be had here" in refusal
    assert [path.name for path in where.iterdir()] == ["lock"]


def test_a_port_in_use_is_a_usage_error(phone: VirtualPhone) -> None:
    with pytest.raises(UsageError, match=f"Port {phone.port} can't be used"):
        virtual.up("small", port=phone.port)
    assert virtual.running() == [phone]


def test_an_emulators_port_is_a_usage_error(where: Path) -> None:
    with pytest.raises(UsageError, match="emulator"):
        virtual.up("small", port=5557)
    assert [path.name for path in where.iterdir()] in ([], ["lock"])


def test_no_disk_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least 1 MB"):
        virtual.up("small", disk_mb=0)


def test_a_state_folder_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(BenchError, match="XDG_STATE_HOME"):
        virtual.running()
    monkeypatch.undo()


def test_a_record_that_is_no_record_is_swept_away(where: Path) -> None:
    (where / "6699.json").write_text("{}")
    assert virtual.running() == []
    assert not (where / "6699.json").exists()


def test_another_process_with_the_recorded_pid_is_left_alone(
    where: Path, phone: VirtualPhone
) -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        wrong = VirtualPhone(
            port=6698, pid=bystander.pid, profile="small", serial="x", fidelity="full"
        )
        state.write(where, state.Entry(phone=wrong, start_ticks=1))
        assert virtual.running() == [phone]
        with pytest.raises(UsageError):
            virtual.down(6698)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_only_a_phones_own_folder_is_ever_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    state.remove_world(str(tmp_path / "precious"))
    assert (tmp_path / "precious").exists()


def test_a_phone_that_is_gone_takes_no_orders(where: Path) -> None:
    with pytest.raises(DeviceError, match="doesn't take orders"):
        control.order(where, 6697, {"order": "fault"})


def test_the_state_is_closed_to_other_users(where: Path, phone: VirtualPhone) -> None:
    assert where.stat().st_mode & 0o077 == 0
    assert (where / f"{phone.port}.sock").stat().st_mode & 0o077 == 0


def test_phones_listen_on_loopback_only(phone: VirtualPhone) -> None:
    assert [at for at, _ in _listening(phone.port)] == [f"0100007F:{phone.port:04X}"]


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _processes(line: str) -> list[int]:
    """Whose command line holds `line`."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and line in (process / "cmdline").read_text():
                found.append(int(process.name))
    return found


def _children(parent: int) -> list[int]:
    stats = ((pid, procstat.read(pid)) for pid in procstat.pids())
    return [pid for pid, stat in stats if stat and stat.parent == parent]


def _listening(port: int | None = None) -> set[tuple[str, str]]:
    """The addresses that somebody listens on, each with its socket's inode: proc_pid_net(5)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    found = {(fields[1], fields[9]) for fields in lines if fields[3] == "0A"}
    return {entry for entry in found if port is None or entry[0].endswith(f":{port:04X}")}


def _worlds_on_disk(pid: int) -> list[Path]:
    """Folders of a reduced phone's world."""
    return list(Path(tempfile.gettempdir()).glob(f"{state.FOLDER_PREFIX}{pid}-*"))
