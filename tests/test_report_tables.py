"""The comparison: pairs, levels, what is best, and which published error is shown."""

from __future__ import annotations

from pathlib import Path

import fabricated as made

from bench.frame.published import choose
from bench.records import Config, Model, Published
from bench.report.collect import collect
from bench.report.tables import Level, comparison, paired

PHONE = made.phone()


def levels(tmp_path: Path, models: tuple[Model, ...], **told: object) -> list[Level]:
    trials = made.grid([PHONE], models, **told)  # type: ignore[arg-type]
    collection = collect(made.write_run(tmp_path, [PHONE], models, trials))
    return comparison(collection.cells, collection.devices, choose(models))


def test_pairs_are_those_of_the_shufflenet_paper() -> None:
    pairs = {net.scale: paired(net, made.MOBILENETS) for net in made.SHUFFLENETS}
    assert {scale: pair and pair.alpha for scale, pair in pairs.items()} == {
        2.0: 1.0, 1.5: 0.75, 1.0: 0.5, 0.5: 0.25,
    }  # fmt: skip


def test_a_mobilenet_has_no_pair_and_neither_has_what_is_far_from_all() -> None:
    assert paired(made.MOBILENETS[0], made.MOBILENETS) is None
    assert paired(made.shufflenet(0.25, 3, 13, 55.0), made.MOBILENETS) is None


def test_a_pair_has_the_same_resolution_and_quantization() -> None:
    net = made.SHUFFLENETS[0]
    other = made.mobilenet(1.0, 524, 4.2, 30.0)
    assert paired(net, [Model(**{**_told(other), "resolution": 192})]) is None
    assert paired(net, [Model(**{**_told(other), "quantization": "int8"})]) is None
    assert paired(net, [other]) == other


def test_rows_of_like_complexity_stand_together(tmp_path: Path) -> None:
    found = levels(tmp_path, (*made.MOBILENETS, *made.SHUFFLENETS))
    assert [len(level.rows) for level in found] == [2, 2, 2, 2]
    assert [row.model.family for row in found[0].rows] == ["mobilenet_v1", "shufflenet_v1"]


def test_the_delta_is_how_much_lower_the_published_error_is(tmp_path: Path) -> None:
    found = levels(tmp_path, (*made.MOBILENETS, *made.SHUFFLENETS))
    deltas = [round(row.delta_pct, 1) for level in found for row in level.rows if row.delta_pct]
    assert deltas == [3.1, 3.1, 3.9, 7.8]


def test_the_fastest_of_a_level_is_marked_and_all_that_meet_its_interval(tmp_path: Path) -> None:
    nets = [made.model(f"net{n}", macs=100_000_000) for n in range(3)]
    trials = [
        made.trial(PHONE, nets[0], samples_us=[100.0 + n for n in range(20)]),
        made.trial(PHONE, nets[1], samples_us=[105.0 + n for n in range(20)]),
        made.trial(PHONE, nets[2], samples_us=[200.0 + n for n in range(20)]),
    ]
    collection = collect(made.write_run(tmp_path, [PHONE], nets, trials))
    (level,) = comparison(collection.cells, collection.devices, {})
    assert [row.entries[0].best for row in level.rows] == [True, True, False]


def test_more_threads_do_not_make_a_model_the_best_of_its_level(tmp_path: Path) -> None:
    configs = (Config(), Config(threads=4))
    (level, *_) = levels(
        tmp_path, (made.MOBILENETS[0], made.SHUFFLENETS[0]), configs=configs, repetitions=2
    )
    best = {(r.model.family, r.config.threads): r.entries[0].best for r in level.rows}
    assert best == {
        ("mobilenet_v1", 1): True, ("mobilenet_v1", 4): True,
        ("shufflenet_v1", 1): False, ("shufflenet_v1", 4): False,
    }  # fmt: skip


def test_nothing_is_the_best_of_an_emulated_device(tmp_path: Path) -> None:
    """Its times are the translator's, and do not even compare models with each other."""
    devices = [PHONE, made.virtual_phone(emulated=True)]
    nets = [made.MOBILENETS[0], made.SHUFFLENETS[0]]
    collection = collect(made.write_run(tmp_path, devices, nets, made.grid(devices, nets)))
    (level,) = comparison(collection.cells, collection.devices, {})
    assert [[entry.best for entry in row.entries] for row in level.rows] == [
        [True, False], [False, False],
    ]  # fmt: skip


def test_a_lone_model_is_not_the_best_of_anything(tmp_path: Path) -> None:
    found = levels(tmp_path, made.MOBILENETS)
    assert not any(row.entries[0].best for level in found for row in level.rows)


def test_published_errors_come_from_as_few_sources_as_may_be() -> None:
    def net(name: str, **errors: float) -> Model:
        published = tuple(Published(top1_error_pct=e, source=s) for s, e in errors.items())
        return made.model(name, published=published)

    nets = [net("a", first=1.0, both=2.0), net("b", both=3.0), net("c", other=4.0), net("d")]
    chosen = choose(nets)
    assert {name: told.source for name, told in chosen.items()} == {
        "a": "both", "b": "both", "c": "other",
    }  # fmt: skip


def test_a_paper_goes_before_those_who_retrained_its_networks() -> None:
    """Not its tables one by one: of few models each, they would lose to a repository's one."""
    paper, readme = "ShuffleNet, arXiv 1707.01083v2, table {}", "megvii-model, README.md"

    def net(name: str, *sources: str) -> Model:
        published = tuple(Published(top1_error_pct=30.0, source=s) for s in sources)
        return made.model(name, published=published)

    nets = [net("g1", paper.format(2)), net("g3", readme, paper.format(2)),
            net("g8", paper.format(2), paper.format(5)), net("1x", paper.format(5)),
            net("0.5x", paper.format(5)),
            *(net(name, readme) for name in ("v2 0.5x", "v2 1x", "v2 2x"))]  # fmt: skip
    chosen = {name: told.source for name, told in choose(nets).items()}
    assert chosen == {
        "g1": paper.format(2), "g3": paper.format(2), "g8": paper.format(2),
        "1x": paper.format(5), "0.5x": paper.format(5),
        "v2 0.5x": readme, "v2 1x": readme, "v2 2x": readme,
    }  # fmt: skip


def test_a_delta_of_two_papers_says_so(tmp_path: Path) -> None:
    (level, *_) = levels(tmp_path, (*made.MOBILENETS, *made.SHUFFLENETS))
    assert not level.rows[1].one_source
    printed = Published(top1_error_pct=29.4, source=made.SHUFFLENET)
    mobilenet = Model(**{**_told(made.MOBILENETS[0]), "published": (printed,)})
    (level,) = levels(tmp_path, (mobilenet, made.SHUFFLENETS[0]))
    assert level.rows[1].one_source


def test_models_that_can_not_be_counted_come_last_and_have_no_level(tmp_path: Path) -> None:
    found = levels(tmp_path, (made.model("odd", macs=None), made.MOBILENETS[0]))
    assert [level.macs for level in found] == [568_700_000, None]


def _told(model: Model) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__struct_fields__}
