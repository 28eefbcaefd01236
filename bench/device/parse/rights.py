"""`id` and the place of `su`: what this shell may do on the phone."""

from __future__ import annotations

import re
from typing import Literal

from bench.device.parse.text import lines_of

Root = Literal["adbd", "su", "no"]

_ID = re.compile(r"uid=([0-9]{1,10})\(.*")
_SU = re.compile(r"/[\w./-]{1,200}/su", re.ASCII)


def parse_root(text: str) -> Root | None:
    """adbd: the shell is root already. su: there is one, which may still refuse."""
    lines = [line.strip() for line in lines_of(text)]
    ids = [match[1] for line in lines if (match := _ID.fullmatch(line))]
    if len(ids) != 1:
        return None
    if ids[0] == "0":
        return "adbd"
    return "su" if any(_SU.fullmatch(line) for line in lines) else "no"


def parse_boot_id(text: str) -> str | None:
    """A random name of this start of the phone's kernel."""
    name = text.strip()
    return name if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) else None
