"""What a virtual phone's shell can set, and how it answers what it can't."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import virtual_adb
from virtual_adb import Adb

from bench import virtual
from bench.virtual import VirtualPhone, profile, settings

WORLDS = virtual_adb.worlds()


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
def phone(request: pytest.FixtureRequest, adb: Adb) -> Iterator[VirtualPhone]:
    with adb.booted("midrange", fidelity=request.param) as booted:
        yield booted


def changes(adb: Adb, phone: VirtualPhone, command: str) -> dict[str, str | None]:
    """What a command changes of all that is set; None: it is gone."""
    before = virtual.snapshot(phone)
    adb.out(phone, command)
    after = virtual.snapshot(phone)
    return {
        name: after.get(name)
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("settings put global window_animation_scale 0", {"window_animation_scale": "0"}),
        ("cmd settings put global a 'x = 1:2 \\n'", {"a": "x = 1:2 \\n"}),
        ("settings delete global device_name", {"device_name": None}),
        ("settings put global adb_enabled 1", {}),
        ("cmd connectivity airplane-mode enable", {"airplane_mode_on": "1"}),
        ("settings put global airplane_mode_on 0", {"airplane_mode_on": "0"}),
        ("svc power stayon true", {"stay_on_while_plugged_in": "15"}),
        ("svc power stayon usb", {"stay_on_while_plugged_in": "2"}),
        ("svc power stayon false", {"stay_on_while_plugged_in": "0"}),
        ("svc wifi disable", {"wifi_on": "0"}),
    ],
)
def test_a_command_changes_the_settings_that_it_means_and_no_others(
    adb: Adb, phone: VirtualPhone, command: str, changed: dict[str, str | None]
) -> None:
    found = changes(adb, phone, command)
    assert found == {f"settings/global/{key}": value for key, value in changed.items()}


def test_power_and_properties_are_seen_in_a_snapshot_too(adb: Adb, phone: VirtualPhone) -> None:
    command = "cmd power set-fixed-performance-mode-enabled true; setprop debug.x 'a b'"
    assert changes(adb, phone, command) == {
        "power/fixed_performance": "true",
        "properties/debug.x": "a b",
    }
    assert adb.out(phone, "getprop debug.x") == "a b\n"
    assert "[debug.x]: [a b]\n" in adb.out(phone, "getprop")
    assert changes(adb, phone, "cmd power set-fixed-performance-mode-enabled false") == {
        "power/fixed_performance": "false"
    }


def test_settings_are_listed_as_they_were_put(adb: Adb, phone: VirtualPhone) -> None:
    adb.out(phone, "settings put secure odd 'a=b: c'; settings --user 0 put system tone null")
    assert "game_options=a=1:b=2\nodd=a=b: c\n" in adb.out(phone, "settings list secure")
    assert adb.out(phone, "settings get system tone; settings get system no_such_key") == (
        "null\nnull\n"
    )
    assert "tone=null\n" in adb.out(phone, "settings list system")
    assert adb.out(phone, "settings delete system tone; settings delete system tone") == (
        "Deleted 1 rows\nDeleted 0 rows\n"
    )


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("settings get nowhere x", 255, "Invalid namespace 'nowhere'"),
        ("settings fetch global x", 255, "Invalid command: fetch"),
        ("settings put global x", 255, "Bad arguments"),
        ("settings put global ../../x 1", 255, "Bad arguments"),
        ("cmd power dance", 255, "Unknown command: dance"),
        ("cmd connectivity dance", 255, "Unknown command: dance"),
        ("cmd no.such.service x", 20, "cmd: Can't find service: no.such.service"),
        ("cmd", 20, "No service specified"),
        ("cmd power set-fixed-performance-mode-enabled", 255, "IllegalArgumentException"),
        ("dumpsys battery set mood 3", 255, "Unknown set option: mood"),
        ("dumpsys battery set level x;", 255, "Bad value: x"),
        ("svc power", 0, "usage: svc power stayon"),
        ("input dance", 255, "Unknown command: dance"),
        ("setprop ro.bench.virtual 0", 1, "Failed to set property"),
        ("setprop debug.x", 1, "Needs 2 arguments"),
    ],
)
def test_what_makes_no_sense_is_answered_as_android_does(
    adb: Adb, phone: VirtualPhone, command: str, code: int, told: str
) -> None:
    before = virtual.snapshot(phone)
    done = adb.shell(phone, command)
    assert done.returncode == code, done
    assert told in (done.stdout + done.stderr).decode()
    assert virtual.snapshot(phone) == before


def test_the_screen_and_the_plug_show_in_dumpsys_power(adb: Adb, phone: VirtualPhone) -> None:
    def power() -> dict[str, str]:
        lines = adb.out(phone, "dumpsys power").splitlines()
        return dict(line.strip().split("=", 1) for line in lines if "=" in line)

    adb.out(phone, "settings put global stay_on_while_plugged_in 3; input keyevent 223")
    adb.out(phone, "dumpsys battery set usb 1")
    asleep = power()
    assert (asleep["mWakefulness"], asleep["Display Power: state"]) == ("Asleep", "OFF")
    assert (asleep["mStayOn"], asleep["mPlugType"]) == ("true", "2")
    adb.out(phone, "dumpsys battery unplug; input keyevent KEYCODE_POWER")
    awake = power()
    assert (awake["mWakefulness"], awake["mWakefulnessRaw"]) == ("Awake", "1")
    assert (awake["mStayOn"], awake["mIsPowered"], awake["mPlugType"]) == ("false", "false", "0")
    adb.out(phone, "dumpsys battery set ac 1")
    assert (power()["mStayOn"], power()["mPlugType"]) == ("true", "1")
    adb.out(phone, "dumpsys battery reset")
    assert power()["mStayOn"] == "false"


def test_a_battery_that_was_set_says_so_until_reset(adb: Adb, phone: VirtualPhone) -> None:
    def battery() -> str:
        """Without what the gauge says, which is never still."""
        dump = adb.out(phone, "dumpsys battery")
        return re.sub(r"(?m)^  (current now|voltage): .*\n", "", dump)

    told = battery()
    adb.out(phone, "dumpsys battery set level 5; cmd battery set -f temp 451")
    assert battery() == (
        told.replace("state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n", 1)
        .replace("  level: 93\n", "  level: 5\n")
        .replace("  temperature: 312\n", "  temperature: 451\n")
    )
    adb.out(phone, "dumpsys battery reset")
    assert battery() == told


@pytest.mark.parametrize(
    ("name", "read", "idle"),
    [
        ("midrange", "dumpsys battery | grep 'current now'", -214),
        ("small", "cat /sys/class/power_supply/battery/current_now", -287_000),
    ],
)
def test_the_battery_gives_more_while_a_program_computes(
    adb: Adb, phone: VirtualPhone, name: str, read: str, idle: int
) -> None:
    def share_of_idle() -> float:
        return int(adb.out(other, read).split()[-1]) / idle

    def becomes(true: Callable[[float], bool]) -> bool:
        give_up_at = time.monotonic() + 20
        while not true(share_of_idle()):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.1)
        return True

    with adb.booted(name, fidelity=phone.fidelity) as other:
        assert 0.9 < share_of_idle() < 1.1
        with adb.start("-s", other.serial, "shell", "while :; do :; done") as spinning:
            assert becomes(lambda share: share > 1.2)
            spinning.kill()
        assert becomes(lambda share: 0.9 < share < 1.1)


def test_heat_and_the_gauge_share_the_dump(adb: Adb, phone: VirtualPhone) -> None:
    def told(key: str) -> int:
        (line,) = re.findall(rf"(?m)^  {key}: (-?\d+)$", adb.out(phone, "dumpsys battery"))
        return int(line)

    cool = told("temperature")
    virtual.fault(phone, "heat", rise_c=20, over_ms=0)
    give_up_at = time.monotonic() + 10
    seen = set()
    while time.monotonic() < give_up_at and len(seen) < 3:
        time.sleep(0.1)
        seen.add(told("current now"))
        assert told("temperature") == cool + 100
    assert len(seen) == 3, "the gauge went on"
    virtual.fault(phone, "clear")
    assert told("temperature") == cool


def test_a_thermal_status_can_be_pretended(adb: Adb, phone: VirtualPhone) -> None:
    told = adb.out(phone, "dumpsys thermalservice")
    pretended = adb.out(phone, "cmd thermalservice override-status 3; dumpsys thermalservice")
    assert "IsStatusOverride: true\n" in pretended
    assert "Thermal Status: 3\n" in pretended
    assert adb.out(phone, "cmd thermalservice reset; dumpsys thermalservice") == told


def test_a_phone_may_refuse_fixed_performance(adb: Adb, phone: VirtualPhone) -> None:
    with adb.booted("small", fidelity=phone.fidelity) as other:
        done = adb.shell(other, "cmd power set-fixed-performance-mode-enabled true")
        assert (done.returncode, done.stdout) == (255, b"")
        assert b"Failed to set FIXED_PERFORMANCE mode" in done.stderr
        assert adb.out(other, "settings get global window_animation_scale") == "null\n"


def test_a_snapshot_reads_files_only_whatever_a_command_puts_there(
    adb: Adb, phone: VirtualPhone
) -> None:
    before = virtual.snapshot(phone)
    folder = f"/{settings.FOLDER}/settings/global"
    adb.out(phone, f"mkfifo {folder}/pipe; ln -s /proc/kmsg {folder}/link; mkdir {folder}/folder")
    assert virtual.snapshot(phone) == before
    adb.out(phone, f"rm -r {folder}/pipe {folder}/link {folder}/folder")


@pytest.mark.parametrize("name", virtual.profiles())
def test_no_profile_fixes_a_property_that_its_shell_may_set(name: str) -> None:
    settable = ("debug.", "log.", "persist.log.", "persist.debug.")
    assert not [key for key in profile.load(name).properties if key.startswith(settable)]


@pytest.mark.parametrize("file", sorted(Path(virtual.__file__).parent.glob("scripts/*.sh")))
def test_every_program_is_a_script_of_the_phones_shell(file: Path) -> None:
    assert file.read_text().startswith("#!%ROOT%/system/bin/sh\n")
