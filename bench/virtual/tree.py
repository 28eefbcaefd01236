"""The files of a virtual phone, made from its profile: pure, path to content.

Paths are relative to the phone's root and have no leading slash. What the daemon may rewrite
later (heat, battery) are ordinary entries here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from bench.virtual.profile import Cpu, CpuCluster, Profile

Fidelity = Literal["full", "reduced"]

HOME = "data/local/tmp"
PROPERTIES = "dev/__properties__"  # one file a property, as `getprop NAME` reads them
DUMPS = "system/etc/virtual/dumpsys"
CPUINFO = "system/etc/virtual/cpuinfo"
MEMINFO = "system/etc/virtual/meminfo"
BOOT_ID = "system/etc/virtual/boot_id"
UPTIME = "system/etc/virtual/uptime"
CLOCK_OFFSET = "system/etc/virtual/clock_offset_s"
GETPROP = "system/etc/virtual/getprop"  # all properties, as `getprop` prints them

FOLDERS = (HOME, "dev", "etc", "proc", "system/bin", "vendor/bin")


@dataclass(frozen=True)
class File:
    """A file's content and mode."""

    data: bytes
    mode: int = 0o444


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


Entry = File | Link


def properties(
    profile: Profile, *, name: str, serialno: str, fidelity: Fidelity, abi: str, emulated: bool
) -> dict[str, str]:
    """What getprop tells; that the phone is virtual is set last, whatever the profile says."""
    return {
        **profile.properties,
        "ro.product.cpu.abi": abi,
        "ro.product.cpu.abilist": abi,
        "ro.product.cpu.abilist32": "",
        "ro.product.cpu.abilist64": abi,
        "ro.boot.serialno": serialno,
        "ro.serialno": serialno,
        "ro.bench.virtual": "1",
        "ro.bench.virtual.profile": name,
        "ro.bench.virtual.fidelity": fidelity,
        "ro.bench.virtual.libc": "glibc",
        **({"ro.bench.virtual.emulated": "1"} if emulated else {}),
    }


def entries(profile: Profile, props: dict[str, str], *, root: str = "") -> dict[str, Entry]:
    """All files of the phone but its host programs; `root` goes before paths in scripts."""
    return {
        **_identity(),
        **_property_files(props),
        **_dumps(profile),
        **_scripts(root),
        **_proc(profile),
        **_cpu_files(profile.cpu),
        **_thermal_files(profile),
        **_power_files(profile),
    }


def _identity() -> dict[str, Entry]:
    passwd = b"root:x:0:0::/:/system/bin/sh\nshell:x:2000:2000::/:/system/bin/sh\n"
    group = b"root:x:0:\nshell:x:2000:\n"
    return {"etc/passwd": File(passwd), "etc/group": File(group)}


def _property_files(props: dict[str, str]) -> dict[str, Entry]:
    listing = "".join(f"[{key}]: [{props[key]}]\n" for key in sorted(props))
    one_line = "".join(f"{key}={props[key]}\n" for key in sorted(props) if "\n" not in props[key])
    found: dict[str, Entry] = {
        f"{PROPERTIES}/{key}": File(f"{value}\n".encode()) for key, value in props.items()
    }
    found[GETPROP] = File(listing.encode())
    found["system/build.prop"] = File(one_line.encode())
    return found


def _dumps(profile: Profile) -> dict[str, Entry]:
    services = "Currently running services:\n" + "".join(f"  {n}\n" for n in profile.dumpsys)
    found: dict[str, Entry] = {
        f"{DUMPS}/{name}": File(text.lstrip("\n").encode())
        for name, text in profile.dumpsys.items()
    }
    found["system/etc/virtual/services"] = File(services.encode())
    found["system/etc/virtual/fixed_performance"] = File(f"{profile.fixed_performance}\n".encode())
    return found


def _scripts(root: str) -> dict[str, Entry]:
    """Android's own programs, as far as a benchmark asks them, in sh."""
    folder = resources.files("bench.virtual").joinpath("scripts")
    return {
        f"system/bin/{file.name.removesuffix('.sh')}": File(
            file.read_text("utf-8").replace("%ROOT%", root).encode(), 0o755
        )
        for file in folder.iterdir()
        if file.name.endswith(".sh")
    }


def _proc(profile: Profile) -> dict[str, Entry]:
    # The daemon rewrites these in place, so they stay writable for their owner.
    return {
        CPUINFO: File(cpuinfo(profile.cpu, _host_cpuinfo()).encode(), 0o644),
        MEMINFO: File(profile.meminfo.lstrip("\n").encode(), 0o644),
        BOOT_ID: File(b"\n", 0o644),
        UPTIME: File(b"\n", 0o644),
        CLOCK_OFFSET: File(b"0\n"),
    }


def cpuinfo(cpu: Cpu, host_cpuinfo: str) -> str:
    """The text of /proc/cpuinfo.

    LiteRT picks its kernels by the core's own identity. On x86 it asks the core, and the text
    changes nothing (measured). On ARM it reads this text, so there the host's own identity is
    printed: a made-up core would choose other kernels than the host's and spoil the latency.
    """
    blocks = [_processor(cpu, cluster, number) for cluster, number in _cores(cpu)]
    if "CPU part" in host_cpuinfo:
        blocks = [_with_identity_of(block, host_cpuinfo) for block in blocks]
    tail = f"Hardware\t: {cpu.hardware}\n" if cpu.hardware else ""
    return "".join(f"{block}\n" for block in blocks) + tail


def _cores(cpu: Cpu) -> Iterator[tuple[CpuCluster, int]]:
    numbered = [(cluster, number) for cluster in cpu.clusters for number in cluster.cpus]
    return iter(sorted(numbered, key=lambda pair: pair[1]))


def _processor(cpu: Cpu, cluster: CpuCluster, number: int) -> str:
    return (
        f"processor\t: {number}\n"
        f"BogoMIPS\t: {cpu.bogomips}\n"
        f"Features\t: {cpu.features}\n"
        "CPU implementer\t: 0x41\n"
        "CPU architecture: 8\n"
        f"CPU variant\t: {cluster.variant}\n"
        f"CPU part\t: {cluster.part}\n"
        f"CPU revision\t: {cluster.revision}\n"
    )


def _with_identity_of(block: str, host_cpuinfo: str) -> str:
    for key in ("Features", "CPU implementer", "CPU variant", "CPU part", "CPU revision"):
        line = re.compile(rf"(?m)^{key}\s*:.*$")
        host, own = line.search(host_cpuinfo), line.search(block)
        if host is not None and own is not None:
            block = block.replace(own[0], host[0])
    return block


def _host_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _cpu_files(cpu: Cpu) -> dict[str, Entry]:
    base = "sys/devices/system/cpu"
    numbers = [number for _, number in _cores(cpu)]
    every = File(f"{ranges(numbers)}\n".encode())
    found: dict[str, Entry] = {f"{base}/{name}": every for name in ("possible", "present")}
    found[f"{base}/online"] = every
    found[f"{base}/kernel_max"] = File(b"31\n")
    for cluster in cpu.clusters:
        policy = f"policy{min(cluster.cpus)}"
        for name, text in _cpufreq(cpu, cluster).items():
            found[f"{base}/cpufreq/{policy}/{name}"] = File(f"{text}\n".encode())
        for number in cluster.cpus:
            found[f"{base}/cpu{number}/cpufreq"] = Link(f"../cpufreq/{policy}")
            found[f"{base}/cpu{number}/online"] = File(b"1\n")
            found[f"{base}/cpu{number}/topology/core_id"] = File(f"{number}\n".encode())
            found[f"{base}/cpu{number}/topology/physical_package_id"] = File(b"0\n")
    return found


def _cpufreq(cpu: Cpu, cluster: CpuCluster) -> dict[str, str]:
    cpus = " ".join(map(str, cluster.cpus))
    low, high = min(cluster.frequencies_khz), max(cluster.frequencies_khz)
    return {
        "affected_cpus": cpus,
        "related_cpus": cpus,
        "cpuinfo_min_freq": str(low),
        "cpuinfo_max_freq": str(high),
        "scaling_min_freq": str(low),
        "scaling_max_freq": str(cluster.capped_khz or high),
        "scaling_cur_freq": str(cluster.current_khz),
        "scaling_available_frequencies": " ".join(map(str, cluster.frequencies_khz)) + " ",
        "scaling_available_governors": cpu.governors,
        "scaling_governor": cpu.governor,
        "scaling_driver": cpu.driver,
    }


def ranges(numbers: list[int]) -> str:
    """A kernel's range list: [0, 1, 2, 4] is "0-2,4"."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def _thermal_files(profile: Profile) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for index, zone in enumerate(profile.zones):
        folder = f"sys/class/thermal/thermal_zone{index}"
        found[f"{folder}/type"] = File(f"{zone.type}\n".encode())
        found[f"{folder}/temp"] = File(f"{zone.temp}\n".encode())
        found[f"{folder}/mode"] = File(b"enabled\n")
    for index, cluster in enumerate(profile.cpu.clusters):
        folder = f"sys/class/thermal/cooling_device{index}"
        states = len(cluster.frequencies_khz) - 1
        found[f"{folder}/type"] = File(f"thermal-cpufreq-{index}\n".encode())
        found[f"{folder}/cur_state"] = File(b"0\n")
        found[f"{folder}/max_state"] = File(f"{states}\n".encode())
    return found


def _power_files(profile: Profile) -> dict[str, Entry]:
    # Android 12 and later: the shell user may not read these.
    mode = 0o444 if profile.power_supply_readable else 0o000
    return {
        f"sys/class/power_supply/battery/{name}": File(f"{text}\n".encode(), mode)
        for name, text in profile.power_supply.items()
    }
