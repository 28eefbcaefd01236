"""The page: what the template is given, and the template's rules."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench import __version__
from bench.frame.cells import Cell, frame_of_cells
from bench.records import Config, Device, device_id
from bench.report import findings, plots, provenance, text, traces
from bench.report.collect import Collection, mixed
from bench.report.grid import grid
from bench.report.svg import inline_svg

HERE = Path(__file__).parent
MOST_UNFOLDED = 1000  # trials that a browser lays out at once without a pause
MOST_FACETS = 6  # plots of one kind, a config each


class Plot(NamedTuple):
    """A figure of the page."""

    name: str
    svg: Markup
    caption: str


def html(collection: Collection) -> str:
    """The whole page; the same runs make the same page."""
    anchors = {id(cell): f"cell-{n}" for n, cell in enumerate(collection.cells, start=1)}
    script = (HERE / "page.js").read_text(encoding="utf-8")
    page: str = _template().render(
        collection=collection,
        titles={device_id(d): text.title(d) for d in collection.devices},
        heading=_heading(collection),
        statuses=_statuses(collection),
        measured_on=_dates(collection),
        mixed=mixed(collection),
        grid=grid(collection, anchors),
        anchors=anchors,
        plots=list(_plots(collection)),
        failures=findings.failures(collection.cells),
        doubts=findings.doubts(collection.cells),
        traces=traces.traces(collection, anchors),
        folded=len(collection.done) > MOST_UNFOLDED,
        provenance=provenance.provenance(collection),
        version=__version__,
        text=text,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 -- our own
        script=Markup(script),  # noqa: S704 -- our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["id"] = id
    environment.filters["breakable"] = breakable
    return environment.get_template("page.html.j2")


def breakable(name: str) -> Markup:
    """A name that may be broken after an underscore, where it must."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def _heading(collection: Collection) -> str:
    names = dict.fromkeys(text.clean(run.plan.name) for run in collection.runs)
    return ", ".join(names)


def _statuses(collection: Collection) -> dict[str, int]:
    """How many trials ended how; `left` is what the plans ask for beyond them."""
    ends = [done.trial.status for done in collection.done]
    told = {status: ends.count(status) for status in ("ok", "failed", "skipped")}
    return told | {"left": max(collection.planned - len(ends), 0)}


def _dates(collection: Collection) -> str:
    started = sorted(run.plan.created_at for run in collection.runs)
    first, last = text.day(started[0]), text.day(started[-1])
    return first if first == last else f"{first} to {last}"


def _plots(collection: Collection) -> Iterator[Plot]:
    """Latency over complexity and error over latency for each config, error over complexity."""
    cells = frame_of_cells(collection.cells)
    by_config = [
        (config, cells[[cell.config == config for cell in collection.cells]])
        for config in collection.configs[:MOST_FACETS]
    ]
    several = len(by_config) > 1
    for number, (config, part) in enumerate(by_config, start=1):
        if plots.tells(part, "macs", "median_us"):
            figure = plots.latency_vs_macs(part)
            caption = _latency_caption(collection, config)
            yield _plot(figure, f"latency-{number}", caption, config if several else None)
    if plots.tells(cells, "macs", plots.ERROR):
        yield _plot(
            plots.error_vs_macs(cells),
            "error-macs",
            "Top-1 error on ImageNet as others printed it, against counted complexity. Nothing"
            " here was measured by this sweep.",
            None,
        )
    for number, (config, part) in enumerate(by_config, start=1):
        if plots.tells(part, "median_us", plots.ERROR):
            yield _plot(
                plots.error_vs_latency(part),
                f"error-latency-{number}",
                "Published top-1 error against measured latency. On the steps lie the models"
                " that no other beats in both.",
                config if several else None,
            )


def _plot(figure: Any, name: str, caption: str, config: Config | None) -> Plot:
    axes = figure.axes[0]
    title = axes.get_title(loc="left").replace("\n", " – ")
    if config is not None:
        caption = f"{text.config_title(config).capitalize()}. {caption}"
    return Plot(name, inline_svg(figure, name=name, title=title, description=caption), caption)


def _latency_caption(collection: Collection, config: Config) -> str:
    """What a cut in MACs buys on each device, from its family with the widest span."""
    told: list[str] = []
    for device in collection.devices[:3]:
        told += _span(device, [cell for cell in collection.cells if cell.config == config])
    lead = "Whiskers are the median’s 95 % interval over all repetitions."
    return " ".join([*told, lead])


def _span(device: Device, cells: list[Cell]) -> Iterator[str]:
    spans: dict[str, list[tuple[int, float, str]]] = {}
    for cell in cells:
        model = cell.model
        if cell.device_id == device_id(device) and cell.latency and model.macs and model.family:
            point = (model.macs, cell.latency.median, text.clean(model.name, 40))
            spans.setdefault(model.family, []).append(point)
    widest = max(spans.values(), key=lambda s: max(s)[0] / min(s)[0], default=[])
    if len(widest) < 2 or max(widest)[0] == min(widest)[0]:
        return
    large, small = max(widest), min(widest)
    yield (
        f"On {text.title(device, 40)}, going from {large[2]} to {small[2]} cuts MACs by"
        f" {large[0] / small[0]:.1f} and latency by {large[1] / small[1]:.1f}."
    )
