"""A comparison as Markdown, for a pull request or a terminal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from bench.frame.comparison import Comparison, Pair
from bench.frame.verdict import VERDICTS
from bench.report import text

MOST_CHARACTERS = 25_000  # of a table, of which there are two; GitHub takes 65,536 in a comment
_HEAD = "| model | device | config | first, ms | second, ms | ratio | verdict | method |\n"
_RULE = "| --- | --- | --- | ---: | ---: | ---: | --- | --- |\n"


def comparison_markdown(comparison: Comparison) -> str:
    """What changed in a table, what is the same folded up, and what was not compared."""
    parts = [f"{_summary(comparison)}\n"]
    if any(pair.a.virtual or pair.b.virtual for pair in comparison.pairs):
        parts.append("**[virtual]: not a phone’s latency.**\n")
    telling = [pair for pair in comparison.pairs if pair.verdict != "same"]
    if telling:
        parts.append(_table(telling))
    if same := comparison.of("same"):
        parts.append(
            f"<details><summary>{len(same)} the same</summary>\n\n{_table(same)}\n</details>\n"
        )
    for cells, what in (
        (comparison.lost, "**Fails in the second**"),
        (comparison.only_a, "Only in the first"),
        (comparison.only_b, "Only in the second"),
    ):
        if cells:
            names = sorted({plain(text.clean(cell.model.name)) for cell in cells})
            shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if names[20:] else "")
            parts.append(f"{what}: {shown}.\n")
    return "\n".join(parts)


def plain(name: str) -> str:
    """A foreign string that Markdown takes as it is, and that names nobody and links nowhere."""
    escaped = re.sub(r"([\\`*_{}\[\]<>()#|~$&@:])", r"\\\1", name)
    # A forge looks for names and numbers after Markdown is done; nothing of width stops it.
    return re.sub(r"([@#]|\bwww)(?=[\w.])", "\\1\u2060", escaped, flags=re.IGNORECASE)


def _summary(comparison: Comparison) -> str:
    counts = [f"{len(comparison.of(verdict))} {verdict}" for verdict in VERDICTS]
    shown = f"**{counts[0]}**, {', '.join(counts[1:])}" if comparison.pairs else "Nothing to pair"
    what = f"; {', '.join(comparison.differs)} may differ" if comparison.differs else ""
    return f"{shown} (threshold {comparison.threshold:.1%}{what})."


def _table(pairs: Iterable[Pair]) -> str:
    rows = [_row(pair) for pair in pairs]
    ends = itertools.accumulate(map(len, rows))
    kept = sum(1 for _ in itertools.takewhile(lambda end: end <= MOST_CHARACTERS, ends))
    more = f"\nand {len(rows) - kept} more\n" if len(rows) > kept else ""
    return _HEAD + _RULE + "".join(rows[:kept]) + more


def _row(pair: Pair) -> str:
    return "| " + " | ".join(_cells(pair)) + " |\n"


def _cells(pair: Pair) -> Iterator[str]:
    title_a, title_b = (plain(text.titled(cell.title)) for cell in (pair.a, pair.b))
    yield plain(text.clean(pair.a.model.name))
    yield title_a if title_a == title_b else f"{title_a} → {title_b}"
    yield plain(text.config_title(pair.a.config))
    for cell in (pair.a, pair.b):
        yield text.milliseconds(cell.latency.median if cell.latency else None)
    low, high = pair.ratio.low, pair.ratio.high
    interval = f" ({low:.3f}–{high:.3f})" if low is not None and high is not None else ""
    yield f"{pair.ratio.ratio:.3f}{interval}"
    bold = "**" if pair.verdict in ("slower", "faster") else ""
    reason = f": {pair.reason}" if pair.reason else ""
    yield f"{bold}{pair.verdict}{bold}{reason}"
    yield pair.ratio.method or text.NONE
