"""Clocks and temperatures as a series, beside whatever else runs on the phone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from folder_phone import SHELLS, TOOLS, FolderPhone
from hypothesis import given
from hypothesis import strategies as st

from bench.device import (
    WORK_DIR,
    AdbPhone,
    AdbServer,
    Finished,
    connect,
    private_server,
    read_power,
    read_state,
    watch,
    watched,
)
from bench.device.parse.series import gauge_readings, parse_series
from bench.device.scripts import device_script
from bench.errors import DeviceLost
from bench.records import Moment
from bench.virtual import booted, fault

CLOCKS = "/sys/devices/system/cpu/cpufreq/policy0/related_cpus: 0 1\n"
SERIES = """at: 100.50
/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq: 98000
/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq: 1800000
zone skin: 31500
zone battery: 290
at: 101.53
/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq: 1800000
zone skin: -274000
"""


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with private_server() as running:
        yield running


@pytest.fixture(scope="module")
def phone(server: AdbServer) -> Iterator[AdbPhone]:
    with booted("flagship") as virtual_phone:
        server.connect_tcp(virtual_phone.serial)
        yield connect(virtual_phone.serial, server)


def test_readings_are_placed_in_time_and_hold_only_what_was_read() -> None:
    assert parse_series(CLOCKS, SERIES) == (
        Moment(
            at_s=0.0,
            current_khz={"0": 98_000},
            max_khz={"0": 1_800_000},
            temps_c={"skin": 31.5, "battery": 29.0},
        ),
        Moment(at_s=1.03, current_khz={"0": 1_800_000}),
    )


def test_time_that_goes_backwards_is_no_series() -> None:
    assert parse_series("", "at: 5.00\nat: 4.00\n") == ()


def test_more_readings_than_a_watch_can_take_are_no_series() -> None:
    assert parse_series("", "at: 1.00\n" * 30_000) == ()


@given(st.lists(st.sampled_from([*SERIES.splitlines(), "at: 1.0", "at: x", "zone ", "٣"])))
def test_any_lines_are_survived(lines: list[str]) -> None:
    for moment in parse_series(CLOCKS, "\n".join(lines)):
        assert moment.at_s >= 0


@given(st.text(), st.text())
def test_any_text_is_survived(clocks: str, text: str) -> None:
    parse_series(clocks, text)


def test_one_clock_a_cluster_is_kept_also_where_its_first_core_is_off() -> None:
    folder = "/sys/devices/system/cpu/cpu{}/cpufreq"
    related = f"{folder.format(5)}/related_cpus: 4 5 6\n"
    told = "".join(f"{folder.format(n)}/scaling_cur_freq: {n}00000\n" for n in (1, 2, 5, 6))
    (moment,) = parse_series(related, f"at: 1.0\n{told}")
    assert moment.current_khz == {"1": 100_000, "2": 200_000, "5": 500_000}


def test_a_phone_is_watched_while_it_works_and_nothing_stays(phone: AdbPhone) -> None:
    with watched(phone) as series:
        phone.run(["sleep", "2.5"], deadline_s=10)
        assert len(series) == 0
    assert 3 <= len(series) <= 5
    assert all(set(moment.current_khz) == {"0", "4", "8"} for moment in series)
    assert {"VIRTUAL-SKIN", "battery"} <= set(series[0].temps_c)
    assert [moment.at_s for moment in series] == sorted(moment.at_s for moment in series)
    assert left_on(phone) == ([], [])


def test_the_state_that_is_read_anyway_ends_a_series(phone: AdbPhone) -> None:
    with watched(phone, every_s=60) as series:
        phone.run(["sleep", "0.5"], deadline_s=10)
        state = series.read_state()
        assert state.battery_level is not None
        first, last = series
        assert 0.3 < last.at_s - first.at_s < 30, "one at the start, and one at the end"
        assert left_on(phone) == ([], [])
    assert len(series) == 2


def test_nothing_is_run_for_the_end_of_a_series_alone(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path, (*TOOLS, "sleep"))
    read_state(phone)
    phone.runs.clear()
    with watched(phone, every_s=30) as series:
        begun(tmp_path)
        series.read_state()
    assert [argv[2] for argv in phone.runs] == ["series", "state"]
    assert len(series) == 2


def test_the_shortest_work_is_no_error_and_ends_at_once(phone: AdbPhone) -> None:
    began = time.monotonic()
    with watched(phone, every_s=60):
        pass
    with watched(phone, every_s=60) as series:
        series.read_state()
    assert time.monotonic() - began < 30, "it waited for its next reading"
    assert left_on(phone) == ([], [])


def test_work_that_fails_fails_as_itself(phone: AdbPhone) -> None:
    with pytest.raises(ZeroDivisionError), watched(phone):
        raise ZeroDivisionError
    assert left_on(phone) == ([], [])


def test_a_phone_that_is_lost_meanwhile_gives_no_readings_and_keeps_no_process(
    server: AdbServer,
) -> None:
    with booted("small") as other:
        server.connect_tcp(other.serial)
        phone = connect(other.serial, server)
        lose = pytest.raises(DeviceLost)
        with watched(phone, every_s=1) as series, lose:
            fault(other, "drop", after_output=1, pattern="echo here")
            phone.run(["sh", "-c", "sleep 0.5; echo here; sleep 30"], deadline_s=60)
        assert len(series) == 0
        server.connect_tcp(other.serial)
        assert left_on(connect(other.serial, server)) == ([], [])


def test_a_host_that_is_killed_leaves_no_process_on_the_phone(phone: AdbPhone) -> None:
    code = (
        "import sys, time\nfrom bench.device import AdbPhone, watched\n"
        "phone = AdbPhone(sys.argv[1], frozenset(sys.argv[4:]), host=sys.argv[2],"
        " port=int(sys.argv[3]))\n"
        "with watched(phone): print('watching', flush=True); time.sleep(60)"
    )
    host, port = phone._address
    words = [phone.serial, host, str(port), *phone.features]
    child = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout, child:
        try:
            child.stdout.readline()
            wait_until(lambda: left_on(phone)[0] != [])
        finally:
            child.kill()
    wait_until(lambda: left_on(phone) == ([], []))


@pytest.mark.parametrize("ignored", ["", "trap '' PIPE HUP; "])
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_ends_by_itself_once_nobody_listens(
    tmp_path: Path, shell: str, ignored: str
) -> None:
    probe = device_script("probe.sh")
    words = ["series", "n0", *(["/none"] * 6), "1", str(tmp_path / "pid")]
    binary = shutil.which(shell)
    assert binary is not None
    command = [binary, *(["sh"] if shell == "busybox" else [])]
    line = f'{ignored}exec "$@"'
    child = subprocess.Popen(
        ["sh", "-c", line, "sh", *command, str(probe), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    with child.stderr:
        with child.stdout:
            assert any(line.startswith(b"at: ") for line in child.stdout)
        child.wait(20)
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_ends_with_the_signal_and_not_with_its_sleep(
    tmp_path: Path, shell: str
) -> None:
    phone = FolderPhone(tmp_path, (*TOOLS, "sleep"), shell=shell)
    phone.add_governors("schedutil")
    with watched(phone, every_s=30) as series:
        begun(tmp_path)
    assert len(series) == 2


@pytest.mark.parametrize(
    ("dump", "cmd", "told"),
    [
        ("current now: -214", "echo -999", ("dumpsys", -214)),
        ("", "[ $3 = -f ] && echo -287000 || echo -1", ("dumpsys", -287_000)),
        ("", "echo Unknown get option: current_now", None),
        ("", "exit 20", None),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_asks_the_battery_service_where_no_file_tells(
    tmp_path: Path, shell: str, dump: str, cmd: str, told: tuple[str, int] | None
) -> None:
    phone = FolderPhone(tmp_path, (*TOOLS, "sleep"), shell=shell)
    phone.add_tool("dumpsys", f"echo '  {dump}'; echo '  voltage: 4001'")
    phone.add_tool("cmd", cmd)
    found = read_power(phone, 0)
    assert gauge_readings(found["series"]) == ([] if told is None else [told])
    assert "voltage: 4001" in found["battery"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_series_that_begins_after_its_end_does_not_go_on(
    tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_STOP_S", 2.0)
    phone = FolderPhone(tmp_path, (*TOOLS, "sleep"), shell=shell)
    # A service that hangs holds the beginning up.
    phone.add_tool("dumpsys", f"while [ ! -f {tmp_path}/go ]; do sleep 0.1; done")
    with watched(phone, power=True) as series:
        wait_until(lambda: any("series" in argv for argv in phone.runs))
    assert series._thread.is_alive()
    (tmp_path / "go").touch()
    series._thread.join(20)
    assert not series._thread.is_alive()
    assert not list(tmp_path.glob("work/watch-*"))


def test_a_phone_without_a_sleep_is_not_read_without_end(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)
    with watched(phone) as series:
        time.sleep(0.3)
    assert len(series) == 1


def test_a_phone_that_can_not_be_watched_gives_no_readings(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)

    def lost(*_: object, **__: object) -> Finished:
        raise DeviceLost("gone")

    phone.run = lost  # type: ignore[method-assign]
    with watched(phone) as series:
        pass
    assert list(series) == []


def begun(root: Path) -> None:
    """Wait until a series has taken its first reading."""
    wait_until(lambda: list(root.glob("work/watch-*.pid")) != [])
    time.sleep(0.3)


def wait_until(told: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not told():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def left_on(phone: AdbPhone) -> tuple[list[str], list[str]]:
    """Processes and files of a watch that are on the phone."""
    listed = phone.run(["ls", WORK_DIR], deadline_s=10).stdout.decode().split()
    files = [name for name in listed if name.startswith("watch-")]
    seen = phone.run(["sh", "-c", _PROCESSES], deadline_s=10).stdout.decode().split("\n")
    return [line for line in seen if "series" in line and " -c " not in line], files


_PROCESSES = 'for one in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$one" 2>/dev/null; echo; done'
