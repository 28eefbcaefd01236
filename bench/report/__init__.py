"""Results as one HTML file: no network, no fonts from afar, readable without JavaScript.

collect   reads the runs and pools their trials into cells
tables    sets cells side by side: levels of complexity, pairs, the best of each level
grid      the table: model_columns, device_columns, values
findings  failures and doubts, told once;  sustained  runs that went on
traces    what each cell is made of: facts, states, courses of clocks and temperatures
plots     figures of cells (`bench.plot`);  svg  a figure as a part of the page
page      all of it through page.html.j2
watch     the page of a run that is still going on
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import escape

from bench.errors import StoreError, UsageError
from bench.frame.trials import AnyPath, runs_at
from bench.report.collect import collect
from bench.report.page import html

__all__ = ["place_of", "render_report", "show", "write_page"]


def render_report(runs: AnyPath | Iterable[AnyPath], output: AnyPath | None = None) -> Path:
    """Write the report of one or several runs and return where it lies.

    Without `output`, the report of a single run is its folder's report.html. The file is
    there whole or not at all.
    """
    folders = runs_at(runs)
    path = place_of(folders, output)
    write_page(path, html(collect(folders)))
    return path


def place_of(folders: Sequence[Path], output: AnyPath | None) -> Path:
    """Where the report of some runs goes."""
    if output is not None:
        return Path(output)
    if len(folders) != 1:
        raise UsageError(
            f"{len(folders)} runs make one report, which needs a place.",
            next_step="Name it with --output.",
        )
    return folders[0] / "report.html"


class Shown(NamedTuple):
    """A report as a notebook shows it: in a frame of its own that reaches nothing else."""

    html: str

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts" title="Report"'
            ' style="width: 100%; height: 40rem; border: 1px solid #8886"></iframe>'
        )


def show(runs: AnyPath | Iterable[AnyPath]) -> Shown:
    """The report of one or several runs, to be shown in a notebook."""
    return Shown(html(collect(runs)))


def write_page(path: Path, text: str) -> None:
    """Put a page in its place, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".report-", suffix=".html")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(unfinished).chmod(0o644)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(
            f"can't write the report {path}: {error.strerror or error}.",
            next_step="Name another place with --output.",
        ) from error
