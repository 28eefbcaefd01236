"""An error that the user measured: from the sweep file to the table, never among the published."""

from __future__ import annotations

from pathlib import Path

import fabricated as made
import msgspec
import pytest
from tiny_models import conv_net

import bench
from bench import sweep, zoo
from bench.errors import SweepError, UsageError
from bench.records import Measured, Model

PHONE = made.phone()
FASHION = Measured(
    top1_error_pct=8.85, dataset="Fashion-MNIST test", runtime="ai-edge-litert 2.3.0"
)
TOLD = (
    'measured = { top1_error_pct = 8.85, dataset = "Fashion-MNIST test",'
    ' runtime = "ai-edge-litert 2.3.0" }\n'
)
MODELS = '[[models]]\nfamily = "mobilenet_v1"\n'


def load(folder: Path, text: str) -> sweep.Sweep:
    file = folder / "s.toml"
    file.write_text(text)
    return sweep.load(file)


def with_error(net: Model, error_pct: float, dataset: str = FASHION.dataset) -> Model:
    told = msgspec.structs.replace(FASHION, top1_error_pct=error_pct, dataset=dataset)
    return msgspec.structs.replace(net, measured=told)


def page_of(results: Path, nets: list[Model]) -> str:
    run = made.write_run(results, [PHONE], nets, made.grid([PHONE], nets))
    return bench.render_report(run).read_text(encoding="utf-8")


def test_a_sweep_tells_it_of_a_family_or_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(conv_net())
    loaded = load(tmp_path, MODELS + TOLD + '[[models]]\nfiles = "net.tflite"\n' + TOLD)
    assert [spec.measured for spec in loaded.models] == [FASHION, FASHION]
    assert zoo.realize(loaded.models[1], tmp_path).measured == FASHION
    assert load(tmp_path, MODELS).models[0].measured is None


def test_it_is_of_the_quantized_model_and_not_of_its_float_parent(tmp_path: Path) -> None:
    (spec,) = load(tmp_path, MODELS + 'quantization = "int8"\n' + TOLD).models
    parent = zoo.parent_of(spec)
    assert parent is not None
    assert parent.measured is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MODELS + "measured = 8.85\n", "line 3: measured: Expected `object`"),
        (MODELS + TOLD.replace("8.85", "101"), "line 3: measured: an error rate lies between"),
        (MODELS + TOLD.replace("8.85", "nan"), "line 3: measured: an error rate lies between"),
        (MODELS + TOLD.replace("8.85", '"8"'), "line 3: measured: Expected `float`"),
        (
            MODELS + TOLD.replace("Fashion-MNIST test", " "),
            "line 3: measured: dataset and runtime have 1",
        ),
        (MODELS + TOLD.replace("dataset", "data_set"), "line 3: measured: .*`data_set`"),
        (MODELS + "measured = { top1_error_pct = 1 }\n", "line 3: measured: .*`dataset`"),
        (
            MODELS + "alpha = [1.0, 0.5]\n" + TOLD,
            "line 4: measured is of one model, and this table asks for 2",
        ),
        (
            MODELS + 'quantization = ["float32", "int8"]\n' + TOLD,
            "line 4: measured is of one model, and this table asks for 2",
        ),
    ],
)
def test_nonsense_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        load(tmp_path, text)


def test_frames_tell_it_in_columns_of_its_own(tmp_path: Path) -> None:
    nets = [with_error(made.MOBILENETS[0], 8.85), made.MOBILENETS[1]]
    run = made.write_run(tmp_path, [PHONE], nets, made.grid([PHONE], nets))
    for frame in (bench.load(run), bench.load_cells(run)):
        told = frame.set_index("model")
        assert told.loc[nets[0].name, "measured_top1_error_pct"] == 8.85
        assert told.loc[nets[0].name, "measured_dataset"] == "Fashion-MNIST test"
        assert told.loc[nets[0].name, "measured_runtime"] == "ai-edge-litert 2.3.0"
        assert told.loc[nets[0].name, "published_top1_error_pct"] == 29.4
        assert told["measured_top1_error_pct"].isna().tolist() == [False, True]


def test_the_page_shows_it_beside_the_published_with_data_set_and_runtime(tmp_path: Path) -> None:
    html = page_of(
        tmp_path,
        [with_error(net, error) for net, error in zip(made.MOBILENETS, (7, 8, 9, 11), strict=True)],
    )
    assert 'data-key="measured"' in html
    assert 'data-key="error"' in html
    assert "on Fashion-MNIST test, with ai-edge-litert 2.3.0" in html
    assert 'id="plot-measured-error-macs-1"' in html
    assert 'id="plot-measured-error-latency-1"' in html


def test_a_page_without_any_has_no_column_and_no_plot_of_it(tmp_path: Path) -> None:
    html = page_of(tmp_path, list(made.MOBILENETS))
    assert "Measured top-1 error" not in html
    assert "measured-error" not in html


def test_the_lowest_of_a_level_is_marked_within_its_data_set_alone(tmp_path: Path) -> None:
    nets = [
        with_error(made.model("a"), 8.0),
        with_error(made.model("b"), 9.0),
        with_error(made.model("c"), 1.0, "other data"),
        with_error(made.model("d", macs=1_000_000), 50.0),
    ]
    html = page_of(tmp_path, nets)
    assert html.count('class="best" data-number="8.0"') == 1
    for other in ("9.0", "1.0", "50.0"):
        assert f'class="best" data-number="{other}"' not in html


def test_errors_on_two_data_sets_are_not_drawn_together(tmp_path: Path) -> None:
    nets = [
        with_error(made.MOBILENETS[0], 8.0),
        with_error(made.MOBILENETS[1], 9.0, "$other$ <data>"),
    ]
    html = page_of(tmp_path, nets)
    assert "plot-measured-error-macs-2" in html
    assert "$other$ &lt;data&gt;" in html
    cells = bench.load_cells(tmp_path)
    with pytest.raises(UsageError, match="measured on 2 data sets"):
        bench.plot.error_vs_macs(cells, "measured")
    one = cells[cells["measured_dataset"] == FASHION.dataset]
    assert "Measured" in bench.plot.error_vs_latency(one, "measured").axes[0].get_title(loc="left")
