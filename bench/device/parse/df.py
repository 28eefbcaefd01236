"""`df -k FOLDER`: the space that is left."""

from __future__ import annotations

import re

from bench.device.parse.text import lines_of

# used, available, use% and the mount point; before them a name that may hold spaces
_ROW = re.compile(r"(?a:\s\d{1,15}\s+\d{1,15}\s+(\d{1,15})\s+\d{1,3}%\s+/)")


def parse_df(text: str) -> int | None:
    """Free space in kB where the table says that it counts in blocks of 1024 bytes.

    toolbox (Android 5) prints "1.2G" under "Free" instead: None.
    """
    lines = lines_of(text)
    if not any("1K-blocks" in line and "Available" in line for line in lines):
        return None
    rows = [match for line in lines if (match := _ROW.search(line))]
    return int(rows[0][1]) if len(rows) == 1 else None
