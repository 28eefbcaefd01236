"""bench show, report, compare and export: what lies in results."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.cli.screen import milliseconds, print_table, printable
from bench.errors import UsageError
from bench.records import Trial, device_titles

if TYPE_CHECKING:
    from bench.frame.comparison import Comparison


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("show")(show)
    app.command("report")(report)
    app.command("compare")(compare)
    app.command("export")(export)


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
    cells: dict[tuple[str, str, int, str, str, str], list[Trial]] = {}
    unwell: list[Trial] = []
    for trial in store.read_trials(newest.path):
        config = trial.config
        cell = (trial.device, trial.model, config.threads, config.delegate, config.affinity,
                config.xnnpack)  # fmt: skip
        cells.setdefault(cell, []).append(trial)
        if trial.reason or trial.doubts:
            unwell.append(trial)
    titles = device_titles(newest.devices.values())
    print(f"{newest.path}  {newest.plan.created_at}")
    print_table(
        ("device", "model", "threads", "delegate", "affinity", "xnnpack", "median ms", "from", "to",
         "first ms", "peak MB", "samples", "repetitions"),
        [
            (titles.get(cell[0], cell[0]), *cell[1:], *_figures(trials))
            for cell, trials in sorted(cells.items())
            if not newest.devices[cell[0]].emulated
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
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Render anew as trials arrive, until the runs have ended; the open page follows.",
        ),
    ] = False,
) -> None:
    """Render runs as one HTML file that needs nothing else.

    Of a folder of runs the newest is taken. Example: bench report results/quickstart
    """
    from bench.report import render_report
    from bench.store import find_runs

    runs = [find_runs(path)[-1] for path in run]
    if not watch:
        print(f"Report:  {render_report(runs, output)}")
        return
    from bench.report.watch import watch_report

    def tell(page: Path, done: int, planned: int) -> None:
        print(f"Report:  {page}  {done} of {planned} trials", flush=True)

    watch_report(runs, output, tell=tell)


def compare(
    a: Annotated[Path, typer.Argument(help="A run's folder: the first side.")],
    b: Annotated[Path, typer.Argument(help="A run's folder: the second side.")],
    differs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="What is compared and so may differ: device, library, runner, model, threads,"
            " delegate, affinity. Repeatable. Without it: two runs of one thing.",
        ),
    ] = None,
    a_where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Choose within the first side. Repeatable."),
    ] = None,
    b_where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Choose within the second side. Repeatable."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="The share of a median below which a change is of no interest.")
    ] = 0.03,
    fail_on: Annotated[
        Literal["slower"] | None,
        typer.Option(help="Exit with 4 when a cell is slower.", show_default=False),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two runs cell by cell: slower, faster, same, or can't tell.

    A ratio above 1 means that the second takes longer.

    Example: bench compare results/before results/after --fail-on slower
    """
    from bench.frame import compare as compare_runs
    from bench.store import find_runs

    found = compare_runs(
        find_runs(a)[-1],
        find_runs(b)[-1],
        differs=differs or (),
        threshold=threshold,
        a_where=_choice(a_where),
        b_where=_choice(b_where),
    )
    if json:
        sys.stdout.write(found.frame().to_json(orient="records", indent=2) + "\n")
    elif markdown:
        from bench.report.compared import comparison_markdown

        print(comparison_markdown(found), end="")
    else:
        _print_comparison(found)
    if fail_on is not None and found.of(fail_on):
        raise typer.Exit(4)


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")],
    output: Annotated[
        Path, typer.Argument(help="A file that ends in .csv, .json, .jsonl or .parquet.")
    ],
    rows: Annotated[
        Literal["trials", "samples", "cells", "ops", "series"], typer.Option(help="What a row is.")
    ] = "trials",
) -> None:
    """Write results as a table for other tools.

    Example: bench export results/quickstart samples.csv --rows samples
    """
    from bench.frame import export as export_frame

    print(f"Wrote {export_frame(run, output, rows)}")


def _choice(pairs: list[str] | None) -> dict[str, str] | None:
    chosen = dict(pair.partition("=")[::2] for pair in pairs or ())
    if not all(chosen.values()):
        raise UsageError("a choice is written FIELD=VALUE.", next_step="Such as device=S1.")
    return chosen or None


def _print_comparison(found: Comparison) -> None:
    print_table(
        ("model", "device", "threads", "delegate", "first ms", "second ms", "ratio", "from", "to",
         "verdict", "method", ""),
        [
            (
                pair.a.model.name,
                pair.a.title if pair.a.title == pair.b.title else f"{pair.a.title}, {pair.b.title}",
                pair.a.config.threads,
                pair.a.config.delegate,
                *(milliseconds(c.latency.median) if c.latency else None for c in (pair.a, pair.b)),
                f"{pair.ratio.ratio:.3f}",
                *(None if bound is None else f"{bound:.3f}" for bound in pair.ratio[1:3]),
                pair.verdict,
                pair.ratio.method,
                pair.reason,
            )
            for pair in found.pairs
        ],
    )  # fmt: skip
    for cells, side in ((found.only_a, "first"), (found.only_b, "second")):
        for cell in cells:
            print(printable(f"Only in the {side}: {cell.model.name} on {cell.title}"))
    if not found.pairs:
        print("Nothing to compare: the two share no cell.")


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
