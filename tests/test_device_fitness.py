"""What would disturb a measurement: a finding has its number and its cure, or is not made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import doubts
from bench.device.fitness import KINDS, PASSING, fitness
from bench.device.parse.load import Load, load_between, parse_snapshot
from bench.device.parse.rights import parse_boot_id, parse_root
from bench.records import Cluster, Device, DeviceState

FIT: dict[str, Any] = {
    "battery_level": 81,
    "battery_temp_c": 28.0,
    "charging": False,
    "thermal_status": 0,
    "temps_c": {"VIRTUAL-SKIN": 30.0, "BIG": 36.0},
    "max_khz": {"0": 1_800_000, "4": 2_400_000},
    "mem_available_kb": 4_000_000,
    "screen_on": True,
}
CLUSTERS = (
    Cluster(cpus=(0, 1, 2, 3), max_khz=1_800_000),
    Cluster(cpus=(4, 5, 6, 7), max_khz=2_400_000),
)


def device(**fields: Any) -> Device:
    told = {"mem_total_kb": 8_000_000, "clusters": CLUSTERS, "cores": 8} | fields
    return Device(serial="S", virtual=False, **told)


def state(**fields: Any) -> DeviceState:
    return DeviceState(taken_at="2026-01-01T00:00:00Z", **(FIT | fields))


def test_a_cool_charged_idle_phone_is_fit() -> None:
    assert fitness(device(), state(), Load(0.3, 8)) == ()


def test_a_phone_that_tells_nothing_is_accused_of_nothing() -> None:
    assert fitness(Device(serial="S", virtual=False), DeviceState(taken_at="t")) == ()


@pytest.mark.parametrize(
    ("fields", "kind", "message", "numbers"),
    [
        ({"thermal_status": 1}, "throttled", "thermal status 1", {"thermal_status": 1}),
        ({"battery_temp_c": 37.1}, "hot start", "37.1 °C", {"temp_c": 37.1, "limit_c": 37.0}),
        (
            {"temps_c": {"skin-therm": 41.0, "BIG": 39.0}},
            "hot start",
            "41.0 °C",
            {"temp_c": 41.0, "limit_c": 37.0},
        ),
        (
            {"battery_level": 24},
            "low battery",
            "battery at 24 %",
            {"battery_level": 24, "limit": 25},
        ),
        (
            {"charging": True},
            "charging",
            "the battery at 81 % charges, which warms the phone",
            {"battery_level": 81},
        ),
        (
            {"screen_on": False},
            "screen off",
            "the screen is off: many phones lower their clocks then",
            {},
        ),
        (
            {"max_khz": {"0": 1_800_000, "4": 1_794_000, "5": 1_200_000}},
            "capped clocks",
            "clocks are capped: 1200 of 2400 MHz (core 4)",
            {"cpu4_cap_khz": 1_200_000, "cpu4_max_khz": 2_400_000},
        ),
        (
            {"mem_available_kb": 799_999},
            "low memory",
            "781 of 7812 MB of memory are available",
            {"mem_available_kb": 799_999, "mem_total_kb": 8_000_000},
        ),
    ],
)
def test_each_finding_has_its_number_and_a_cure(
    fields: dict[str, Any], kind: str, message: str, numbers: dict[str, float]
) -> None:
    (doubt,) = fitness(device(), state(**fields))
    assert (doubt.kind, doubt.message, doubt.numbers) == (kind, message, numbers)
    assert doubt.cure


def test_a_busy_phone_says_who_is_busy() -> None:
    load = Load(1.74, 8, (("dex2oat64", 1.5), ("system_server", 0.2), ("logd", 0.01)), 1.71)
    (doubt,) = fitness(device(), state(), load)
    assert doubt.message == "1.7 of 8 cores are busy (dex2oat64 1.5, system_server 0.2)"
    assert doubt.numbers == {"busy_cores": 1.74, "cores": 8}


def test_the_load_of_a_virtual_phones_computer_is_not_the_phones() -> None:
    phone = Device(serial="S", virtual=True)
    kinds = [doubt.kind for doubt in fitness(phone, state(), Load(1.9, 2, (), 0.2))]
    assert kinds == ["virtual"]
    (_, busy) = fitness(phone, state(), Load(1.9, 2, (("yes", 0.8),), 0.8))
    assert (busy.kind, busy.numbers["busy_cores"]) == ("background load", 0.8)


def test_a_hot_body_and_hot_cores_are_told_apart() -> None:
    found = fitness(device(), state(temps_c={"skin": 38.0, "cpu-0-0": 70.0}))
    told = [(doubt.kind, doubt.numbers["temp_c"], doubt.numbers["limit_c"]) for doubt in found]
    assert told == [("hot start", 38.0, 37.0), ("hot cores", 70.0, 40.0)]


def test_a_charge_in_percent_is_no_temperature_of_a_core() -> None:
    assert fitness(device(), state(temps_c={"soc": 80.0})) == ()


def test_an_emulated_phone_is_called_both() -> None:
    found = fitness(Device(serial="S", virtual=True, emulated=True), state())
    assert [doubt.kind for doubt in found] == ["virtual", "emulated"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"virtual": True}, "virtual"),
        ({"model": "sdk_gphone64_x86_64"}, "emulator"),
        ({"model": "Android SDK built for x86"}, "emulator"),
        ({"soc": "AOSP ranchu"}, "emulator"),
        ({"fingerprint": "a/b/c:14/X/1:eng/test-keys"}, "engineering build"),
    ],
)
def test_what_is_no_phone_of_a_user_is_said(fields: dict[str, Any], kind: str) -> None:
    (doubt,) = fitness(Device(**({"serial": "S", "virtual": False} | fields)), state(max_khz={}))
    assert doubt.kind == kind


def test_a_user_build_of_a_phone_is_no_trap() -> None:
    told = {"model": "Pixel 8 Pro", "soc": "Google Tensor G3"}
    assert fitness(device(fingerprint="g/h/h:16/X/1:user/release-keys", **told), state()) == ()


def test_kinds_are_those_of_doubts() -> None:
    assert set(KINDS) >= PASSING
    assert set(KINDS) <= set(doubts.KINDS)


def test_every_kind_is_explained() -> None:
    page = (Path(__file__).parents[1] / "docs" / "devices.md").read_text()
    (section,) = re.findall(r"^## What `bench devices --fit` finds\n(.*?)^## ", page, re.M | re.S)
    assert re.findall(r"^\| ([a-z ]+) \| ", section, re.M) == ["finding", *KINDS]


# --- load ---------------------------------------------------------------------------------


def stat(user: int, idle: int, cores: int = 2) -> str:
    lines = [f"cpu  {user} 0 0 {idle} 0 0 0 0 7 7"]
    lines += [f"cpu{core} 1 0 0 1 0 0 0 0 0 0" for core in range(cores)]
    return "\n".join([*lines, "intr 1 2 3"])


def process(pid: int, name: str, ticks: int, started: int = 5) -> str:
    return f"{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 1 1"


def test_busy_cores_are_counted_between_two_readings() -> None:
    earlier = parse_snapshot(
        stat(50, 50), f"{process(7, 'a) S (b', 10)}\n{process(8, 'old', 90)}", stat(100, 100)
    )
    later = parse_snapshot(
        stat(175, 125),
        f"{process(7, 'a) S (b', 60)}\n{process(8, 'new', 95, started=6)}\n{process(9, 'c', 40)}",
        stat(900, 900),
    )
    assert earlier is not None
    assert later is not None
    # 75 busy ticks of 100 on two cores; pid 8 is another process now, and 9 is new.
    assert load_between(earlier, later) == Load(1.5, 2, (("a) S (b", 1.0),), 1.0)


def test_counters_that_stand_still_or_go_backwards_tell_nothing() -> None:
    one = parse_snapshot(stat(100, 100), "", stat(100, 100))
    assert one is not None
    assert load_between(one, one) is None
    for before in (stat(90, 200), stat(200, 90), stat(200, 200, cores=3)):
        later = parse_snapshot(before, "", stat(0, 0))
        assert later is not None
        assert load_between(one, later) is None


@pytest.mark.parametrize("text", ["", "cpu  1 2 3", "cpu0 1 0 0 1 0 0 0 0", stat(1, 1, cores=0)])
def test_a_kernel_that_tells_no_ticks_gives_no_snapshot(text: str) -> None:
    assert parse_snapshot(text, "", stat(1, 1)) is None
    assert parse_snapshot(stat(1, 1), "", text) is None


PIECES = ["cpu ", "cpu0", " 1", " 99999999999999999999", " -1", "\n", "7 (a) S", "(", ")", "٣"]
texts = st.one_of(st.text(), st.lists(st.sampled_from([*PIECES, stat(1, 1)])).map("".join))


@given(texts, texts, texts)
def test_any_text_gives_a_snapshot_or_none(before: str, processes: str, after: str) -> None:
    one, two = parse_snapshot(before, processes, after), parse_snapshot(after, processes, before)
    if one is not None and two is not None:
        load = load_between(one, two)
        assert load is None or 0 <= load.busy_cores <= load.cores


# --- rights -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input)\n", "no"),
        ("uid=2000(shell) gid=2000(shell) context=u:r:shell:s0\r\n/system/xbin/su\r\n", "su"),
        ("uid=0(root) gid=0(root) context=u:r:su:s0\n/system/xbin/su\n", "adbd"),
        ("uid=2000(shell) gid=2000(shell)\nsu: alias su='x'\n", "no"),
        ("uid=0(root)\nuid=2000(shell)\n", None),
        ("id: not found", None),
        ("", None),
    ],
)
def test_root_is_what_the_shell_is_or_could_become(text: str, root: str | None) -> None:
    assert parse_root(text) == root


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    parse_root(text)
    parse_boot_id(text)
