"""Every fault that a virtual phone can be ordered, and what the host sees of it."""

from __future__ import annotations

import asyncio
import errno
import random
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import virtual_adb
from virtual_adb import Adb, read_until, wait_until

from bench import virtual
from bench.errors import UsageError
from bench.virtual import VirtualPhone, daemon, faults, heat, state
from bench.virtual.faults import KINDS

TMP = "/data/local/tmp"
WORLDS = virtual_adb.worlds()
DOCS = Path(__file__).parents[1] / "docs" / "virtual.md"


@pytest.fixture(scope="module")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    with (
        pytest.MonkeyPatch.context() as patch,
        virtual_adb.server(virtual_adb.BUNDLED, tmp_path_factory.mktemp("home")) as running,
    ):
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("BENCH_VIRTUAL_FIDELITY", raising=False)
        yield running


@pytest.fixture(scope="module", params=WORLDS)
def one_phone(request: pytest.FixtureRequest, adb: Adb) -> Iterator[VirtualPhone]:
    with adb.booted("small", disk_mb=32, fidelity=request.param) as booted:
        yield booted
        complaints = (state.folder() / f"{booted.port}.log").read_text()
        assert complaints == ""  # nothing that was ordered surprised the daemon


@pytest.fixture
def phone(adb: Adb, one_phone: VirtualPhone) -> Iterator[VirtualPhone]:
    yield one_phone
    virtual.fault(one_phone, "clear")
    wait_until(lambda: adb.state(one_phone) == "device")


def is_silent(client: subprocess.Popen[bytes]) -> bool:
    assert client.stdout is not None
    return not select.select([client.stdout], [], [], 0.3)[0] and client.poll() is None


def sleepers(adb: Adb, phone: VirtualPhone, seconds: str) -> str:
    return adb.out(phone, f"grep -l '^sleep.{seconds}' /proc/[0-9]*/cmdline 2>/dev/null; true")


def test_a_run_that_is_dropped_in_its_output_is_no_success(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "drop", after_output=100_000, pattern="while")
    assert adb.out(phone, "echo another command") == "another command\n"
    done = adb.shell(phone, "while :; do echo 123456789; done")
    assert done.returncode != 0
    assert len(done.stdout) <= 100_000
    wait_until(lambda: adb.state(phone) == "device")
    assert adb.out(phone, "while true; do echo back; break; done") == "back\n"


def test_a_silent_run_is_dropped_after_a_time(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "drop", after_ms=50, pattern="sleep 7654")
    assert adb.shell(phone, "sleep 7654").returncode != 0
    wait_until(lambda: adb.state(phone) == "device")
    wait_until(lambda: not sleepers(adb, phone, "7654"))
    client = adb.start("-s", phone.serial, "shell", "echo; sleep 7655")
    read_until(client.stdout, b"\n")
    virtual.fault(phone, "drop", after_ms=50)
    client.communicate()
    assert client.returncode != 0


def test_a_phone_that_is_gone_refuses_and_keeps_its_port(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "gone", for_ms=0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", phone.port)) == errno.ECONNREFUSED
    assert adb.shell(phone, "true").returncode == 1
    with pytest.raises(UsageError, match="away for the moment"):
        daemon.bind(phone.port)
    virtual.fault(phone, "clear")
    wait_until(lambda: adb.state(phone) == "device")
    virtual.fault(phone, "gone", for_ms=100)
    wait_until(lambda: adb.state(phone) == "device")
    assert adb.out(phone, "echo back") == "back\n"


def test_a_frozen_phone_is_listed_and_answers_nothing(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "frozen", for_ms=0)
    client = adb.start("-s", phone.serial, "shell", "echo thawed")
    assert is_silent(client)
    assert adb.state(phone) == "device"
    virtual.fault(phone, "clear")
    assert client.communicate()[0] == b"thawed\n"
    virtual.fault(phone, "frozen", for_ms=100)
    assert adb.out(phone, "echo thawed again") == "thawed again\n"


def test_a_disk_that_fills_up_takes_no_more_until_cleared(
    adb: Adb, phone: VirtualPhone, tmp_path: Path
) -> None:
    megabyte = tmp_path / "megabyte"
    megabyte.write_bytes(bytes(1 << 20))
    push = ["-s", phone.serial, "push", str(megabyte), f"{TMP}/megabyte"]
    virtual.fault(phone, "full", free_bytes=100_000)
    failed = adb.run(*push)
    assert failed.returncode == 1
    assert b"No space left on device" in failed.stdout + failed.stderr
    assert "megabyte" not in adb.out(phone, f"ls -A {TMP}")
    if phone.fidelity == "full":
        copied = adb.shell(phone, f"head -c 1000000 /dev/zero > {TMP}/copy")
        assert b"No space left on device" in copied.stderr
        adb.out(phone, f"rm {TMP}/copy")
    virtual.fault(phone, "full", free_bytes=2 << 20)
    assert adb.run(*push).returncode == 0
    virtual.fault(phone, "clear")
    big = tmp_path / "big"
    big.write_bytes(bytes(20 << 20))
    assert adb.run("-s", phone.serial, "push", str(big), f"{TMP}/big").returncode == 0
    adb.out(phone, f"rm {TMP}/big {TMP}/megabyte")


def test_a_killed_program_exits_with_137(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "kill", pattern="sleep 4321", after_ms=50)
    assert adb.shell(phone, "sleep 0.2; exit 4").returncode == 4
    done = adb.shell(phone, "echo before; exec sleep 4321")
    assert (done.returncode, done.stdout) == (137, b"before\n")
    assert adb.shell(phone, "exec sleep 0.1").returncode == 0


@pytest.mark.parametrize(("after", "seen"), [(0, b""), (4, b"0123")])
def test_a_hanging_command_never_ends(
    adb: Adb, phone: VirtualPhone, after: int, seen: bytes
) -> None:
    virtual.fault(phone, "hang", after_bytes=after)
    client = adb.start("-s", phone.serial, "shell", "printf 0123456789")
    if seen:
        assert read_until(client.stdout, seen) == seen
    assert is_silent(client)
    client.kill()
    client.communicate()
    assert adb.out(phone, "printf 0123456789") == "0123456789"


def test_output_that_is_cut_ends_as_if_it_were_whole(adb: Adb, phone: VirtualPhone) -> None:
    virtual.fault(phone, "cut", after_bytes=5, pattern="printf")
    done = adb.shell(phone, "printf 0123456789; echo apart >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"01234", b"apart\n", 7)
    assert adb.out(phone, "printf 0123456789") == "0123456789"


def test_garbled_output_has_as_many_other_bytes_as_asked(adb: Adb, phone: VirtualPhone) -> None:
    command = "head -c 5000 /dev/zero; echo apart >&2"
    seen = []
    for seed in (1, 1, 2):
        virtual.fault(phone, "garble", bytes=20, seed=seed)
        done = adb.shell(phone, command)
        assert (len(done.stdout), done.stderr) == (5000, b"apart\n")
        assert sum(byte != 0 for byte in done.stdout) == 20
        seen.append(done.stdout)
    assert seen[0] == seen[1] != seen[2]
    virtual.fault(phone, "garble", bytes=20)
    assert len(adb.shell(phone, "printf abc").stdout) == 3


def test_lines_end_in_cr_lf_until_cleared(adb: Adb, phone: VirtualPhone) -> None:
    for _ in range(2):
        virtual.fault(phone, "crlf")
        assert adb.shell(phone, "printf 'a\\nb\\n'").stdout == b"a\r\nb\r\n"
    virtual.fault(phone, "cut", after_bytes=2)  # the earlier fault is the nearer to the command
    assert adb.shell(phone, "printf 'a\\nb\\n'").stdout == b"a\r"
    virtual.fault(phone, "clear")
    assert adb.shell(phone, "printf 'a\\nb\\n'").stdout == b"a\nb\n"


def test_a_reboot_ends_all_processes_and_keeps_what_a_phone_keeps(
    adb: Adb, phone: VirtualPhone
) -> None:
    boot_id = _boot_id(adb, phone)
    kept = virtual.snapshot(phone) | {"settings/global/kept": "yes"}
    adb.out(phone, f"echo content > {TMP}/kept; settings put global kept yes")
    adb.out(phone, "setprop debug.gone 1; input keyevent SLEEP; dumpsys battery unplug")
    up_s = _uptime_s(adb, phone)
    wait_until(lambda: _uptime_s(adb, phone) > up_s)
    detached = "setsid sleep 9182 >/dev/null 2>&1 </dev/null &"
    client = adb.start("-s", phone.serial, "shell", f"{detached} echo; sleep 9182")
    read_until(client.stdout, b"\n")
    virtual.fault(phone, "reboot", for_ms=200)
    client.communicate()
    assert client.returncode != 0
    wait_until(lambda: adb.state(phone) == "device")
    assert _boot_id(adb, phone) != boot_id
    assert not sleepers(adb, phone, "9182")
    assert adb.out(phone, f"cat {TMP}/kept") == "content\n"
    assert virtual.snapshot(phone) == kept
    assert adb.out(phone, "uptime").startswith(" ")


def test_adb_can_reboot_it_too(adb: Adb) -> None:
    with adb.booted("small") as other:
        boot_id = _boot_id(adb, other)
        assert adb.run("-s", other.serial, "reboot").returncode == 0
        wait_until(lambda: adb.state(other) != "device")
        virtual.fault(other, "clear")  # it needn't take so long
        wait_until(lambda: adb.state(other) == "device")
        assert _boot_id(adb, other) != boot_id


def _boot_id(adb: Adb, phone: VirtualPhone) -> str:
    return adb.out(phone, "cat /proc/sys/kernel/random/boot_id")


def _uptime_s(adb: Adb, phone: VirtualPhone) -> float:
    return float(adb.out(phone, "cat /proc/uptime").split()[0])


def test_a_hot_phone_says_so_is_slower_and_cools_down_when_cleared(
    adb: Adb, phone: VirtualPhone
) -> None:
    told = (
        "dumpsys thermalservice; dumpsys battery; cat /sys/class/thermal/thermal_zone[01]/temp "
        "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    )
    cool, cool_s = adb.out(phone, told), _loop_s(adb, phone)
    virtual.fault(phone, "heat", status=4, rise_c=20, stopped_percent=80, over_ms=0)
    wait_until(lambda: "Thermal Status: 4" in adb.out(phone, "dumpsys thermalservice"))
    hot = adb.out(phone, told)
    for line in (
        "\tTemperature{mValue=53.351, mType=3, mName=SKIN, mStatus=4}\n",
        "\tTemperature{mValue=38.517, mType=3, mName=SKIN, mStatus=0}\n",  # cached, of before
        "  temperature: 400\n",
        "\n58100\n58\n",  # thousandths in one zone, degrees in the other
    ):
        assert line in hot
    assert int(hot.split()[-1]) < int(cool.split()[-1])
    assert _loop_s(adb, phone) > 1.5 * cool_s  # five times, were nothing else running
    virtual.fault(phone, "clear")
    assert adb.out(phone, told) == cool


def test_what_is_left_of_a_program_that_was_killed_in_the_heat_goes_on(
    adb: Adb, phone: VirtualPhone
) -> None:
    virtual.fault(phone, "heat", stopped_percent=90, over_ms=0)
    for _ in range(3):  # it is killed while it stands still, most probably
        virtual.fault(phone, "kill", pattern="sleep 6172")
        assert adb.shell(phone, "sleep 0.1 & exec sleep 6172").returncode == 137


def _loop_s(adb: Adb, phone: VirtualPhone) -> float:
    """The shortest of a few runs of a loop that needs the processor."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        adb.out(phone, "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done")
        took.append(time.monotonic() - began)
    return min(took)


@pytest.mark.parametrize("jump_s", [86_400, -3_600])
def test_the_clock_jumps_for_date(adb: Adb, phone: VirtualPhone, jump_s: int) -> None:
    virtual.fault(phone, "clock", jump_s=jump_s)
    ahead_s = int(adb.out(phone, "date +%s")) - time.time()
    assert abs(ahead_s - jump_s) < 60
    assert adb.out(phone, "date -d @0 +%s") == "0\n"
    virtual.fault(phone, "clear")
    assert abs(int(adb.out(phone, "date +%s")) - time.time()) < 60


def test_faults_in_any_order_leave_nothing_when_cleared(adb: Adb, phone: VirtualPhone) -> None:
    chosen = random.Random(7)
    for _ in range(6):
        for kind in chosen.sample(sorted(KINDS), 3):
            times = {name: 50 for name in KINDS[kind].numbers if name.endswith("_ms")}
            virtual.fault(phone, kind, **times)
        client = adb.start("-s", phone.serial, "shell", "seq 1 1000; sleep 5436")
        time.sleep(chosen.random() / 5)
        client.kill()
        client.communicate()
        virtual.fault(phone, "clear")
        wait_until(lambda: adb.shell(phone, "seq 1 3").stdout == b"1\n2\n3\n")
    wait_until(lambda: not sleepers(adb, phone, "5436"))


class _Absent:
    """A phone that only counts how often it went away, and whose boot takes its time."""

    def __init__(self, *, boot_s: float = 0.01) -> None:
        self.away = 0
        self.booted = 0
        self._boot_s = boot_s

    def cut(self) -> None:
        pass

    def vanish(self) -> None:
        self.away += 1

    async def appear(self) -> None:
        self.away -= 1

    async def start_anew(self) -> None:
        await asyncio.sleep(self._boot_s)
        self.booted += 1


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("kind", ["gone", "reboot"])
def test_a_phone_that_went_away_is_back_whenever_its_fault_is_cleared(
    kind: str, steps: int
) -> None:
    async def order_and_clear() -> _Absent:
        phone: Any = _Absent()
        known = faults.Faults(phone)
        for _ in range(2):  # the second in the place of the first
            await faults.order(known, kind, {"for_ms": 0})
            assert phone.away
        for _ in range(steps):
            await asyncio.sleep(0.004)
        await known.stop_all()
        return phone

    phone = asyncio.run(order_and_clear())
    assert phone.away == 0
    assert phone.booted == (2 if kind == "reboot" else 0)  # none is left half booted


@pytest.mark.parametrize("kind", ["gone", "reboot"])
def test_a_phone_is_back_also_when_the_next_fault_comes_while_it_comes_back(kind: str) -> None:
    async def order_again(steps: int) -> _Absent:
        phone: Any = _Absent(boot_s=0)
        known = faults.Faults(phone)
        await faults.order(known, kind, {"for_ms": 1})
        for _ in range(9):
            await asyncio.sleep(0)  # it has booted, and waits for its millisecond
        time.sleep(0.002)  # which is over now, so that each step is its next one
        for _ in range(steps):
            await asyncio.sleep(0)
        await faults.order(known, kind, {"for_ms": 1})
        await known.stop_all()
        return phone

    assert [asyncio.run(order_again(steps)).away for steps in range(8)] == [0] * 8


def test_many_who_order_at_once_get_their_phone_back(adb: Adb, phone: VirtualPhone) -> None:
    detached = "for i in 1 2 3 4 5; do sleep 7391 & done; echo"
    for attempt in range(6):
        client = adb.start("-s", phone.serial, "shell", f"{detached}; sleep 7391")
        read_until(client.stdout, b"\n")
        kinds = ["reboot", "gone", "clear", "reboot", "clear", "gone"]
        random.Random(attempt).shuffle(kinds)
        with ThreadPoolExecutor(len(kinds)) as at_once:
            list(at_once.map(lambda kind: virtual.fault(phone, kind), kinds))
        virtual.fault(phone, "clear")
        client.communicate()
        wait_until(lambda: adb.state(phone) == "device")


def test_heat_rises_in_the_units_of_each_file() -> None:
    assert heat.hotter_zone("43100\n", 1.5) == "44600\n"
    assert heat.hotter_zone("354\n", 1.5) == "369\n"
    assert heat.hotter_zone("38\n", 1.5) == "40\n"
    assert heat.hotter_zone("-127000\n", 1.5) == "-127000\n"
    assert heat.hotter_zone("no number\n", 1.5) == "no number\n"


def test_heat_leaves_sensors_alone_that_tell_no_degrees() -> None:
    told = (
        "Thermal Status: 0\nCurrent temperatures from HAL:\n"
        "\tTemperature{mValue=8850.0, mType=7, mName=soft_ocp_gpu, mStatus=0}\n"
        "\tTemperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}\n"
    )
    assert heat.hotter_thermalservice(told, 30, 0) == told


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_in_the_documentation(kind: str) -> None:
    (row,) = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{kind}` |")]
    for argument in KINDS[kind].arguments:
        assert f"`{argument}`" in row, argument
