"""What the verbs print with: tables, JSON, errors; hostile text is made harmless here."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import BenchError

if TYPE_CHECKING:
    from rich.console import Console

CELL_LIMIT = 160  # characters; a name may be 10 kB
READABLE = 16  # characters that a column of a table may be folded to
HostRuntime = Literal["ai-edge-litert", "tflite-runtime"]  # those of bench.zoo.host


def printable(text: str, limit: int | None = None) -> str:
    """Text with control, bidirectional and undecodable characters spelled out."""
    safe = "".join(
        c if c == " " or unicodedata.category(c)[0] not in "CZ" else repr(c)[1:-1] for c in text
    )
    if limit is not None and len(safe) > limit:
        return safe[: limit - 1] + "…"
    return safe


def complain(error: BenchError) -> None:
    """Say an error in one line on stderr."""
    print(f"Error: {printable(str(error))}", file=sys.stderr)


def warn(text: str) -> None:
    """Say something that the user should know, on stderr."""
    print(f"Warning: {printable(text)}", file=sys.stderr)


def print_json(rows: Iterable[Any]) -> None:
    """A list of objects whose keys are the records' field names."""
    import msgspec

    data = msgspec.json.encode(list(rows))
    sys.stdout.write(msgspec.json.format(data, indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table; a column of numbers stands to the right, None is an empty cell.

    Nothing where there is no row.
    Where the terminal is too narrow to read one, a row is a paragraph.
    """
    from rich.cells import cell_len

    held = [list(row) for row in rows]
    if not held:
        return
    texts = [[_cell(value) for value in row] for row in held]
    widest = [max(map(cell_len, column)) for column in zip(columns, *texts, strict=True)]
    least = [min(width, READABLE) for width in widest]
    screen = console()
    if sum(least) + 2 * len(least) - 2 > screen.width:
        for row in texts:
            print("\n".join(_paragraph(columns, row, screen.width)))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in held)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(Text(column), justify=justify, overflow="fold", min_width=least[index])
    for row in texts:
        table.add_row(*map(Text, row))
    with screen.capture() as drawn:
        screen.print(table)
    print("\n".join(line.rstrip(" ") for line in drawn.get().splitlines()))


def console(stderr: bool = False) -> Console:
    """A rich console that takes text as it is; a line is never folded where output is piped."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else 10_000
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def milliseconds(us: float) -> str:
    """A latency in ms with three significant digits, or all before the point."""
    ms = us / 1000
    decimals = next((d for d, below in ((4, 0.1), (3, 1), (2, 10), (1, 100)) if ms < below), 0)
    return f"{ms:.{decimals}f}"


def seconds(s: float) -> str:
    """A span of time as a person says it."""
    if s < 90:
        return f"{s:.0f} s"
    if s < 5400:
        return f"{s / 60:.0f} min"
    return f"{s / 3600:.1f} h"


def _paragraph(columns: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """The cells of a row that aren't empty, each with its column's name."""
    from rich.cells import cell_len

    lines = [""]
    for column, text in zip(columns, row, strict=True):
        told = f"{column}: {text}" if column else text
        if not text:
            continue
        if not lines[-1]:
            lines[-1] = told
        elif cell_len(lines[-1]) + 2 + cell_len(told) > width:
            lines.append(f"  {told}")
        else:
            lines[-1] += f"  {told}"
    return lines


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(str(value), CELL_LIMIT)
