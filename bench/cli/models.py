"""bench models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.screen import HostRuntime, milliseconds, print_json, print_table, printable
from bench.errors import UsageError
from bench.records import Model, ModelSpec, to_plain


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("models")(models)


def models(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SWEEP | FILE.tflite",
            help="A sweep file, or one model file. Without it: the families there are.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="One row an operator, of one model file.")
    ] = False,
    host_runtime: Annotated[
        HostRuntime | None,
        typer.Option(
            help="Also run each model once on this computer with that runtime, in a process of"
            " its own, and say what came out."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show models with their complexity, without a phone.

    Example: bench models examples/quickstart.toml
    """
    if layers and host_runtime is not None:
        raise UsageError("--layers and --host-runtime can't be had at once.")
    if source is None:
        if layers or host_runtime is not None:
            raise UsageError(
                "no model is named.", next_step="Name a sweep file, or a .tflite file."
            )
        _print_families(json)
    elif layers:
        _print_layers(source, json)
    else:
        _print_models(_made(source, host_runtime), host_runtime, json)


def _made(source: Path, host_runtime: HostRuntime | None) -> Sequence[Model]:
    from bench import zoo
    from bench.engine import make_models, model_cache
    from bench.sweep import load

    if source.suffix == ".tflite":
        return [zoo.realize(ModelSpec(file=str(source)), model_cache())]
    return make_models(load(source), host_runtime)


def _print_models(made: Sequence[Model], host_runtime: HostRuntime | None, json: bool) -> None:
    rows = [to_plain(model) | _counted(model) for model in made]
    if host_runtime is not None:
        for row in rows:
            row |= _on_host(row["path"], host_runtime)
    if json:
        print_json(rows)
        return
    columns = ["model", "quantization", "MACs (M)", "conv MACs (M)", "params (M)", "size (MB)"]
    print_table(
        columns + (["on this computer"] if host_runtime else []),
        [
            [
                row["name"],
                row["quantization"],
                _millions(row["macs"]),
                _millions(row["macs_conv"]),
                _millions(row["params"]),
                f"{row['size_bytes'] / 1e6:.2f}",
                *([_host_words(row)] if host_runtime else []),
            ]
            for row in rows
        ],
    )
    for model in made:
        if model.not_countable:
            print(printable(f"{model.name}: not countable: {model.not_countable}"))
    if len(rows) == 1:
        _print_details(rows[0])


def _counted(model: Model) -> dict[str, Any]:
    """What a model's file says beyond its record."""
    from bench.zoo.complexity import count

    plain = to_plain(count(Path(model.path)))
    wanted = ("params_without_classifier", "ops", "weight_bytes", "peak_activation_bytes",
              "largest_layer", "signatures")  # fmt: skip
    return {key: plain[key] for key in wanted}


def _print_details(row: dict[str, Any]) -> None:
    details = {
        "parameters without the classifier": f"{row['params_without_classifier']:,}",
        "operators": _listed(row["ops"]),
        "weights by type (bytes)": _listed(row["weight_bytes"]),
        "peak activation memory (bytes)": row["peak_activation_bytes"] or "not countable",
        "largest layer by MACs": row["largest_layer"] or "none",
        "signatures (MACs)": _listed(row["signatures"]),
    }
    print()
    for label, value in details.items():
        print(f"{label:34} {printable(str(value))}")


def _listed(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _on_host(path: str, host_runtime: HostRuntime) -> dict[str, Any]:
    from bench.zoo.host import run_once

    run = run_once(Path(path), runtime=host_runtime, inferences=2)
    return {
        "host_runtime": run.runtime,
        "host_version": run.version,
        "host_error": run.error,
        "host_second_inference_us": None if run.error else run.seconds[-1] * 1e6,
        "host_outputs": [to_plain(output) for output in run.outputs],
    }


def _host_words(row: dict[str, Any]) -> str:
    runtime = f"{row['host_runtime']} {row['host_version'] or ''}".strip()
    if row["check"] is not None and row["check"]["reason"] is not None:
        return f"{runtime}: {row['check']['reason']}"
    if row["host_error"] is not None:
        return f"{runtime} fails: {row['host_error']}"
    return f"{runtime} runs it in {milliseconds(row['host_second_inference_us'])} ms"


def _print_layers(source: Path, json: bool) -> None:
    from bench.zoo.complexity import count

    counted = count(source).layers
    if json:
        print_json(counted)
        return
    print_table(
        ("graph", "index", "op", "name", "shape", "MACs", "params", "weight bytes", ""),
        [
            (
                layer.graph,
                layer.index,
                layer.op,
                layer.name,
                "x".join(map(str, layer.shape)) if layer.shape is not None else None,
                layer.macs,
                layer.params,
                layer.weight_bytes,
                layer.not_countable,
            )
            for layer in counted
        ],
    )


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
