"""bench models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.screen import print_json, print_table, printable


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("models")(models)


def models(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SWEEP | FILE.tflite]",
            help="A sweep file, or one model file. Without it: the families there are.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show models with their complexity, without a phone.

    Example: bench models examples/quickstart.toml
    """
    from bench import zoo
    from bench.engine import make_models, model_cache
    from bench.records import Model, ModelSpec
    from bench.sweep import load

    if source is None:
        _print_families(json)
        return
    if source.suffix == ".tflite":
        made: tuple[Model, ...] = (zoo.realize(ModelSpec(file=str(source)), model_cache()),)
    else:
        made = make_models(load(source))
    if json:
        print_json(made)
        return
    print_table(
        ("model", "quantization", "MACs (M)", "conv MACs (M)", "params (M)", "size (MB)"),
        [
            (
                model.name,
                model.quantization,
                _millions(model.macs),
                _millions(model.macs_conv),
                _millions(model.params),
                f"{model.size_bytes / 1e6:.2f}",
            )
            for model in made
        ],
    )
    for model in made:
        if model.not_countable:
            print(printable(f"{model.name}: not countable: {model.not_countable}"))


def _print_families(json: bool) -> None:
    from bench import zoo

    rows: list[dict[str, Any]] = [
        {"family": name, "axes": {key: axis.default for key, axis in family.axes.items()}}
        for name in zoo.families()
        for family in [zoo.family_named(name)]
    ]
    if json:
        print_json(rows)
        return
    print_table(
        ("family", "axes and their defaults"),
        [(r["family"], ", ".join(f"{k} = {v}" for k, v in r["axes"].items())) for r in rows],
    )


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
