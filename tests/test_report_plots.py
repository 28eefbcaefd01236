"""bench.plot: figures that take frames, and their form in a page."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import fabricated as made
import pandas as pd
import pytest
from matplotlib.figure import Figure

import bench
from bench.records import Config
from bench.report.plots.complexity import pareto_front
from bench.report.svg import inline_svg

PHONE, OTHER, VIRTUAL = made.phone(), made.phone("B2", model="Acme Two"), made.virtual_phone()
SCHEMES = ("float32", "float16", "int8")
CELL_PLOTS = (
    "latency_vs_macs", "error_vs_macs", "error_vs_latency", "quantization", "groups_vs_latency",
    "thread_scaling", "affinity_scaling", "device_vs_device",
)  # fmt: skip
SAMPLE_PLOTS = ("distributions", "time_series", "sustained")


def write(results: Path, devices: tuple[object, ...]) -> Path:
    nets = [
        made.model(f"m{a}{q}", family="mobilenet_v1", alpha=a, resolution=224, quantization=q,
                   macs=int(a * 5e8), size_bytes=int(a * 1e6) // (1 + SCHEMES.index(q)),
                   published=made.MOBILENETS[0].published)
        for a in (1.0, 0.5) for q in SCHEMES
    ]  # fmt: skip
    nets += [made.shufflenet(1.0, g, 140, 32.0 + g / 10) for g in (1, 3, 8)]
    configs = (Config(), Config(threads=4), Config(threads=4, affinity="big"))
    trials = made.grid(devices, nets, configs, repetitions=2)  # type: ignore[arg-type]
    return made.write_run(results, devices, nets, trials)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three devices, one of them virtual, with something to say in every plot."""
    return write(tmp_path_factory.mktemp("results"), (PHONE, OTHER, VIRTUAL))


@pytest.fixture(scope="module")
def cells(run: Path) -> pd.DataFrame:
    return bench.load_cells(run)


@pytest.fixture(scope="module")
def samples(run: Path) -> pd.DataFrame:
    return bench.load_samples(run)


def title(figure: Figure) -> str:
    return str(figure.axes[0].get_title(loc="left"))


def test_every_plot_is_public() -> None:
    assert sorted([*CELL_PLOTS, *SAMPLE_PLOTS]) == bench.plot.__all__


@pytest.mark.parametrize("name", CELL_PLOTS)
def test_a_plot_of_cells_is_well_formed_and_the_same_twice(name: str, cells: pd.DataFrame) -> None:
    drawn = [
        inline_svg(getattr(bench.plot, name)(cells), name=name, title="T", description="D <&")
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    root = ElementTree.fromstring(drawn[0])  # noqa: S314 -- our own
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    assert all(identity.startswith(name) for identity in ids)
    assert root.find("style") is None
    assert [root[0].text, root[1].text] == ["T", "D <&"]


@pytest.mark.parametrize("name", SAMPLE_PLOTS)
def test_a_plot_of_samples_is_well_formed(name: str, samples: pd.DataFrame) -> None:
    svg = inline_svg(getattr(bench.plot, name)(samples), name=name, title="T", description="D")
    assert ElementTree.fromstring(svg).tag == "svg"  # noqa: S314 -- our own


@pytest.mark.parametrize("name", [*CELL_PLOTS, *SAMPLE_PLOTS])
def test_a_plot_that_holds_a_virtual_device_says_so(
    name: str, cells: pd.DataFrame, samples: pd.DataFrame
) -> None:
    draw, frame = getattr(bench.plot, name), samples if name in SAMPLE_PLOTS else cells
    if name == "error_vs_macs":  # nothing in it was measured
        assert "virtual" not in title(draw(frame))
        return
    assert "hollow: [virtual], not a phone's latency" in title(draw(frame))
    phones = frame[~frame["virtual"].to_numpy(dtype=bool)]
    assert "virtual" not in title(draw(phones))
    assert "[virtual] not a phone's latency" in title(draw(frame[frame["virtual"]]))


def test_names_are_never_mathematics_nor_hidden(tmp_path: Path) -> None:
    devices = (made.phone(model="_$\\frac{$ <x> \u202e \x07"), made.phone("2", model="$x$"))
    frame = bench.load_cells(write(tmp_path, devices))
    for name in CELL_PLOTS:
        svg = inline_svg(getattr(bench.plot, name)(frame), name="p", title="", description="")
        if name != "error_vs_macs":
            assert "_$\\frac{$ &lt;x&gt; \ufffd \ufffd" in svg


def test_letters_that_the_plots_font_lacks_are_no_complaint(tmp_path: Path) -> None:
    frame = bench.load_cells(write(tmp_path, (made.phone(model="华为 📱 فون"),)))
    figure = bench.plot.latency_vs_macs(frame)
    assert "华为 📱 فون" in inline_svg(figure, name="p", title="", description="")


def test_no_legend_is_cut_so_that_a_mark_of_virtual_is_lost(tmp_path: Path) -> None:
    devices = tuple(
        made.virtual_phone(f"serial-{n}", model=f"A long name of a phone {'x' * 40}{n}")
        for n in range(3)
    )
    run = write(tmp_path, devices)
    for frame, names in (
        (bench.load_cells(run), CELL_PLOTS),
        (bench.load_samples(run), SAMPLE_PLOTS),
    ):
        for name in names:
            figure = getattr(bench.plot, name)(frame)
            figure.draw_without_rendering()
            box = figure.legends[0].get_window_extent()
            assert box.x1 <= figure.bbox.x1, name
            assert box.y0 >= 0, name


def test_a_frame_can_be_filtered_before_it_is_drawn(cells: pd.DataFrame) -> None:
    few = cells[(cells["threads"] == 1) & (cells["device"] == "Acme One")]
    labels = [text.get_text() for text in bench.plot.latency_vs_macs(few).legends[0].get_texts()]
    assert "Acme One" in labels
    assert "Acme Two" not in labels


def test_many_devices_are_cut_and_counted(tmp_path: Path) -> None:
    devices = tuple(made.phone(f"s{n}", model=f"Phone {n}") for n in range(11))
    trials = made.grid(devices, made.MOBILENETS[:2])
    run = made.write_run(tmp_path, devices, made.MOBILENETS[:2], trials)
    figure = bench.plot.latency_vs_macs(bench.load_cells(run))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "3 more devices are not drawn" in labels


def test_the_pareto_front_holds_what_no_other_beats() -> None:
    x, y = pd.Series([1.0, 2, 3, 4]).to_numpy(), pd.Series([9.0, 5, 6, 1]).to_numpy()
    assert pareto_front(x, y) == [(1, 9), (2, 5), (4, 1)]


def test_speed_ups_compare_a_network_with_itself_in_float32(cells: pd.DataFrame) -> None:
    from bench.report.plots.schemes import speed_ups

    frame = speed_ups(cells)
    assert set(frame["quantization"].astype(str)) == {"float16", "int8"}
    halves = frame[(frame["quantization"] == "float16").to_numpy(dtype=bool)]
    assert halves["size_share"].tolist() == [0.5] * len(halves)


def test_clocks_and_temperatures_are_drawn_below_a_sustained_run(tmp_path: Path) -> None:
    net, told = made.MOBILENETS[0], made.sustained(300, slower=1.4)
    trials = [made.trial(PHONE, net, repetition=n, sustained=told) for n in (1, 2)]
    run = made.write_run(tmp_path, [PHONE], [net], trials)
    samples, series = bench.load_samples(run), bench.load_series(run)
    alone = bench.plot.sustained(samples)
    assert len(alone.axes) == 1
    assert len(alone.axes[0].lines) == 2 + 1  # the first minute's level
    speed, clock, heat = bench.plot.sustained(samples, series).axes
    assert max(speed.lines[0].get_ydata()) == pytest.approx(140, abs=1)
    assert [max(line.get_ydata()) for line in clock.lines] == [2.8] * 4
    assert [(min(line.get_ydata()), max(line.get_ydata())) for line in heat.lines] == [(36, 66)] * 2
    labels = [text.get_text() for text in alone.legends[0].get_texts()]
    assert labels[0].endswith("× 1.40")


def test_a_trials_own_samples_are_drawn_where_none_went_on(samples: pd.DataFrame) -> None:
    assert set(samples["phase"]) == {"warm-up", "sample"}
    assert bench.plot.sustained(samples).axes[0].lines
    long = samples.assign(phase="sustained")
    assert not bench.plot.time_series(long).axes[0].lines


def test_threads_are_set_against_the_fewest_or_left_out(cells: pd.DataFrame) -> None:
    """The big cores were asked for with four threads alone."""
    axes = bench.plot.thread_scaling(cells).axes[0]
    lines = [line.get_xdata().tolist() for line in axes.get_lines()]  # type: ignore[union-attr]
    assert lines
    assert all(line[0] == 1 for line in lines if len(line))


def test_cores_are_set_against_those_that_the_system_chose(tmp_path: Path) -> None:
    net = made.MOBILENETS[0]
    latencies = {"little": 3000.0, "default": 1500.0, "big": 1000.0}
    trials = [
        made.trial(PHONE, net, config=Config(affinity=affinity), samples_us=[latency] * 9)
        for affinity, latency in latencies.items()
    ]
    run = made.write_run(tmp_path, [PHONE], [net], trials)
    axes = bench.plot.affinity_scaling(bench.load_cells(run)).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["default", "big", "little"]
    assert axes.get_lines()[0].get_ydata().tolist() == [1.0, 1.5, 0.5]  # type: ignore[union-attr]
    page = bench.render_report(run).read_text(encoding="utf-8")
    assert 'id="plot-affinity"' in page
    assert 'id="plot-threads"' not in page
