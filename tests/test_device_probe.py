"""probe.sh on what this machine has for a phone: shells, and services that are missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from folder_phone import TOOLS, FolderPhone

from bench.device import AdbPhone, connect, describe, private_server, read_state
from bench.device.parse.cpufreq import parse_cpus
from bench.device.parse.load import parse_snapshot
from bench.device.parse.sections import split_sections
from bench.device.parse.zones import parse_zones
from bench.device.scripts import device_script
from bench.errors import BenchError, DeviceError
from bench.virtual import VirtualPhone, booted, rewrite

DESCRIBE = ["getprop", "cpus", "cpuinfo", "meminfo", "kernel", "uname", "linkers"]
DESCRIBE += ["rights", "boot", "saved", "end"]
LOAD = ["before", "processes", "after", "end"]
STATE = ["cpus", "loadavg", "meminfo", "battery", "power", "thermalservice", "zones", "end"]
CAPTURED = sorted((Path(__file__).parents[2] / "shared" / "phone_captures").glob("*/sys_cpu.txt"))
SHELLS = [
    [found, *rest]
    for name, *rest in (["dash"], ["mksh"], ["busybox", "sh"], ["bash", "--posix"], ["sh"])
    if (found := shutil.which(name))
]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: Path(argv[0]).name)
@pytest.mark.parametrize(
    ("mode", "names"), [("describe", DESCRIBE), ("state", STATE), ("load", LOAD)]
)
def test_every_shell_prints_every_section_and_no_complaint(
    shell: list[str], mode: str, names: list[str]
) -> None:
    script = str(device_script("probe.sh"))
    done = subprocess.run([*shell, script, mode, "n0n"], capture_output=True, check=True)
    sections = split_sections(done.stdout.decode(), "n0n")
    assert sections is not None
    assert list(sections) == names
    assert done.stderr == b""
    if mode == "load":
        snapshot = parse_snapshot(*list(sections.values())[:3])
        assert snapshot is not None
        assert any(pid == os.getpid() for pid, _ in snapshot.used)
    else:
        assert "MemTotal:" in sections["meminfo"]


BY_POLICY = {
    "cpu/possible": "0-5\n",
    "cpu/present": "0-5\n",
    "cpu/online": "0-4\n",
    "cpu/cpufreq/policy0/related_cpus": "0 1 2 3\n",
    "cpu/cpufreq/policy0/cpuinfo_max_freq": "1800000\n",
    "cpu/cpufreq/policy0/scaling_cur_freq": "300000\n",
    "cpu/cpufreq/policy0/scaling_max_freq": "1500000\n",
    "cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
    "cpu/cpufreq/policy4/related_cpus": "4 5",  # no line end
    "cpu/cpufreq/policy4/cpuinfo_max_freq": "2400000\n",
    "cpu/cpu0/cpufreq/related_cpus": "never read\n",
}
BY_CORE = {  # kernels before 4.2
    "cpu/possible": "0-1\n",
    "cpu/online": "0\n",
    "cpu/cpu0/cpufreq/related_cpus": "0 1\n",
    "cpu/cpu0/cpufreq/cpuinfo_max_freq": "1000000\n",
    "cpu/cpu0/cpufreq/scaling_cur_freq": "200000\n",
    "cpu/cpufreq/interactive/boost": "0\n",
    "cpu/cpuidle/current_driver": "x\n",
}


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def probe(root: Path, mode: str) -> dict[str, str]:
    """The sections of a phone whose files lie below a folder."""
    places = [root / name for name in ("cpu", "thermal", "cpuinfo", "meminfo", "bin")]
    argv = [shutil.which("sh") or "sh", device_script("probe.sh"), mode, "n0n", *places]
    no_programs = {"PATH": str(root / "nothing")}
    done = subprocess.run(argv, capture_output=True, check=True, env=no_programs)
    sections = split_sections(done.stdout.decode(), "n0n")
    assert sections is not None
    assert done.stderr == b""
    return sections


def test_clocks_are_read_by_policy_where_there_are_policies(tmp_path: Path) -> None:
    write_tree(tmp_path, BY_POLICY)
    described = parse_cpus(probe(tmp_path, "describe")["cpus"])
    assert described.cores == 6
    assert [(c.cpus, c.max_khz) for c in described.clusters] == [
        ((0, 1, 2, 3), 1_800_000),
        ((4, 5), 2_400_000),
    ]
    state = parse_cpus(probe(tmp_path, "state")["cpus"])
    assert state.current_khz == {0: 300_000, 1: 300_000, 2: 300_000, 3: 300_000}
    assert set(state.cap_khz.values()) == {1_500_000}
    assert state.governors == ("schedutil",)


def test_clocks_are_read_by_core_where_there_are_none(tmp_path: Path) -> None:
    write_tree(tmp_path, BY_CORE)
    described = parse_cpus(probe(tmp_path, "describe")["cpus"])
    assert [(c.cpus, c.max_khz) for c in described.clusters] == [((0, 1), 1_000_000)]
    assert parse_cpus(probe(tmp_path, "state")["cpus"]).current_khz == {0: 200_000}


def test_a_zone_that_can_not_be_read_does_not_end_the_list(tmp_path: Path) -> None:
    zones = {
        "thermal/thermal_zone0/type": "cpu0-usr\n",
        "thermal/thermal_zone1/type": "skin-therm-usr\n",
        "thermal/thermal_zone1/temp": "31500\n",
    }
    write_tree(tmp_path, zones)
    (tmp_path / "thermal/thermal_zone0/temp").mkdir()  # reading it is an error
    assert parse_zones(probe(tmp_path, "state")["zones"]) == {"skin-therm-usr": 31.5}


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.parent.name)
def test_the_cores_of_a_captured_phone_come_through_the_script(tmp_path: Path, path: Path) -> None:
    text = path.read_text()
    tree = re.findall(r"^/sys/devices/system/(cpu/.*): (.*)$", text, re.MULTILINE)
    write_tree(tmp_path, {name: f"{value}\n" for name, value in tree})
    whole = parse_cpus(text)
    described = parse_cpus(probe(tmp_path, "describe")["cpus"])
    assert (described.cores, described.clusters) == (whole.cores, whole.clusters)
    state = parse_cpus(probe(tmp_path, "state")["cpus"])
    assert (state.current_khz, state.cap_khz) == (whole.current_khz, whole.cap_khz)
    assert state.governors == whole.governors


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
