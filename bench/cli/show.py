"""bench show: a run's figures, failures and doubts in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.screen import milliseconds, print_table, printable, seconds

if TYPE_CHECKING:
    from bench.frame.cells import Cell


def show(
    run: Annotated[
        Path, typer.Argument(help="A run's folder, or a folder of runs; of several the newest.")
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print a row a trial as JSON, of all runs.")
    ] = False,
) -> None:
    """Show a run's medians, failures and doubts.

    Example: bench show results/quickstart
    """
    from bench import store

    if json:
        from bench.frame import load

        rows = load(run).to_json(orient="records", indent=2, date_format="iso")
        sys.stdout.write(rows + "\n")
        return
    from bench.frame.cells import pool_cells

    newest = store.read_run(store.find_runs(run)[-1])
    cells = sorted(pool_cells([newest]), key=lambda cell: (cell.title, cell.model.name))
    print(f"{newest.path}  {newest.plan.created_at}")
    _print_cells([cell for cell in cells if not cell.device.emulated])
    for cell in cells:
        for line in _remarks(cell):
            print(printable(line))


def _print_cells(cells: Sequence[Cell]) -> None:
    columns = (*_COLUMNS, *(column for column in _OF_PASSES if any(map(column[1], cells))))
    rows = [
        (
            cell.title,
            cell.model.name,
            cell.config.threads,
            cell.config.delegate,
            cell.config.affinity,
            cell.config.xnnpack,
            *(read(cell) for _, read in columns),
        )
        for cell in cells
    ]
    names = ("device", "model", "threads", "delegate", "affinity", "xnnpack")
    print_table((*names, *(name for name, _ in columns)), rows)


def _interval_end(cell: Cell, end: int) -> str | None:
    interval = cell.latency.interval if cell.latency else None
    return milliseconds(interval[end]) if interval else None


Column = tuple[str, "Callable[[Cell], object]"]
_COLUMNS: tuple[Column, ...] = (
    ("median ms", lambda cell: milliseconds(cell.latency.median) if cell.latency else None),
    ("from", lambda cell: _interval_end(cell, 0)),
    ("to", lambda cell: _interval_end(cell, 1)),
    (
        "first ms",
        lambda cell: cell.first_inference_us and milliseconds(cell.first_inference_us),
    ),
    ("peak MiB", lambda cell: cell.peak_memory_kb and f"{cell.peak_memory_kb / 1024:.1f}"),
    ("samples", lambda cell: cell.latency and cell.latency.samples),
    ("repetitions", lambda cell: cell.latency and cell.latency.repetitions),
)
_OF_PASSES: tuple[Column, ...] = (  # where any cell tells of them
    ("energy mJ", lambda cell: cell.energy and f"{cell.energy.gross_mj.value:.3g}"),
    ("sustained ×", lambda cell: cell.sustained_ratio and f"{cell.sustained_ratio:.2f}"),
)


def _remarks(cell: Cell) -> Iterator[str]:
    """What is to be said of a cell's trials, a line each."""
    from bench.doubts import IN_TITLE

    where = f"{cell.title}, {cell.model.name}"
    for trial in cell.trials:
        of = f"{where}, {trial.key}"
        if trial.reason:
            yield f"{of}: {trial.status}: {trial.reason}"
        if trial.waited_s or trial.tries > 1:
            tries = f", {trial.tries} tries" if trial.tries > 1 else ""
            what = f" for {', '.join(trial.waited_for)}" if trial.waited_for else ""
            yield f"{of}: waited {seconds(trial.waited_s)}{what}{tries}"
        if trial.energy and trial.energy.not_told:
            yield f"{of}: energy not told: {trial.energy.not_told}"
        for doubt in trial.doubts:
            if doubt.kind not in IN_TITLE:
                yield f"{of}: doubt: {doubt.message}; {doubt.cure}"
    config = f"{cell.config.threads} threads, {cell.config.delegate}"
    for doubt in cell.doubts:
        yield f"{where}, {config}: doubt: {doubt.message}; {doubt.cure}"
