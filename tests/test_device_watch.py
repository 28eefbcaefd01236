"""Clocks and temperatures as a series, beside whatever else runs on the phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from folder_phone import SHELLS, TOOLS, FolderPhone
from hypothesis import given
from hypothesis import strategies as st

from bench.device import WORK_DIR, AdbPhone, Finished, connect, private_server, watched
from bench.device.parse.series import Moment, parse_series
from bench.errors import DeviceLost
from bench.virtual import booted

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
def phone() -> Iterator[AdbPhone]:
    with private_server() as server, booted("flagship") as virtual_phone:
        server.connect_tcp(virtual_phone.serial)
        yield connect(virtual_phone.serial, server)


def test_readings_are_placed_in_time_and_hold_only_what_was_read() -> None:
    assert parse_series(CLOCKS, SERIES) == (
        Moment(
            0.0,
            {"0": 98_000, "1": 98_000},
            {"0": 1_800_000, "1": 1_800_000},
            {"skin": 31.5, "battery": 29.0},
        ),
        Moment(1.03, {"0": 1_800_000, "1": 1_800_000}),
    )


def test_time_that_goes_backwards_is_no_series() -> None:
    assert parse_series("", "at: 5.00\nat: 4.00\n") == ()


@given(st.lists(st.sampled_from([*SERIES.splitlines(), "at: 1.0", "at: x", "zone ", "٣"])))
def test_any_lines_are_survived(lines: list[str]) -> None:
    for moment in parse_series(CLOCKS, "\n".join(lines)):
        assert moment.at_s >= 0


@given(st.text(), st.text())
def test_any_text_is_survived(clocks: str, text: str) -> None:
    parse_series(clocks, text)


def test_a_phone_is_watched_while_it_works_and_nothing_stays(phone: AdbPhone) -> None:
    with watched(phone) as moments:
        phone.run(["sleep", "2.5"], deadline_s=10)
    assert 2 <= len(moments) <= 4
    assert all(set(moment.current_khz) == {str(core) for core in range(9)} for moment in moments)
    assert {"VIRTUAL-SKIN", "battery"} <= set(moments[0].temps_c)
    assert [moment.at_s for moment in moments] == sorted(moment.at_s for moment in moments)
    listed = phone.run(["ls", WORK_DIR], deadline_s=10).stdout
    assert b"watch-" not in listed


def test_the_shortest_work_is_no_error_and_ends_at_once(phone: AdbPhone) -> None:
    began = time.monotonic()
    with watched(phone, every_s=60):
        pass
    assert time.monotonic() - began < 30, "it waited for its next reading"


def test_work_that_fails_fails_as_itself(phone: AdbPhone) -> None:
    with pytest.raises(ZeroDivisionError), watched(phone):
        raise ZeroDivisionError


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_ends_with_the_signal_and_not_with_its_sleep(
    tmp_path: Path, shell: str
) -> None:
    phone = FolderPhone(tmp_path, (*TOOLS, "sleep"), shell=shell)
    phone.add_governors("schedutil")
    with watched(phone, every_s=30) as moments:
        time.sleep(0.3)
    assert len(moments) == 1


def test_a_phone_without_a_sleep_is_not_read_without_end(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)
    with watched(phone) as moments:
        time.sleep(0.3)
    assert len(moments) == 1


def test_a_phone_that_can_not_be_watched_gives_no_readings(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)

    def lost(*_: object, **__: object) -> Finished:
        raise DeviceLost("gone")

    phone.run = lost  # type: ignore[method-assign]
    with watched(phone) as moments:
        pass
    assert moments == []
