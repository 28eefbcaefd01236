"""Where things stand in a sweep file, so that what is wrong is said with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from bench.errors import SweepError

SHOWN_LIMIT = 120  # characters of a value in a message


class Where:
    """Finds the line of a key, so that an error can name it."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = text.split("\n")  # as TOML and editors count them

    def line(self, key: str | None, table: str | None = None, nth: int = 0) -> int | None:
        """The line of `key` in the nth `[table]` or `[[table]]`, or of the table itself."""
        start, end = self._span(table, nth)
        if key is not None:
            quoted = rf"""(["']?){re.escape(key)}\1\s*"""
            for number in range(start, end):
                if re.match(rf"\s*{quoted}[=.]", self._lines[number]):
                    return number + 1
            if table is None:  # it is a table itself
                return self._first(rf"\s*\[\[?\s*{quoted}[].]")
            if not start and (dotted := self._first(rf"\s*{table}\s*\.\s*{quoted}=")):
                return dotted
        return start or (self.line(table) if table is not None else None)

    def _first(self, pattern: str) -> int | None:
        numbered = enumerate(self._lines, start=1)
        return next((number for number, line in numbered if re.match(pattern, line)), None)

    def fail(
        self, what: str, key: str | None, table: str | None = None, nth: int = 0, cure: str = ""
    ) -> NoReturn:
        line = self.line(key, table, nth)
        place = f"{self.path}, line {line}" if line else str(self.path)
        raise SweepError(f"{place}: {what}", next_step=cure or None)

    def refuse_many(
        self,
        count: int,
        most: int,
        what: str,
        key: str | None,
        table: str | None = None,
        nth: int = 0,
    ) -> None:
        if count > most:
            self.fail(f"it asks for {count} {what}, and {most} are the most.", key, table, nth)

    def refuse_unknown(
        self, table: Mapping[str, object], known: Sequence[str], name: str | None = None
    ) -> None:
        for key in table:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                guess = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
                self.fail(f"unknown key {shown(key)}.", key, name, cure=guess)

    def _span(self, table: str | None, nth: int) -> tuple[int, int]:
        """First line after the nth header of a table, and the line of the next; 0, 0 without."""
        headers = [
            (number, match[1])
            for number, line in enumerate(self._lines)
            if (match := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line))
        ]
        if table is None:
            return 0, headers[0][0] if headers else len(self._lines)
        named = [number for number, name in headers if name == table]
        if nth >= len(named):
            return 0, 0
        later = [number for number, _ in headers if number > named[nth]]
        return named[nth] + 1, later[0] if later else len(self._lines)


def shown(value: object) -> str:
    """What a file holds, for a message."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN_LIMIT else text[:SHOWN_LIMIT] + "..."
