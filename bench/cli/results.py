"""bench show, report, compare and export: what lies in results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.cli.screen import milliseconds, print_table, printable
from bench.cli.show import show
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.frame.comparison import Comparison


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("show")(show)
    app.command("report")(report)
    app.command("compare")(compare)
    app.command("export")(export)


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
            help="What is compared and so may differ: device, system (the build of Android),"
            " library, runner, model, file, threads, delegate, affinity, xnnpack, input, clock."
            " Repeatable. Without it: two runs of one thing.",
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
        typer.Option(
            metavar="slower",
            help="Exit with 4 when a cell is slower or fails now,"
            " with 1 when nothing can be compared.",
            show_default=False,
        ),
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
    if fail_on is not None and not (found.pairs or found.lost):
        raise UsageError(
            "the two share no cell, so nothing is known to be no slower.",
            next_step="Look at both with bench show: a side's trials may have failed.",
        )
    if fail_on is not None and (found.of(fail_on) or found.lost):
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
    for cell in found.lost:
        why = cell.trials[-1].reason
        print(printable(f"Fails in the second: {cell.model.name} on {cell.title}: {why}", 400))
    for cells, side in ((found.only_a, "first"), (found.only_b, "second")):
        for cell in cells:
            print(printable(f"Only in the {side}: {cell.model.name} on {cell.title}"))
    if not (found.pairs or found.lost):
        print("Nothing to compare: the two share no cell.")
