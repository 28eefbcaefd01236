"""`getprop`: all properties of a phone."""

from __future__ import annotations

import re

from bench.device.parse.text import lines_of

_START = re.compile(r"\[([^\]\[]{1,200})\]: \[(.*)")


def parse_getprop(text: str) -> dict[str, str]:
    """Value by key. A value may span lines; a key that is told twice is left out.

    Nearly every phone since Android 10 has a value of several lines
    (persist.sys.boot.reason.history), some with a line in it that ends in "]".
    """
    values: dict[str, str] = {}
    doubtful: set[str] = set()
    for key, raw in _entries(lines_of(text)):
        value = raw.strip("\r")
        if values.setdefault(key, value) != value:
            doubtful.add(key)
    return {key: value for key, value in values.items() if key not in doubtful}


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    """Keys with the text between their brackets; entries without a sure end are left out."""
    starts = [(n, match) for n, line in enumerate(lines) if (match := _START.fullmatch(line))]
    entries = []
    for index, (start, match) in enumerate(starts):
        stop = starts[index + 1][0] if index + 1 < len(starts) else len(lines)
        body = [match[2], *lines[start + 1 : stop]]
        # Lines after the last that ends an entry are noise, a prompt for instance. After the
        # last entry of all, noise can't be told from a value with brackets in it.
        ends = [n for n, line in enumerate(body) if line.rstrip("\r").endswith("]")]
        if ends and (stop < len(lines) or len(ends) == 1):
            entries.append((match[1], "\n".join(body[: ends[-1] + 1]).rstrip("\r")[:-1]))
    return entries
