"""bench show and bench report: what lies in results."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.screen import milliseconds, print_table, printable
from bench.records import Trial, device_titles


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("show")(show)
    app.command("report")(report)


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

        sys.stdout.write(load(run).to_json(orient="records", indent=2) + "\n")
        return
    newest = store.read_run(store.find_runs(run)[-1])
    cells: dict[tuple[str, str, int, str, str], list[Trial]] = {}
    unwell: list[Trial] = []
    for trial in store.read_trials(newest.path):
        config = trial.config
        cell = (trial.device, trial.model, config.threads, config.delegate, config.affinity)
        cells.setdefault(cell, []).append(trial)
        if trial.reason or trial.doubts:
            unwell.append(trial)
    titles = device_titles(newest.devices.values())
    print(f"{newest.path}  {newest.plan.created_at}")
    print_table(
        ("device", "model", "threads", "delegate", "affinity", "median ms", "from", "to",
         "first ms", "peak MB", "samples", "repetitions"),
        [
            (titles.get(cell[0], cell[0]), *cell[1:], *_figures(trials))
            for cell, trials in sorted(cells.items())
        ],
    )  # fmt: skip
    for trial in unwell:
        where = f"{titles.get(trial.device, trial.device)}, {trial.model}, {trial.key}"
        reasons = [f"{trial.status}: {trial.reason}"] if trial.reason else []
        reasons += [f"doubt: {doubt.message}; {doubt.cure}" for doubt in trial.doubts]
        for reason in reasons:
            print(printable(f"{where}: {reason}"))


def report(
    run: Annotated[list[Path], typer.Argument(help="Runs' folders, or folders of runs.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where the page is written."),
    ] = None,
) -> None:
    """Render runs as one HTML file that needs nothing else.

    Of a folder of runs the newest is taken. Example: bench report results/quickstart
    """
    from bench.report import render_report
    from bench.store import find_runs

    print(f"Report:  {render_report([find_runs(path)[-1] for path in run], output)}")


def _figures(trials: Iterable[Trial]) -> tuple[object, ...]:
    from bench import stats

    measured = [trial.measurement for trial in trials if trial.measurement is not None]
    if not measured:
        return (None,) * 7
    summary = stats.pool([m.samples_us for m in measured])
    low, high = summary.interval or (None, None)
    peaks = [m.memory.peak_kb for m in measured if m.memory.peak_kb is not None]
    return (
        milliseconds(summary.median),
        None if low is None else milliseconds(low),
        None if high is None else milliseconds(high),
        milliseconds(stats.median([m.first_inference_us for m in measured])),
        f"{max(peaks) / 1024:.1f}" if peaks else None,
        summary.samples,
        summary.repetitions,
    )
