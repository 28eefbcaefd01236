"""What a phone is, and how it is at a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from bench.records.base import Record, require


class Cluster(Record, frozen=True, kw_only=True):
    """Cores that share one clock."""

    cpus: tuple[int, ...]
    max_khz: int | None = None


class Device(Record, frozen=True, kw_only=True):
    """A phone, or a virtual phone, as it describes itself."""

    serial: str
    identity: str | None = None  # ro.serialno: one phone keeps it under every serial
    virtual: bool
    fidelity: Literal["full", "reduced"] | None = None  # of a virtual phone's world
    emulated: bool = False  # another processor's programs: not even the host's latencies
    profile: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    android_release: str | None = None
    sdk: int | None = None
    fingerprint: str | None = None
    soc: str | None = None
    abis: tuple[str, ...] = ()
    libc: Literal["bionic", "glibc"] | None = None
    cores: int | None = None
    clusters: tuple[Cluster, ...] = ()
    mem_total_kb: int | None = None
    kernel: str | None = None

    def __post_init__(self) -> None:
        require(bool(self.serial), "a device needs a serial")
        require(
            self.virtual or (self.fidelity is None and self.profile is None),
            "only a virtual device has a fidelity and a profile",
        )


class DeviceState(Record, frozen=True, kw_only=True):
    """What a phone said about itself at one moment, before or after a trial."""

    taken_at: str  # host clock, UTC, ISO 8601
    battery_level: int | None = None  # percent
    battery_temp_c: float | None = None
    charging: bool | None = None
    thermal_status: int | None = None  # PowerManager: 0 none ... 6 shutdown
    temps_c: dict[str, float] = {}
    current_khz: dict[str, int] = {}  # by cpu number
    max_khz: dict[str, int] = {}  # scaling_max_freq by cpu number: a cap shows here
    governors: tuple[str, ...] = ()
    mem_available_kb: int | None = None
    load_1min: float | None = None
    screen_on: bool | None = None


class Moment(Record, frozen=True, kw_only=True):
    """One reading of a series that was taken while something ran on a phone."""

    at_s: float  # since the first of its series
    current_khz: dict[str, int] = {}  # by the first core of each cluster
    max_khz: dict[str, int] = {}
    temps_c: dict[str, float] = {}
    current_ma: float | None = None  # out of the battery; negative: into it
    voltage_mv: float | None = None

    def __post_init__(self) -> None:
        require(self.at_s >= 0, "a series begins at 0 s")


def device_id(device: Device) -> str:
    """What tells one phone from another: its own serial number, else the one adb gave it."""
    return device.identity or device.serial


def device_title(device: Device) -> str:
    """How a device is called in headings, tables and plots; a virtual one says so."""
    name = device.model or device.serial
    if not device.virtual:
        return name
    told = ["virtual"]
    told += ["emulated, not a latency"] if device.emulated else []
    told += ["reduced fidelity"] if device.fidelity == "reduced" else []
    return f"{name} [{', '.join(told)}]"


def device_titles(devices: Iterable[Device]) -> dict[str, str]:
    """Titles by device id; devices of one name are told apart by their ids."""
    held = list(devices)
    often = Counter(device_title(device) for device in held)
    return {
        device_id(device): title if often[title] == 1 else f"{title} {device_id(device)}"
        for device in held
        for title in [device_title(device)]
    }
