"""Text that a phone wrote, before anything is read from it."""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    """Lines without their ends, whichever way the phone ends them.

    Unlike str.splitlines this does not split at the rarer separators, which stand in values.
    """
    return text.replace("\r\n", "\n").split("\n")


def printable(text: str, limit: int = 200) -> str:
    """The text on one line, safe to print on a terminal, cut at `limit` characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 100 * limit])
    one_line = " ".join(shown.split())
    return one_line if len(one_line) <= limit else f"{one_line[: limit - 1]}…"
