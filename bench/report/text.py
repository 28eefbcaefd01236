"""Numbers and foreign strings as a reader sees them.

Foreign strings are hostile, and `clean` makes them harmless. Escaping is the template's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from bench.frame.names import NAME_LIMIT as NAME_LIMIT
from bench.frame.names import clean as clean
from bench.records import Config, Device, Trial, device_titles

LABEL_LIMIT = 30  # characters of a name in a plot
PROSE_LIMIT = 600  # characters of a reason or a message
NONE = "–"


def titles(devices: Iterable[Device], limit: int = NAME_LIMIT) -> dict[str, str]:
    """Titles by device id whose mark of a virtual device survives any name."""
    bounded = [
        msgspec.structs.replace(device, model=clean(device.model or device.serial, limit))
        for device in devices
    ]
    return {id_: clean(title, 3 * limit) for id_, title in device_titles(bounded).items()}


def titled(title: str, limit: int = NAME_LIMIT) -> str:
    """A title cut before its mark of a virtual device, not within."""
    name, mark, kind = title.rpartition(" [virtual")
    if not name:
        return clean(title, limit)
    return clean(name, limit) + clean(mark + kind, 2 * limit)


def milliseconds(us: float | None) -> str:
    """Microseconds as milliseconds with four digits that count."""
    if us is None:
        return NONE
    ms = us / 1000
    bounds = ((5, 0.1), (4, 1), (3, 10), (2, 100), (1, 1000))
    digits = next((digits for digits, below in bounds if ms < below), 0)
    return f"{ms:,.{digits}f}"


def millions(count: float | None) -> str:
    """A count as millions, as the papers print it: 569, 41.0, 0.47."""
    if count is None:
        return NONE
    m = count / 1e6
    return f"{m:,.0f}" if m >= 100 else f"{m:.1f}" if m >= 10 else f"{m:.2f}"


def megabytes(size_bytes: float | None) -> str:
    """Bytes as megabytes of a million."""
    if size_bytes is None:
        return NONE
    mb = size_bytes / 1e6
    return f"{mb:,.0f}" if mb >= 100 else f"{mb:.1f}" if mb >= 10 else f"{mb:.2f}"


def mebibytes(kb: float | None) -> str:
    """kB of 1024 bytes as MiB."""
    return NONE if kb is None else f"{kb / 1024:,.1f}"


def decimal(value: float | None, digits: int = 1) -> str:
    """A number with fixed decimals."""
    return NONE if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 1) -> str:
    """A difference, its sign always told, with a true minus."""
    if value is None:
        return NONE
    shown = f"{abs(value):.{digits}f}"
    return shown if float(shown) == 0 else ("+" if value > 0 else "−") + shown


def significant(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(digits - whole, 0)}f}" if abs(value) >= 0.01 else f"{value:.{digits}g}"


def span(interval: tuple[float, float] | None) -> str:
    """The bounds of an interval, in the digits of `significant`."""
    return f"{significant(interval[0])}–{significant(interval[1])}" if interval else ""


def ratio(value: float) -> str:
    """By how much something is multiplied."""
    return f"{value:.2f}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def config_title(config: Config) -> str:
    """A config in words."""
    told = [counted(config.threads, "thread")]
    told.append("no delegate" if config.delegate == "none" else config.delegate)
    if config.affinity != "default":
        told.append(f"on {config.affinity} cores")
    if config.xnnpack != "default":
        told.append(f"with {config.xnnpack}")
    return ", ".join(told)


def trial_title(trial: Trial) -> str:
    """Which of its cell's trials this is."""
    return f"repetition {trial.repetition}"


def moment(iso: str) -> str:
    """A time stamp as a reader writes it, UTC; what is no time stamp, as it is."""
    try:
        at = datetime.fromisoformat(iso)
    except ValueError:
        return clean(iso)
    at = at.astimezone(UTC) if at.tzinfo else at
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def day(iso: str) -> str:
    """The day of a time stamp, UTC."""
    return moment(iso).partition(",")[0]


def file_name(path: str) -> str:
    """The last part of a path: where it lay on somebody's disk is nobody's business."""
    return clean(re.split(r"[/\\]", path)[-1])
