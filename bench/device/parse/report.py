"""What prepare.sh, restore.sh and clean.sh say that they did."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.device.parse.text import lines_of, printable


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was done, or not: its word, to what, and the value or reason."""

    word: str  # changed, already, refused, restored, kept, left, failed, busy, killed, removed
    target: str
    text: str


def parse_report(text: str, nonce: str) -> tuple[list[Said], bool]:
    """All that was said, and whether it was said to its end."""
    said: list[Said] = []
    for line in lines_of(text):
        if line == f"{nonce} end":
            return said, True
        match = re.fullmatch(
            rf"{re.escape(nonce)} ([a-z]{{1,20}}) ([^\t]{{1,300}})(?:\t(.*))?", line
        )
        if match is not None:
            said.append(Said(match[1], printable(match[2]), printable(match[3] or "")))
    return said, False


def parse_owner(saved: str) -> str | None:
    """Who prepared a phone, from the first line of its file of old values."""
    match = re.match(r"owner\t([\w.:-]{1,100})[\t\n]", saved, re.ASCII)
    return None if match is None else match[1]
