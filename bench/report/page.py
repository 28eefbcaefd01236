"""The page: what the template is given, and the template's rules."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench import __version__
from bench.frame.cells import Cell
from bench.frame.trials import published_of
from bench.records import Published, device_id, encode
from bench.report import figures, findings, provenance, sustained, text, traces
from bench.report.collect import Collection, mixed
from bench.report.grid import grid

HERE = Path(__file__).parent
FIRST_ROWS = 200  # of the table are laid out at first, where it can show more when asked
MOST_UNFOLDED = 1000  # trials that a browser lays out at once without a pause


def html(collection: Collection, reload_s: float | None = None) -> str:
    """The whole page; the same runs make the same page.

    With `reload_s` it loads itself anew after so many seconds and keeps its place.
    """
    anchors = {id(cell): anchor_of(cell) for cell in collection.cells}
    chosen = published_of(collection.runs)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    page: str = _template().render(
        collection=collection,
        reload_s=reload_s,
        titles=collection.titles,
        heading=_heading(collection),
        statuses=_statuses(collection),
        measured_on=_dates(collection),
        mixed=mixed(collection),
        grid=grid(collection, chosen, anchors),
        printed=_printed(collection),
        anchors=anchors,
        plots=figures.figures(collection, chosen),
        sustained=sustained.section(collection),
        failures=findings.failures(collection.cells),
        doubts=findings.doubts(collection.cells),
        traces=traces.traces(collection, anchors),
        first_rows=FIRST_ROWS,
        folded=len(collection.done) > MOST_UNFOLDED,
        provenance=provenance.provenance(collection),
        version=__version__,
        text=text,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 -- our own
        script=Markup(script),  # noqa: S704 -- our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page


def anchor_of(cell: Cell) -> str:
    """Where a cell's trials are told: the same in every report that it stands in."""
    place = (cell.device_id, cell.model.name, cell.trials[0].model_sha256, encode(cell.config))
    return f"cell-{hashlib.sha256(repr(place).encode()).hexdigest()[:12]}"


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"id": id, "device_id": device_id}
    environment.filters["breakable"] = breakable
    return environment.get_template("page.html.j2")


def breakable(name: str) -> Markup:
    """A name that may be broken after an underscore, where it must."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def _heading(collection: Collection) -> str:
    names = dict.fromkeys(text.clean(run.plan.name) for run in collection.runs)
    return ", ".join(names)


def _printed(collection: Collection) -> list[tuple[str, Published]]:
    """Every published error of the models, also those that the table does not show."""
    models = {cell.model.name: cell.model for cell in collection.cells}
    return [(name, told) for name, model in models.items() for told in model.published]


def _statuses(collection: Collection) -> dict[str, int]:
    """How many trials ended how; `left` is what the plans ask for beyond them."""
    ends = [done.trial.status for done in collection.done]
    told = {status: ends.count(status) for status in ("ok", "failed", "skipped")}
    return told | {"left": max(collection.planned - len(ends), 0)}


def _dates(collection: Collection) -> str:
    started = sorted(run.plan.created_at for run in collection.runs)
    first, last = text.day(started[0]), text.day(started[-1])
    return first if first == last else f"{first} to {last}"
