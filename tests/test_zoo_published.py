"""The zoo's networks have the complexities that the papers printed for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.errors import ModelError
from bench.records import Model, ModelSpec
from bench.sweep import load
from bench.zoo import FAMILIES, check, family_named, published, realize
from bench.zoo.conventions import params_by
from bench.zoo.published import Row

HEAVY = ("vgg16", "resnet101", "inception_resnet_v2")  # more than 100 MB a file


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@cache
def _made(family: str, axes: tuple[tuple[str, object], ...], folder: Path) -> Model:
    model = realize(ModelSpec(family=family, axes=dict(axes)), folder)  # type: ignore[arg-type]
    Path(model.path).unlink()
    return model


def counted_m(row: Row, folder: Path) -> float:
    """Million MACs of the row's network, counted as the row counts."""
    model = _made(row.family, tuple(row.axes.items()), folder)
    macs = model.macs_conv if row.macs_kind == "conv" else model.macs
    assert macs is not None
    return macs / 1e6


def rows(*kinds: str) -> list[Row]:
    """Rows of the zoo's networks with these kinds of printed complexity."""
    return [
        row
        for row in published.rows()
        if row.family in FAMILIES and row.family not in HEAVY and row.macs_kind in kinds
    ]


def test_printed_complexities_are_reproduced_to_a_million(folder: Path) -> None:
    """Tables round, cut and round up: the printed million is next to the counted number."""
    for row in rows("conv", "conv+fc"):
        assert row.macs_m is not None
        assert abs(counted_m(row, folder) - row.macs_m) < 1, row


def test_every_published_family_is_among_the_reproduced() -> None:
    assert len(rows("conv", "conv+fc")) >= 90
    assert {row.family for row in rows("conv", "conv+fc")} == {
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilenet_v3",
        "shufflenet_v1",
        "shufflenet_v2",
    }


def test_a_complexity_that_stands_for_a_class_is_near_its_networks(folder: Path) -> None:
    for row in rows("nominal"):
        assert row.macs_m is not None
        assert abs(counted_m(row, folder) / row.macs_m - 1) < 0.08, row


def test_wrong_figures_are_named_with_the_right_one_beside_them(folder: Path) -> None:
    wrong = rows("wrong")
    for row in wrong:
        assert row.macs_m is not None
        assert row.right_macs_m is not None
        assert abs(row.macs_m / row.right_macs_m - 1) > 0.02
        assert round(counted_m(row, folder), 1) == row.right_macs_m
    slim = {
        (row.alpha, row.resolution, row.macs_m, row.right_macs_m)
        for row in wrong
        if row.family == "mobilenet_v1"
    }
    assert slim == {
        (0.75, 224, 317, 325.4),
        (0.75, 192, 233, 239.3),
        (0.75, 160, 162, 166.4),
        (0.75, 128, 104, 106.8),
        (0.25, 192, 34, 30.2),
    }


@pytest.mark.parametrize(("groups", "printed"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)])
def test_shufflenet_s_first_table_counts_convolutions_alone(
    groups: int, printed: int, folder: Path
) -> None:
    axes = (("scale", 1.0), ("groups", groups))
    macs_conv = _made("shufflenet_v1", axes, folder).macs_conv
    assert macs_conv is not None
    assert round(macs_conv / 1e6) == printed


@pytest.mark.parametrize(
    ("label", "params_without_top"),
    [
        ("VGG-16", 14_714_688),
        ("MobileNet", 3_191_072),
        ("Inception V2", 10_173_112),
        ("ResNet-101", 42_605_504),
        ("Inception V3", 21_802_784),
        ("Inception-ResNet V2", 54_336_736),
    ],
)
def test_parameters_without_top_are_reproduced_by_the_convention_that_the_family_names(
    label: str, params_without_top: int, folder: Path
) -> None:
    (row,) = [row for row in published.rows() if row.label == label and row.params_without_top]
    assert row.params_without_top == params_without_top
    family = family_named(row.family)
    # The convolutions are the same at any resolution, and VGG's file is small at a low one.
    axes = {**row.axes, "resolution": 32} if row.family == "vgg16" else row.axes
    model = realize(ModelSpec(family=row.family, axes=axes), folder)
    assert family.params_convention is not None
    assert params_by(family.params_convention, Path(model.path)) == params_without_top
    Path(model.path).unlink()


def test_an_unknown_convention_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no way to count parameters called 'half'.*four numbers"):
        params_by("half", tmp_path)


def test_the_comparison_stands_in_the_papers_order_with_its_pairs() -> None:
    assert [
        (row.label, row.macs_m, row.top1_error_pct, row.delta_pct, row.paired_with)
        for row in published.comparison()
    ] == [
        ("1.0 MobileNet-224", 569, 29.4, None, None),
        ("ShuffleNet 2x (g=3)", 524, 29.1, 0.3, "1.0 MobileNet-224"),
        ("0.75 MobileNet-224", 325, 31.6, None, None),
        ("ShuffleNet 1.5x (g=3)", 292, 31.0, 0.6, "0.75 MobileNet-224"),
        ("0.5 MobileNet-224", 149, 36.3, None, None),
        ("ShuffleNet 1x (g=3)", 140, 34.1, 2.2, "0.5 MobileNet-224"),
        ("0.25 MobileNet-224", 41, 49.4, None, None),
        ("ShuffleNet 0.5x (arch2, g=8)", 40, 42.7, 6.7, "0.25 MobileNet-224"),
        ("ShuffleNet 0.5x (shallow, g=3)", 40, 45.2, 4.2, "0.25 MobileNet-224"),
    ]


def test_every_published_delta_is_the_difference_of_the_pair() -> None:
    by_source: dict[str, dict[str | None, Row]] = {}
    for row in published.rows():
        if row.delta_pct is not None or "MobileNet-224" in (row.label or ""):
            by_source.setdefault(row.source, {})[row.label] = row
    for labelled in by_source.values():
        for row in labelled.values():
            if row.paired_with is not None:
                pair = labelled[row.paired_with]
                assert pair.top1_error_pct is not None
                assert row.top1_error_pct is not None
                assert row.delta_pct == pytest.approx(pair.top1_error_pct - row.top1_error_pct)


def test_every_row_of_a_zoo_family_can_be_asked_for() -> None:
    for row in published.rows():
        if row.family in FAMILIES:
            check(ModelSpec(family=row.family, axes=row.axes))


def test_several_sources_of_one_network_stand_side_by_side() -> None:
    model = ModelSpec(family="mobilenet_v1", axes={"alpha": 1.0, "resolution": 224})
    family = family_named("mobilenet_v1")
    values = family.values(model.axes)
    found = published.lookup(family, values, "float32")
    assert {one.top1_error_pct for one in found} >= {29.4, 29.1, 29.0, 28.9}
    quantized = published.lookup(family, values, "int8")
    assert {one.top1_error_pct for one in quantized}.isdisjoint({29.4})
    assert any("quantization-aware" in one.source for one in quantized)


def test_the_six_base_networks_have_their_printed_accuracies() -> None:
    printed = {row.label: row.top1_error_pct for row in published.rows() if row.params_without_top}
    assert printed == {
        "VGG-16": 29.0,
        "MobileNet": 28.9,
        "Inception V2": 26.1,
        "ResNet-101": 23.6,
        "Inception V3": 22.0,
        "Inception-ResNet V2": 19.6,
    }


def test_every_row_names_its_source() -> None:
    assert all(len(row.source) > 20 for row in published.rows())


def test_how_a_network_is_written_does_not_change_what_was_printed_about_it() -> None:
    family = family_named("shufflenet_v1")
    axes = {"scale": 1.0, "groups": 3}
    plain = published.lookup(family, family.values(axes), "float32")
    assert 34.1 in {one.top1_error_pct for one in plain}
    for form in ({"grouped": "split"}, {"pool": "depthwise"}):
        assert published.lookup(family, family.values(axes | form), "float32") == plain
    unshuffled = published.lookup(family, family.values(axes | {"shuffle": False}), "float32")
    assert {one.top1_error_pct for one in unshuffled} == {34.5}


def test_the_example_asks_for_the_networks_of_the_comparison() -> None:
    sweep = load(Path(__file__).parents[1] / "examples" / "mobilenet_vs_shufflenet.toml")
    for spec in sweep.models:
        check(spec)
    asked = [
        (spec.family, {key: value for key, value in spec.axes.items() if key != "pool"})
        for spec in sweep.models[::2]
    ]
    wanted = [
        (row.family, {key: value for key, value in row.axes.items() if key != "resolution"})
        for row in published.comparison()
    ]
    assert sorted(asked, key=str) == sorted(wanted, key=str)
    assert {spec.quantization for spec in sweep.models} == {"float32", "int8"}
