"""/proc/cpuinfo: what the cores that are online are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.device.parse.text import lines_of, printable

_KEY = re.compile(r"[A-Za-z][\w ()]{0,99}")


@dataclass(frozen=True, slots=True)
class CpuInfo:
    """Cores that were online; never all cores of the phone for certain."""

    listed: tuple[int, ...] = ()
    parts: dict[int, str] = field(default_factory=dict)  # "0x41:0xd03" by core, where told
    features: frozenset[str] = frozenset()  # that every listed core has
    hardware: str | None = None


def parse_cpuinfo(text: str) -> CpuInfo:
    """What the file says. Kernels before arm64 4.x print one block for all cores: no parts."""
    listed: list[int] = []
    blocks: list[dict[str, str]] = [{}]
    hardware = None
    for line in lines_of(text):
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _KEY.fullmatch(key):
            continue
        if key == "processor" and re.fullmatch(r"[0-9]{1,4}", value):  # "Processor" is no core
            listed.append(int(value))
            blocks.append({"processor": value})
        elif key == "Hardware":
            hardware = printable(value) or None
        else:
            blocks[-1].setdefault(key, value)
    features = [set(b[k].split()) for b in blocks for k in ("Features", "flags") if k in b]
    return CpuInfo(
        listed=tuple(listed),
        parts=_parts(blocks),
        features=frozenset(set.intersection(*features)) if features else frozenset(),
        hardware=hardware,
    )


def _parts(blocks: list[dict[str, str]]) -> dict[int, str]:
    """Implementer and part by core, if every core was told its own."""
    parts = {}
    for block in blocks[1:]:
        implementer, part = block.get("CPU implementer"), block.get("CPU part")
        if implementer is None or part is None:
            return {}
        parts[int(block["processor"])] = f"{implementer}:{part}"
    return {core: name for core, name in parts.items() if re.fullmatch(r"[0-9a-fx:]{3,32}", name)}
