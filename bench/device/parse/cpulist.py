"""Lists of cores as the kernel writes them: `0-3,5`, `0 1 2 3`, or nothing."""

from __future__ import annotations

import re

_MOST_CORES = 1024


def parse_cpu_list(text: str) -> tuple[int, ...] | None:
    """Core numbers in ascending order; None when it is no such list."""
    cores: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()) if text.strip() else []:
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last or last >= _MOST_CORES:
            return None
        cores.update(range(first, last + 1))
    return tuple(sorted(cores))
