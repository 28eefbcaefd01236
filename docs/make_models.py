"""Makes the tables of docs/models.md from the published figures and the zoo's own files.

    python docs/make_models.py

`tests/test_zoo_docs.py` holds the page to what is counted.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.records import Model, ModelSpec
from bench.zoo import FAMILIES, family_named, published, realize
from bench.zoo.conventions import params_by
from bench.zoo.published import Row
from bench.zoo.schemes import SCHEMES

PAGE = Path(__file__).with_name("models.md")

Cells = Sequence[str]


def main() -> None:
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as folder:
        tables = {
            "families": families(),
            "schemes": schemes(),
            "complexity": complexity(Path(folder), published.rows()),
            "wrong": wrong(Path(folder)),
            "parameters": parameters(Path(folder), skip=()),
        }
    for name, rows in tables.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = table(rows) + "\n"
        text = mark.sub(lambda found, body=body: found[1] + body + found[2], text)
    PAGE.write_text(text)


def table(rows: Iterable[Cells]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def families() -> list[Cells]:
    rows: list[Cells] = [("family", "axes and their defaults")]
    for name in FAMILIES:
        axes = family_named(name).axes
        rows.append((f"`{name}`", ", ".join(f"`{key}` {axes[key].default}" for key in axes)))
    return rows


def schemes() -> list[Cells]:
    rows: list[Cells] = [("scheme", "recipe", "what it does", "least dB")]
    for name, scheme in SCHEMES.items():
        for recipe, words in scheme.recipes.items():
            rows.append((f"`{name}`", f"`{recipe}`", words, f"{scheme.least_snr_db:g}"))
    return rows


def complexity(folder: Path, rows: Iterable[Row]) -> list[Cells]:
    """Printed against counted, one row a network and printed figure."""
    found: dict[tuple[str, str], Cells] = {}
    for row in rows:
        if row.family not in FAMILIES or row.macs_m is None or row.macs_kind in (None, "wrong"):
            continue
        model = _model(row, folder)
        name = model.name.removesuffix("_float32")
        source = row.source.partition(",")[0]
        cells = (
            f"`{name}`",
            f"{row.macs_m:g}",
            str(row.macs_kind),
            _millions(model.macs_conv),
            _millions(model.macs),
            source,
        )
        found.setdefault((name, f"{row.macs_m:g} {source}"), cells)
    head = ("network", "printed", "it counts", "convolutions", "and fully connected", "source")
    return [head, *found.values()]


def wrong(folder: Path) -> list[Cells]:
    rows: list[Cells] = [("network", "printed", "right", "source")]
    seen = set()
    for row in published.rows():
        if row.macs_kind == "wrong" and row.family in FAMILIES:
            name = _model(row, folder).name.removesuffix("_float32")
            if name not in seen:
                source = row.source.removesuffix(", uint8, quantization-aware training")
                rows.append((f"`{name}`", f"{row.macs_m:g}", f"{row.right_macs_m:g}", source))
            seen.add(name)
    return rows


def parameters(folder: Path, skip: Iterable[str]) -> list[Cells]:
    """Parameters without top, each by the way of counting that gives the printed number."""
    rows: list[Cells] = [("network", "printed", "counted", "by")]
    for row in published.rows():
        convention = row.family in FAMILIES and family_named(row.family).params_convention
        if row.params_without_top is None or not convention or row.family in skip:
            continue
        axes = {**row.axes, "resolution": 32} if row.family == "vgg16" else row.axes
        model = realize(ModelSpec(family=row.family, axes=axes), folder)
        counted = params_by(convention, Path(model.path))
        Path(model.path).unlink()
        rows.append((str(row.label), f"{row.params_without_top:,}", f"{counted:,}", convention))
    return rows


def _model(row: Row, folder: Path) -> Model:
    return realize(ModelSpec(family=row.family, axes=row.axes), folder)


def _millions(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.2f}"


if __name__ == "__main__":
    main()
