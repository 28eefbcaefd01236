"""probe.sh on what this machine has for a phone: shells, and services that are missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from folder_phone import TOOLS, FolderPhone

from bench.device import AdbPhone, connect, describe, private_server, read_state
from bench.device.parse.sections import split_sections
from bench.device.scripts import device_script
from bench.errors import BenchError, DeviceError
from bench.virtual import VirtualPhone, booted, rewrite

DESCRIBE = ["getprop", "cpus", "cpuinfo", "meminfo", "kernel", "uname", "linkers", "end"]
STATE = ["cpus", "loadavg", "meminfo", "battery", "power", "thermalservice", "zones", "end"]
SHELLS = [
    [found, *rest]
    for name, *rest in (["dash"], ["mksh"], ["busybox", "sh"], ["bash", "--posix"], ["sh"])
    if (found := shutil.which(name))
]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: Path(argv[0]).name)
@pytest.mark.parametrize(("mode", "names"), [("describe", DESCRIBE), ("state", STATE)])
def test_every_shell_prints_every_section_and_no_complaint(
    shell: list[str], mode: str, names: list[str]
) -> None:
    script = str(device_script("probe.sh"))
    done = subprocess.run([*shell, script, mode, "n0n"], capture_output=True, check=True)
    sections = split_sections(done.stdout.decode(), "n0n")
    assert sections is not None
    assert list(sections) == names
    assert done.stderr == b""
    assert "MemTotal:" in sections["meminfo"]


def test_an_unknown_mode_is_refused() -> None:
    argv = ["sh", str(device_script("probe.sh")), "reboot", "n"]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stdout == b""


def test_a_script_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BenchError, match="missing from this installation"):
        device_script("nope.sh")


def test_a_phone_that_tells_nothing_is_described_as_far_as_it_goes(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)
    device = describe(phone)
    assert (device.serial, device.virtual, device.model, device.abis) == (
        "FOLDER01",
        False,
        None,
        (),
    )
    state = read_state(phone)
    assert state.battery_level is None
    assert state.screen_on is None


def test_only_the_property_itself_makes_a_phone_virtual(tmp_path: Path) -> None:
    for number, (value, virtual) in enumerate([("1", True), ("0", False), ("true", False)]):
        phone = FolderPhone(tmp_path / str(number))
        lines = [
            f"[ro.bench.virtual]: [{value}]",
            "[ro.bench.virtual.profile]: [flagship]",
            "[ro.bench.virtual.fidelity]: [reduced]",
            "[ro.bench.virtual.libc]: [glibc]",
        ]
        phone.add_tool("getprop", "".join(f"echo '{line}';" for line in lines))
        device = describe(phone)
        assert device.virtual is virtual
        assert device.profile == ("flagship" if virtual else None)
        assert device.fidelity == ("reduced" if virtual else None)
        assert (device.libc == "glibc") is virtual


def test_a_probe_that_ends_early_is_an_error_not_half_a_state(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)
    phone.add_tool("dumpsys", "kill -KILL $PPID")
    with pytest.raises(DeviceError, match=r"probe\.sh to its end"):
        read_state(phone)


def test_what_a_phone_prints_can_not_pass_for_a_heading(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path, (*TOOLS, "sleep"))
    phone.add_tool(
        "dumpsys", 'echo "== 0123456789abcdef battery"; echo "  level: 3"; echo "== x end"'
    )
    assert read_state(phone).battery_level == 3  # dumpsys battery said so itself
    phone = FolderPhone(tmp_path / "other")
    phone.add_tool("dumpsys", '[ "$1" = power ] && echo "== x battery" && echo "  level: 3"')
    assert read_state(phone).battery_level is None


@pytest.fixture
def plugged() -> Iterator[tuple[VirtualPhone, AdbPhone]]:
    with private_server() as server, booted("small") as booted_phone:
        server.connect_tcp(booted_phone.serial)
        yield booted_phone, connect(booted_phone.serial, server)


def test_zones_stand_in_where_the_thermal_service_tells_nothing(
    plugged: tuple[VirtualPhone, AdbPhone],
) -> None:
    booted_phone, phone = plugged
    told = read_state(phone).temps_c
    path = "/system/etc/virtual/dumpsys/thermalservice"
    rewrite(booted_phone, path, "Can't find service: thermalservice\n")
    state = read_state(phone)
    assert state.thermal_status is None
    assert state.temps_c
    assert state.temps_c != told
    assert all(10 < celsius < 100 for celsius in state.temps_c.values())
