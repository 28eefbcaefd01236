"""What a virtual phone pretends to be: a TOML file becomes a `Profile`."""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from bench.errors import UsageError
from bench.records import Record

FEATURES = (
    "shell_v2",
    "cmd",
    "stat_v2",
    "ls_v2",
    "fixed_push_mkdir",
    "fixed_push_symlink_timestamp",
)


class CpuCluster(Record, frozen=True, kw_only=True):
    """Cores of one kind with one clock."""

    cpus: tuple[int, ...]
    part: str  # CPU part of /proc/cpuinfo, "0xd05"
    variant: str = "0x1"
    revision: int = 0
    frequencies_khz: tuple[int, ...]
    capped_khz: int | None = None  # scaling_max_freq, where it is below the highest frequency
    current_khz: int


class Cpu(Record, frozen=True, kw_only=True):
    """What /proc/cpuinfo and /sys/devices/system/cpu show."""

    clusters: tuple[CpuCluster, ...]
    bogomips: str
    features: str
    hardware: str | None = None  # the last line of cpuinfo on some makers' kernels
    governor: str
    governors: str
    driver: str


class ThermalZone(Record, frozen=True, kw_only=True):
    """One /sys/class/thermal/thermal_zone*; `temp` is the text as this phone's kernel prints it."""

    type: str
    temp: str


class Drain(Record, frozen=True, kw_only=True):
    """What the battery gives, where the profile's phone tells it in numbers that move."""

    idle_ma: float
    core_ma: float  # more for each core that is kept busy
    ohms: float  # of the battery, whose voltage falls with the current


class Profile(Record, frozen=True, kw_only=True):
    """One phone's looks. Nothing in it can hide that the phone is virtual."""

    name: str
    disk_mb: int  # of /data/local/tmp
    features: tuple[str, ...] = FEATURES
    cpu: Cpu
    properties: dict[str, str]
    meminfo: str
    zones: tuple[ThermalZone, ...]
    power_supply: dict[str, str] = {}
    power_supply_readable: bool = False
    drain: Drain | None = None  # None: what the profile tells of its battery stands still
    dumpsys: dict[str, str]  # what `dumpsys NAME` prints
    settings: dict[Literal["system", "secure", "global"], dict[str, str]] = {}
    # What `cmd power set-fixed-performance-mode-enabled` does: Power HALs from before AIDL
    # refuse, and Android from before 11 doesn't know the word.
    fixed_performance: Literal["supported", "refused", "unknown"] = "supported"

    def __post_init__(self) -> None:
        if self.disk_mb < 1:
            raise ValueError("disk_mb is at least 1")


def names() -> tuple[str, ...]:
    """The profiles that come with the package, the best equipped phone first."""
    by_name = {file.name.removesuffix(".toml"): file for file in _folder().iterdir()}
    found = [name for name, file in by_name.items() if file.name.endswith(".toml")]
    return tuple(sorted(found, key=lambda name: (_ORDER.get(name, len(_ORDER)), name)))


def load(name: str) -> Profile:
    """The profile called `name`; UsageError names the ones there are."""
    if name not in names():
        raise UsageError(
            f"There is no virtual phone profile {name!r}.",
            next_step=f"Profiles: {', '.join(names())}.",
        )
    return parse(_folder().joinpath(f"{name}.toml").read_text("utf-8"), source=f"{name}.toml")


def parse(text: str, *, source: str) -> Profile:
    """The profile in a TOML text; UsageError says what is wrong with it."""
    try:
        return msgspec.convert(tomllib.loads(text), Profile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"The virtual phone profile {source} is wrong: {error}.") from error


_ORDER = {"flagship": 0, "midrange": 1, "small": 2}


def _folder() -> Traversable:
    return resources.files("bench.virtual").joinpath("profiles")
