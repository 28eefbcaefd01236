"""What a phone is, how it is at the moment, and what it is busy with: one round trip each."""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from bench.device.ensure import ensure
from bench.device.parse.battery import parse_battery
from bench.device.parse.cpufreq import parse_cpus
from bench.device.parse.cpuinfo import parse_cpuinfo
from bench.device.parse.getprop import parse_getprop
from bench.device.parse.identity import abis, identity, soc, told
from bench.device.parse.load import Load, Snapshot, load_between, parse_snapshot
from bench.device.parse.power import parse_screen
from bench.device.parse.proc import parse_kernel, parse_loadavg, parse_meminfo
from bench.device.parse.rights import Root, parse_boot_id, parse_root
from bench.device.parse.sections import split_sections
from bench.device.parse.text import printable
from bench.device.parse.thermal import parse_thermalservice
from bench.device.parse.zones import parse_zones
from bench.device.phone import SAVED, Phone, content_path
from bench.device.scripts import device_script
from bench.errors import DeviceError
from bench.records import Device, DeviceState

# What probe.sh reads, in its order. They stand in the command rather than in the script only,
# because a virtual phone without a namespace rewrites the paths in commands to its own.
_PLACES = (
    "/sys/devices/system/cpu",
    "/sys/class/thermal",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/system/bin",
    SAVED,
)

# dumpsys gives up on a service that hangs after 10 s by itself, and three are asked.
_PROBE_S = 45.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """A device, with what is true of it only here and now."""

    device: Device
    root: Root | None
    boot_id: str | None  # of a virtual phone: its host's
    unrestored: bool  # settings of it were changed, and not put back


def inspect(phone: Phone) -> Inspection:
    """Everything about a phone that costs one round trip."""
    sections = probe(phone, "describe")
    return Inspection(
        device=_device(phone.serial, sections),
        root=parse_root(sections.get("rights", "")),
        boot_id=parse_boot_id(sections.get("boot", "")),
        unrestored=bool(sections.get("saved", "").strip()),
    )


def describe(phone: Phone) -> Device:
    """What the phone says that it is. Only what is beyond doubt; the rest is None."""
    return inspect(phone).device


def read_load(phone: Phone, seconds: float = 0.5) -> Load | None:
    """Which processes keep the cores busy during so many seconds. None: it can't be told."""
    earlier = _snapshot(phone)
    time.sleep(seconds)
    later = _snapshot(phone)
    return None if earlier is None or later is None else load_between(earlier, later)


def read_state(phone: Phone, *, ending: str = "") -> DeviceState:
    """How the phone is now. What it does not tell, or tells in doubtful ways, is None.

    A series that keeps its process id in the file `ending` is ended by the same round trip.
    """
    taken_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    sections = probe(phone, "state", *([ending] if ending else []))
    battery = parse_battery(sections.get("battery", ""))
    thermal = parse_thermalservice(sections.get("thermalservice", ""))
    cpus = parse_cpus(sections.get("cpus", ""))
    return DeviceState(
        taken_at=taken_at,
        battery_level=battery.level,
        battery_temp_c=battery.temp_c,
        charging=battery.charging,
        thermal_status=thermal.status,
        temps_c=thermal.temps_c or parse_zones(sections.get("zones", "")),
        current_khz={str(core): khz for core, khz in cpus.current_khz.items()},
        max_khz={str(core): khz for core, khz in cpus.cap_khz.items()},
        governors=cpus.governors,
        mem_available_kb=parse_meminfo(sections.get("meminfo", "")).available_kb,
        load_1min=parse_loadavg(sections.get("loadavg", "")),
        screen_on=parse_screen(sections.get("power", "")),
    )


def _snapshot(phone: Phone) -> Snapshot | None:
    sections = probe(phone, "load")
    return parse_snapshot(*(sections.get(name, "") for name in ("before", "processes", "after")))


def _device(serial: str, sections: dict[str, str]) -> Device:
    props = parse_getprop(sections.get("getprop", ""))
    cpus = parse_cpus(sections.get("cpus", ""))
    cpuinfo = parse_cpuinfo(sections.get("cpuinfo", ""))
    virtual = props.get("ro.bench.virtual") == "1"
    kernel = parse_kernel(sections.get("kernel", "")) or parse_kernel(sections.get("uname", ""))
    return Device(
        serial=serial,
        identity=identity(props),
        virtual=virtual,
        fidelity=_fidelity(props) if virtual else None,
        profile=told(props, "ro.bench.virtual.profile") if virtual else None,
        emulated=virtual and props.get("ro.bench.virtual.emulated") == "1",
        manufacturer=told(props, "ro.product.manufacturer"),
        model=told(props, "ro.product.model"),
        android_release=told(props, "ro.build.version.release"),
        sdk=_sdk(props),
        fingerprint=told(props, "ro.build.fingerprint"),
        soc=soc(props, cpuinfo.hardware),
        abis=abis(props),
        libc=_libc(props, virtual, sections.get("linkers", "")),
        cores=cpus.cores,
        clusters=cpus.clusters,
        mem_total_kb=parse_meminfo(sections.get("meminfo", "")).total_kb,
        kernel=kernel,
    )


def probe(phone: Phone, mode: str, *more: str, deadline_s: float = _PROBE_S) -> dict[str, str]:
    """Run probe.sh; its sections. DeviceError when it did not come to its end."""
    script = device_script("probe.sh")
    content = script.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    remote = content_path("probe", sha256, ".sh")
    ensure(phone, script, sha256, remote)
    nonce = secrets.token_hex(8)
    done = phone.run(["sh", remote, mode, nonce, *_PLACES, *more], deadline_s=deadline_s)
    sections = split_sections(done.stdout.decode("utf-8", "replace"), nonce)
    if sections is None:
        phone.verified.pop(remote, None)  # it may have been removed on the phone
        said = printable((done.stderr or done.stdout).decode("utf-8", "replace"))
        what = f"{phone.serial!r} did not run probe.sh to its end, exit code {done.exit_code}"
        raise DeviceError(f"{what}: {said or 'it said nothing'}.")
    return sections


def _sdk(props: dict[str, str]) -> int | None:
    text = props.get("ro.build.version.sdk", "")
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else None


def _fidelity(props: dict[str, str]) -> Literal["full", "reduced"] | None:
    text = props.get("ro.bench.virtual.fidelity")
    return "full" if text == "full" else "reduced" if text == "reduced" else None


def _libc(props: dict[str, str], virtual: bool, linkers: str) -> Literal["bionic", "glibc"] | None:
    if virtual and props.get("ro.bench.virtual.libc") == "glibc":
        return "glibc"
    return "bionic" if linkers.strip() else None
