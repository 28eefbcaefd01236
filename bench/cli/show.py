"""bench show: a run's figures, failures and doubts in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.screen import milliseconds, print_table, printable, seconds

if TYPE_CHECKING:
    from bench.frame.cells import Cell
    from bench.records import Trial

PLACES = 3  # of one remark that are named


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
    cells = sorted(pool_cells([newest]), key=_order)
    print(f"{newest.path}  {newest.plan.created_at}")
    timed = [cell for cell in cells if not cell.device.emulated]
    _print_cells(timed)
    if not timed:
        print("Every phone was emulated: no latency." if cells else "No trial has ended yet.")
    _print_remarks(cells)


def _order(cell: Cell) -> tuple[object, ...]:
    config = cell.config
    return (
        cell.title, cell.model.name, config.threads, config.delegate, config.affinity,
        config.xnnpack,
    )  # fmt: skip


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


def _print_remarks(cells: Sequence[Cell]) -> None:
    """What failed, what to doubt and what was waited for; like cases once, with where."""
    from bench.report.findings import doubts, failures

    for found in (*failures(cells), *doubts(cells)):
        cure = f"; {found.cure}" if found.cure else ""
        print("\n" + printable(f"{found.kind}, {found.counted}: {found.message}{cure}"))
        places = found.places[:PLACES]
        _print_places(
            [
                _where(place.cell, place.trial)
                + (f": {place.message}" if place.message not in ("", found.message) else "")
                for place in places
            ],
            len(found.places) - len(places),
        )
    for said, where in _grouped(cells).items():
        print("\n" + printable(f"{said}, {len(where)} {'trial' if len(where) == 1 else 'trials'}"))
        _print_places(where[:PLACES], len(where) - len(where[:PLACES]))


def _print_places(places: Sequence[str], more: int) -> None:
    for place in places:
        print(printable(f"  {place}"))
    if more:
        print(f"  and {more} more; the report and --json have all")


def _grouped(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Where the phone was waited for, and where energy could not be told, by what is said."""
    said: dict[str, list[str]] = {}
    for cell in cells:
        for trial in cell.trials:
            if trial.waited_s or trial.tries > 1:
                tries = f", {trial.tries} tries" if trial.tries > 1 else ""
                what = f" for {', '.join(trial.waited_for)}" if trial.waited_for else ""
                place = f"{_where(cell, trial)}: {seconds(trial.waited_s)}{tries}"
                said.setdefault(f"waited{what}", []).append(place)
            if trial.energy and trial.energy.not_told:
                reason = f"energy not told: {trial.energy.not_told}"
                said.setdefault(reason, []).append(_where(cell, trial))
    return said


def _where(cell: Cell, trial: Trial | None) -> str:
    """A trial by its key, or the cell that several trials show something together of."""
    if trial is not None:
        return f"{cell.title}, {trial.key}"
    threads = f"{cell.config.threads} thread{'' if cell.config.threads == 1 else 's'}"
    return f"{cell.title}, {cell.model.name}, {threads}, {cell.config.delegate}"
