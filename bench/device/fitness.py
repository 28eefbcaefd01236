"""What would disturb a measurement on a phone, with numbers and what to do about it.

Thresholds are those of the field: any thermal status above 0 moved a probe from 55 to 72 ms on
a Pixel 2 (androidx ThrottleDetector); 37 °C is the start gate of a battery, 40 °C that of a
processor's junction; below 25 % of charge
some phones switch cores off (androidx Errors). Half a busy core and a tenth of free memory
are our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.device.parse.load import Load
from bench.records import Device, DeviceState, Doubt, DoubtKind

HOT_C = 37.0
HOT_CORES_C = 40.0
LOW_BATTERY = 25
BUSY_CORES = 0.5
LOW_MEMORY_SHARE = 0.1
CAPPED_SHARE = 0.98  # of the clock that a core could have; below it is a cap, not rounding

KINDS: tuple[DoubtKind, ...] = (
    "virtual",
    "emulated",
    "emulator",
    "engineering build",
    "throttled",
    "hot start",
    "hot cores",
    "low battery",
    "charging",
    "screen off",
    "background load",
    "capped clocks",
    "low memory",
)

# What goes away when a phone is left alone for a while.
PASSING: frozenset[DoubtKind] = frozenset(
    {"throttled", "hot start", "hot cores", "background load", "capped clocks"}
)

_CORE_SENSORS = re.compile(r"(?i)cpu|big|mid\b|little|mtktscpu|ap$")
_EMULATOR_MODELS = ("sdk_", "Android SDK built for", "google_sdk", "Emulator")
_EMULATOR_SOCS = ("ranchu", "goldfish")


def fitness(device: Device, state: DeviceState, load: Load | None = None) -> tuple[Doubt, ...]:
    """Everything that would disturb a measurement now; what a phone doesn't tell is no finding."""
    return (
        *_of_device(device),
        *_of_heat(state),
        *_of_power(state),
        *_of_load(device, load),
        *_of_clocks(device, state),
        *_of_memory(device, state),
    )


def is_emulator(device: Device) -> bool:
    """Android's own emulator. Those that hide what they are pass for phones."""
    model, soc = device.model or "", device.soc or ""
    return model.startswith(_EMULATOR_MODELS) or soc.endswith(_EMULATOR_SOCS)


def _of_device(device: Device) -> Iterator[Doubt]:
    if device.virtual:
        yield Doubt(
            kind="virtual",
            message="a virtual phone: its latencies are this computer's",
            cure="measure on a phone",
        )
    elif is_emulator(device):
        yield Doubt(
            kind="emulator",
            message="an emulator: its latencies are the computer's that it runs on",
            cure="measure on a phone",
        )
    if device.emulated:
        yield Doubt(
            kind="emulated",
            message="it runs another processor's programs: its latencies are nobody's",
            cure="measure on a phone, or on a virtual one of this computer's ABI",
        )
    if ":eng/" in (device.fingerprint or ""):
        yield Doubt(
            kind="engineering build",
            message="an engineering build of Android, which checks and logs more",
            cure="install a user build",
        )


def _of_heat(state: DeviceState) -> Iterator[Doubt]:
    if state.thermal_status:
        yield Doubt(
            kind="throttled",
            message=f"thermal status {state.thermal_status}",
            cure="let it cool down",
            numbers={"thermal_status": state.thermal_status},
        )
    body = [temp_c for name, temp_c in state.temps_c.items() if "skin" in name.lower()]
    body += [] if state.battery_temp_c is None else [state.battery_temp_c]
    hottest = max(body, default=0.0)
    if hottest > HOT_C:
        yield Doubt(
            kind="hot start",
            message=f"{hottest:.1f} °C",
            cure=f"let it cool below {HOT_C:.0f} °C, out of its case",
            numbers={"temp_c": hottest, "limit_c": HOT_C},
        )
    cores = [temp_c for name, temp_c in state.temps_c.items() if _CORE_SENSORS.match(name)]
    hottest = max(cores, default=0.0)
    if hottest > HOT_CORES_C:
        yield Doubt(
            kind="hot cores",
            message=f"{hottest:.1f} °C at the cores",
            cure="let it rest; some phones are as warm as that at rest",
            numbers={"temp_c": hottest, "limit_c": HOT_CORES_C},
        )


def _of_power(state: DeviceState) -> Iterator[Doubt]:
    if state.battery_level is not None and state.battery_level < LOW_BATTERY:
        yield Doubt(
            kind="low battery",
            message=f"battery at {state.battery_level} %",
            cure=f"charge it above {LOW_BATTERY} %",
            numbers={"battery_level": state.battery_level, "limit": LOW_BATTERY},
        )
    if state.charging:
        at = "" if state.battery_level is None else f" at {state.battery_level} %"
        yield Doubt(
            kind="charging",
            message=f"the battery{at} charges, which warms the phone",
            cure="charge it before the sweep, or connect over Wi-Fi",
            numbers={} if state.battery_level is None else {"battery_level": state.battery_level},
        )
    if state.screen_on is False:
        yield Doubt(
            kind="screen off",
            message="the screen is off: many phones lower their clocks then",
            cure="switch it on, and `Stay awake` in the developer options",
        )


def _of_load(device: Device, load: Load | None) -> Iterator[Doubt]:
    if load is None:
        return
    # The kernel of a virtual phone counts the ticks of its whole computer.
    busy = load.of_processes if device.virtual else load.busy_cores
    if busy <= BUSY_CORES:
        return
    names = ", ".join(f"{name} {cores:.1f}" for name, cores in load.top[:3] if cores >= 0.05)
    yield Doubt(
        kind="background load",
        message=f"{busy:.1f} of {load.cores} cores are busy" + (f" ({names})" if names else ""),
        cure="wait, or end what runs; airplane mode keeps updates away",
        numbers={"busy_cores": busy, "cores": load.cores},
    )


def _of_clocks(device: Device, state: DeviceState) -> Iterator[Doubt]:
    told: list[str] = []
    numbers: dict[str, float] = {}
    for cluster in device.clusters:
        caps = [khz for cpu in cluster.cpus if (khz := state.max_khz.get(str(cpu))) is not None]
        if caps and cluster.max_khz is not None and min(caps) < CAPPED_SHARE * cluster.max_khz:
            first = cluster.cpus[0]
            told.append(f"{min(caps) // 1000} of {cluster.max_khz // 1000} MHz (core {first})")
            numbers |= {f"cpu{first}_cap_khz": min(caps), f"cpu{first}_max_khz": cluster.max_khz}
    if told:
        yield Doubt(
            kind="capped clocks",
            message=f"clocks are capped: {', '.join(told)}",
            cure="let it cool down; switch battery saver and power limits off",
            numbers=numbers,
        )


def _of_memory(device: Device, state: DeviceState) -> Iterator[Doubt]:
    total, available = device.mem_total_kb, state.mem_available_kb
    if total and available is not None and available < LOW_MEMORY_SHARE * total:
        yield Doubt(
            kind="low memory",
            message=f"{available // 1024} of {total // 1024} MB of memory are available",
            cure="end apps, or start the phone anew",
            numbers={"mem_available_kb": available, "mem_total_kb": total},
        )
