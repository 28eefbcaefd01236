"""Which plots a page shows, and what it says below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.frame.cells import Cell, frame_of_cells
from bench.records import Config, Published, device_id
from bench.report import plots, text
from bench.report.collect import Collection
from bench.report.frames import samples_frame
from bench.report.plots.complexity import ERRORS
from bench.report.plots.drawing import groups, tells, told
from bench.report.plots.samples import MOST_ROWS
from bench.report.plots.schemes import has_groups, speed_ups
from bench.report.svg import inline_svg

MOST_FACETS = 6  # plots of one kind, a config each
# Doubts that the order of the samples may explain, and how many trials are drawn for them.
IN_TIME, MOST_DOUBTFUL = ("drifting", "bimodal", "wide", "throttled", "hot start"), 4
PUBLISHED, MEASURED = ERRORS["published"], ERRORS["measured"]
MOST_DATASETS = 3  # that measured errors are drawn of
MOST_SENTENCES = 3  # devices that a caption speaks of


class Plot(NamedTuple):
    """A figure of the page."""

    name: str
    svg: Markup
    caption: str


def figures(collection: Collection, chosen: dict[str, Published]) -> list[Plot]:
    """The plots that these cells have something to say in."""
    ranks = {device_id(device): rank for rank, device in enumerate(collection.devices)}
    ordered = sorted(collection.cells, key=lambda cell: ranks[cell.device_id])
    cells = _frame(ordered, collection.titles, chosen)
    facets = [
        (config, cells[[cell.config == config for cell in ordered]])
        for config in collection.configs[:MOST_FACETS]
    ]
    drawn = [
        *_per_config("latency", plots.latency_vs_macs, facets, ("macs", "median_us"),
                     lambda config: _latency_caption(collection, config)),
        *_errors(cells),
        *_per_config("error-latency", plots.error_vs_latency, facets[:1], ("median_us", PUBLISHED),
                     lambda config: _ERROR_LATENCY + _only(config, collection)),
        *_measured_errors(cells, facets[:1], collection),
        *_comparisons(cells),
        *_groups(facets, collection),
        *_spread(ordered, collection),
        *_doubtful(ordered, collection.titles),
    ]  # fmt: skip
    return [page_plot(name, figure, caption) for name, figure, caption in drawn]


_ERROR_LATENCY = (
    "Published top-1 error against measured latency. On the steps lie the models that no other"
    " beats in both."
)
Drawn = tuple[str, Figure, str]
Facets = Sequence[tuple[Config, pd.DataFrame]]


def _frame(
    cells: Sequence[Cell], titles: dict[str, str], chosen: dict[str, Published]
) -> pd.DataFrame:
    """The cells as a frame, with the titles that the page shows."""
    frame = frame_of_cells(cells, chosen)
    frame["device"] = [titles[cell.device_id] for cell in cells]
    return frame


def _per_config(
    name: str,
    draw: Callable[[pd.DataFrame], Figure],
    facets: Facets,
    needs: tuple[str, ...],
    caption: Callable[[Config], str],
) -> Iterator[Drawn]:
    for number, (config, cells) in enumerate(facets, start=1):
        if tells(cells, *needs):
            lead = f"{_capital(text.config_title(config))}. " if len(facets) > 1 else ""
            yield f"{name}-{number}", draw(cells), lead + caption(config)


def _errors(cells: pd.DataFrame) -> Iterator[Drawn]:
    if tells(cells, "macs", PUBLISHED):
        yield (
            "error-macs",
            plots.error_vs_macs(cells),
            "Top-1 error on ImageNet as others printed it, against complexity as counted; the"
            " lines are the papers’ own. Nothing of this was measured by the sweep.",
        )


def _measured_errors(
    cells: pd.DataFrame, facets: Facets, collection: Collection
) -> Iterator[Drawn]:
    """Measured errors, a data set each: errors on two of them do not compare."""
    found = groups(told(cells, MEASURED), "measured_dataset")
    for number, (dataset, of_dataset) in enumerate(found[:MOST_DATASETS], start=1):
        runtimes = sorted(set(of_dataset["measured_runtime"].astype(str)))
        origin = text.clean(f"on {dataset}, with {', '.join(runtimes)}", 300)
        if tells(of_dataset, "macs", MEASURED):
            yield (
                f"measured-error-macs-{number}",
                plots.error_vs_macs(of_dataset, "measured"),
                f"Top-1 error of the very files that ran here, measured {origin}, as the sweep"
                " tells.",
            )
        for config, of_config in facets:
            both = of_config[
                (of_config["measured_dataset"] == dataset).to_numpy(dtype=bool, na_value=False)
            ]
            if tells(both, "median_us", MEASURED):
                yield (
                    f"measured-error-latency-{number}",
                    plots.error_vs_latency(both, "measured"),
                    f"Top-1 error, measured {origin}, against measured latency."
                    + _only(config, collection),
                )


def _comparisons(cells: pd.DataFrame) -> Iterator[Drawn]:
    """Plots that need two schemes, two numbers of threads or two devices."""
    measured = told(cells, "median_us")
    if len(speed_ups(cells)):
        yield (
            "quantization",
            plots.quantization(cells),
            "Each point is a network against itself in float32, with the same config.",
        )
    if measured["threads"].nunique() > 1:
        yield (
            "threads",
            plots.thread_scaling(cells),
            "A line a model; the dotted one would be full use of every thread.",
        )
    if measured["affinity"].nunique() > 1:
        yield (
            "affinity",
            plots.affinity_scaling(cells),
            "A line a model and config, against the cores that the system chose for it.",
        )
    if _shared(measured):
        yield (
            "devices",
            plots.device_vs_device(cells),
            "A point a model and config that both devices measured. Below the dashed line a"
            " device is faster than the first.",
        )


def _groups(facets: Facets, collection: Collection) -> Iterator[Drawn]:
    for config, cells in facets[:1]:
        if has_groups(cells):
            caption = "A line a width: along it complexity is about equal, and latency is not."
            yield "groups", plots.groups_vs_latency(cells), caption + _only(config, collection)


def _spread(cells: Sequence[Cell], collection: Collection) -> Iterator[Drawn]:
    for config in collection.configs[:1]:
        shown = [cell for cell in cells if cell.config == config and cell.measurements]
        if 1 < len(shown) <= MOST_ROWS:
            samples = pd.concat(
                samples_frame(cell, done, collection.titles, done.trial.measurement.samples_us)
                for cell in shown
                for done in cell.done
                if done.trial.measurement is not None
            )
            caption = (
                "Samples of all repetitions about their median: the middle half, and the 5th to the"
                " 95th percentile."
            )
            yield "spread", plots.distributions(samples), caption + _only(config, collection)


def _doubtful(cells: Sequence[Cell], titles: dict[str, str]) -> Iterator[Drawn]:
    """The samples of doubtful trials in order, those of the first kinds first."""
    found = [
        (min(IN_TIME.index(kind) for kind in kinds), cell, done, measured.samples_us)
        for cell in cells
        for done in cell.done
        if (measured := done.trial.measurement)
        and (kinds := {doubt.kind for doubt in done.trial.doubts}.intersection(IN_TIME))
    ]
    shown = sorted(found, key=lambda one: one[0])[:MOST_DOUBTFUL]
    if shown:
        samples = pd.concat(
            samples_frame(cell, done, titles, told) for _, cell, done, told in shown
        )
        more = f" {len(found) - len(shown)} more are not drawn." if len(found) > len(shown) else ""
        yield (
            "doubtful",
            plots.time_series(samples),
            "Samples of doubtful trials in the order they were taken, to see whether they"
            f" drift, jump or scatter.{more}",
        )


def _only(config: Config, collection: Collection) -> str:
    return f" With {text.config_title(config)}." if len(collection.configs) > 1 else ""


def _shared(measured: pd.DataFrame) -> bool:
    """Whether the first device and another measured the same."""
    same = ["model", "model_sha256", "threads", "delegate", "affinity", "xnnpack"]
    ids = measured["device_id"].astype(str).to_numpy()
    first = measured[ids == ids[0]] if len(ids) else measured
    others = measured[ids != ids[0]] if len(ids) else measured
    return not first[same].merge(others[same], on=same).empty


def page_plot(name: str, figure: Figure, caption: str) -> Plot:
    """A figure as a part of the page."""
    title = figure.axes[0].get_title(loc="left").replace("\n", " – ")
    return Plot(name, inline_svg(figure, name=name, title=title, description=caption), caption)


def _latency_caption(collection: Collection, config: Config) -> str:
    """What more MACs cost on each device, from the family with the widest span."""
    of_config = [cell for cell in collection.cells if cell.config == config]
    sentences = [
        sentence
        for device in [d for d in collection.devices if not d.emulated][:MOST_SENTENCES]
        for sentence in _span(
            collection.titles[device_id(device)],
            [cell for cell in of_config if cell.device_id == device_id(device)],
        )
    ]
    return " ".join([*sentences, "Whiskers are the median’s 95 % interval over all repetitions."])


def _span(title: str, cells: Sequence[Cell]) -> Iterator[str]:
    families: dict[str, list[tuple[int, float, str]]] = {}
    for cell in cells:
        model = cell.model
        if cell.latency and model.macs and model.family and model.quantization == "float32":
            point = (model.macs, cell.latency.median, text.clean(model.name, 40))
            families.setdefault(model.family, []).append(point)
    widest = max(families.values(), key=lambda f: max(f)[0] / min(f)[0], default=[])
    if not widest or max(widest)[0] == min(widest)[0]:
        return
    large, small = max(widest), min(widest)
    macs, latency = large[0] / small[0], large[1] / small[1]
    yield (
        f"On {title}, {large[2]} has {macs:.1f} times the MACs of {small[2]} and takes"
        f" {latency:.1f} times as long."
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
