"""Makes the table in docs/devices.md: what bench reads from what about ninety devices printed.

    python docs/make_devices.py [CAPTURES]

CAPTURES is a folder with one folder a device, in it the outputs of commands as text files. It is no
part of this project; without it the page stays as it is. A test holds the two together where
the folder is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from bench.device.parse.battery import parse_battery
from bench.device.parse.cpufreq import parse_cpus
from bench.device.parse.cpuinfo import parse_cpuinfo
from bench.device.parse.getprop import parse_getprop
from bench.device.parse.identity import abis, soc, told
from bench.device.parse.power import parse_screen
from bench.device.parse.proc import parse_meminfo
from bench.device.parse.thermal import parse_thermalservice
from bench.device.parse.zones import parse_zones

ROOT = Path(__file__).parents[1]
CAPTURES = ROOT.parent / "shared" / "phone_captures"
MARKS = re.compile(r"(<!-- table:[^>]*-->\n).*?(<!-- /table -->)", re.DOTALL)
COLUMNS = ("capture", "model", "Android", "SoC", "ABIs", "cores", "clusters (MHz)", "memory (MB)")
COLUMNS += ("battery", "thermal status", "sensors", "screen")
NOT_CAPTURED = ""
NOT_TOLD = "None"

# What a file of a capture holds, by the beginning of its name. The first that fits counts.
PROPS, CORES, CPUINFO = ("getprop",), ("sys_cpu.txt",), ("proc_cpuinfo.txt",)
MEMORY, BATTERY, POWER = ("proc_meminfo",), ("dumpsys_battery",), ("dumpsys_power",)
THERMAL = ("dumpsys_thermalservice", "thermalservice_")
ZONES = ("sys_thermal_zones",)
FIXTURES = {"battery_fixtures": "battery", "thermalservice_fixtures": "thermal"}


def main() -> None:
    captures = Path(sys.argv[1]) if len(sys.argv) > 1 else CAPTURES
    if not captures.is_dir():
        raise SystemExit(f"There is no folder {captures}.")
    page = ROOT / "docs" / "devices.md"
    text = MARKS.sub(lambda match: match[1] + table(captures) + match[2], page.read_text())
    page.write_text(text)


def table(captures: Path) -> str:
    """One row a device, and one a file where a folder holds files of several."""
    rows = [row for folder in sorted(captures.iterdir()) for row in rows_of(folder) if any(row[1:])]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rows_of(folder: Path) -> list[tuple[str, ...]]:
    if folder.name in FIXTURES:
        prefix = {"battery": BATTERY, "thermal": THERMAL}[FIXTURES[folder.name]][0]
        return [row(f"{f.stem} (fixture)", {prefix: read(f)}) for f in sorted(folder.iterdir())]
    if not folder.is_dir():
        return []
    return [row(folder.name, {f.name: read(f) for f in sorted(folder.glob("*.txt"))})]


def read(file: Path) -> str:
    """A capture without the lines that say where it came from."""
    lines = file.read_bytes().decode("utf-8", "replace").split("\n")
    while lines and lines[0].startswith(("SOURCE:", "FORMAT:")):
        lines.pop(0)
    return "\n".join(lines)


def row(name: str, files: dict[str, str]) -> tuple[str, ...]:
    """Every field that bench would have of the device, or why it has none."""

    def text_of(prefixes: tuple[str, ...]) -> str | None:
        return next((text for name, text in files.items() if name.startswith(prefixes)), None)

    def cell(prefixes: tuple[str, ...], value: Callable[[str], object]) -> str:
        text = text_of(prefixes)
        if text is None:
            return NOT_CAPTURED
        read_value = value(text)
        return NOT_TOLD if read_value is None else str(read_value).replace("|", "\\|")

    hardware = parse_cpuinfo(text_of(CPUINFO) or "").hardware
    return (
        name,
        cell(PROPS, lambda text: told(parse_getprop(text), "ro.product.model")),
        cell(PROPS, lambda text: told(parse_getprop(text), "ro.build.version.release")),
        cell(PROPS, lambda text: soc(parse_getprop(text), hardware)),
        cell(PROPS, lambda text: " ".join(abis(parse_getprop(text))) or None),
        cell(CORES, lambda text: parse_cpus(text).cores),
        cell(CORES, clusters),
        cell(MEMORY, lambda text: megabytes(parse_meminfo(text).total_kb)),
        cell(BATTERY, battery),
        cell(THERMAL, lambda text: parse_thermalservice(text).status),
        cell((*THERMAL, *ZONES), sensors),
        cell(POWER, screen),
    )


def clusters(text: str) -> str | None:
    told_ones = [
        f"{len(cluster.cpus)} x {'?' if cluster.max_khz is None else cluster.max_khz // 1000}"
        for cluster in parse_cpus(text).clusters
    ]
    return " + ".join(told_ones) or None


def megabytes(kb: int | None) -> int | None:
    return None if kb is None else kb // 1024


def battery(text: str) -> str | None:
    found = parse_battery(text)
    if (found.level, found.temp_c, found.charging) == (None, None, None):
        return None
    charging = {True: "charging", False: "not charging", None: "charging: None"}[found.charging]
    level = "level: None" if found.level is None else f"{found.level} %"
    heat = "temperature: None" if found.temp_c is None else f"{found.temp_c} °C"
    return f"{level}, {heat}, {charging}"


def sensors(text: str) -> str | None:
    temps = parse_thermalservice(text).temps_c or parse_zones(text)
    if not temps:
        return None
    return f"{len(temps)}: {min(temps.values()):.1f} to {max(temps.values()):.1f} °C"


def screen(text: str) -> str | None:
    on = parse_screen(text)
    return None if on is None else "on" if on else "off"


if __name__ == "__main__":
    main()
