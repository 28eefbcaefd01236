"""Two runs set side by side: what is paired, what is refused, what is a verdict."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import fabricated as made
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench.errors import UsageError
from bench.frame import columns
from bench.frame.comparison import THRESHOLD
from bench.frame.ratio import METHODS, Ratio, Repetitions, method_of, ratio_of, repetitions, typical
from bench.frame.verdict import VERDICTS, holm, verdicts
from bench.records import Config, Device, Model, RunnerIdentity
from bench.report.compared import comparison_markdown
from bench.stats import ranks, student

PHONE, OTHER = made.phone(), made.phone("B2", model="Acme Two", fingerprint="acme/two")
NET, SECOND = made.MOBILENETS[0], made.MOBILENETS[1]


def run(
    results: Path,
    medians_us: dict[Model, Sequence[float]],
    device: Device = PHONE,
    runner: RunnerIdentity = made.RUNNER,
    config: Config | None = None,
) -> Path:
    """A run with one repetition of each model for each median."""
    trials = [
        made.trial(
            device, net, repetition=number, config=config, runner=runner,
            samples_us=made.samples_around(median_us, seed=round(median_us * 7) + number),
        )
        for net, medians in medians_us.items()
        for number, median_us in enumerate(medians, start=1)
    ]  # fmt: skip
    return made.write_run(results, [device], list(medians_us), trials, repetitions=9)


def ratio(
    a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], threshold: float = THRESHOLD
) -> Ratio:
    """The ratio of a single pair from the samples of its repetitions."""
    return ratio_of(repetitions(a), repetitions(b), threshold=threshold)


def cell_of(dice: random.Random, count: int, starts: Callable[[random.Random], float],
            samples: int = 9) -> list[list[float]]:  # fmt: skip
    """Repetitions whose starts scatter, with a tail to the right in each."""
    return [
        [1000 * start * (1 + dice.expovariate(60)) for _ in range(samples)]
        for start in (math.exp(starts(dice)) for _ in range(count))
    ]


def normal(dice: random.Random) -> float:
    return dice.gauss(0, 0.02)


def two_modes(dice: random.Random) -> float:
    return 0.04 * (dice.random() < 0.5) + dice.gauss(0, 0.0025)


def test_a_run_is_the_same_as_itself(tmp_path: Path) -> None:
    one = run(tmp_path, {NET: [1000, 1002, 1001, 999], SECOND: [500, 501, 500, 499]})
    compared = bench.compare(one, one)
    assert [pair.verdict for pair in compared.pairs] == ["same", "same"]
    assert [pair.ratio.ratio for pair in compared.pairs] == [1.0, 1.0]


def test_what_takes_longer_by_more_than_the_threshold_is_slower(tmp_path: Path) -> None:
    a = run(tmp_path, {NET: [1000, 1003, 998, 1001], SECOND: [500, 501, 502, 499]})
    b = run(tmp_path, {NET: [1100, 1102, 1099, 1098], SECOND: [450, 451, 449, 452]})
    compared = bench.compare(a, b)
    assert [(pair.a.model, pair.verdict) for pair in compared.pairs] == [
        (NET, "slower"), (SECOND, "faster"),
    ]  # fmt: skip
    assert compared.pairs[0].ratio.ratio == pytest.approx(1.1, abs=0.01)


def test_a_small_difference_is_not_slower_however_sure_it_is(tmp_path: Path) -> None:
    a = run(tmp_path, {NET: [1000, 1000.5, 999.5, 1000]})
    b = run(tmp_path, {NET: [1015, 1015.5, 1014.5, 1015]})
    assert bench.compare(a, b).pairs[0].verdict == "same"
    assert bench.compare(a, b, threshold=0.005).pairs[0].verdict == "slower"


def test_repetitions_that_scatter_can_not_be_told(tmp_path: Path) -> None:
    a = run(tmp_path, {NET: [1000, 1200, 900]})
    b = run(tmp_path, {NET: [1100, 1350, 950]})
    pair = bench.compare(a, b).pairs[0]
    assert pair.verdict == "can't tell"
    assert pair.reason is not None
    assert pair.ratio.low is not None
    assert pair.ratio.low < 1 < (pair.ratio.high or 0)


def test_one_repetition_tells_nothing_of_starts(tmp_path: Path) -> None:
    a, b = run(tmp_path, {NET: [1000]}), run(tmp_path, {NET: [2000]})
    pair = bench.compare(a, b).pairs[0]
    assert (pair.verdict, pair.ratio.low) == ("can't tell", None)
    assert "single repetition" in str(pair.reason)


def test_samples_do_not_stand_for_repetitions(tmp_path: Path) -> None:
    """Three starts that scatter by 5 % are not made certain by a thousand samples each."""
    dice = random.Random(1)
    sides = [
        [made.samples_around(1000 * math.exp(dice.gauss(0, 0.05)), 1000, seed=n) for n in range(3)]
        for _ in range(2)
    ]
    found = ratio(sides[0], sides[1])
    assert found.low is not None
    assert found.high is not None
    assert found.high / found.low > 1.1


@pytest.mark.parametrize("starts", [normal, two_modes])
@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(
    count: int, starts: Callable[[random.Random], float]
) -> None:
    dice = random.Random(count)
    ratios = [ratio(*(cell_of(dice, count, starts) for _ in range(2))) for _ in range(400)]
    held = sum((r.low or 9) <= 1 <= (r.high or 0) for r in ratios) / len(ratios)
    assert held >= 0.92
    assert {r.method for r in ratios} == {"t" if count < 4 else "rank"}


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_starts_in_two_modes_breed_no_false_verdict_among_many_cells(count: int) -> None:
    """Some of fifty cells have all their starts in one mode, and seem to be certain."""
    dice = random.Random(count)
    wrong = 0
    for _ in range(20):
        sides = [
            [repetitions(cell_of(dice, count, two_modes)) for _ in range(50)] for _ in range(2)
        ]
        floors = typical(sides[0]), typical(sides[1])
        ratios = [
            ratio_of(a, b, threshold=0.01, pairs=50, floors=floors)
            for a, b in zip(*sides, strict=True)
        ]
        wrong += any(verdict in ("slower", "faster") for verdict, _ in verdicts(ratios))
    assert wrong <= 2


def test_many_equal_cells_breed_no_false_verdict(tmp_path: Path) -> None:
    dice = random.Random(3)
    nets = [made.model(f"net{n}", macs=10**8 + n) for n in range(60)]

    def side() -> Path:
        medians = {n: [1000 * math.exp(dice.gauss(0, 0.012)) for _ in range(3)] for n in nets}
        return run(tmp_path, medians)

    compared = bench.compare(side(), side())
    assert {pair.ratio.method for pair in compared.pairs} == {"t"}
    assert len(compared.pairs) == 60
    assert not compared.of("slower")
    assert not compared.of("faster")


def test_what_has_no_partner_is_told_and_not_compared(tmp_path: Path) -> None:
    a = run(tmp_path, {NET: [1000, 1001]})
    b = run(tmp_path, {SECOND: [1000, 1001]})
    compared = bench.compare(a, b)
    assert compared.pairs == ()
    assert [cell.model for cell in compared.only_a] == [NET]
    assert [cell.model for cell in compared.only_b] == [SECOND]
    assert "Only in the first: mobilenet" in comparison_markdown(compared)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("library", {"runner": msgspec.structs.replace(made.RUNNER, library_sha256="f" * 64)}),
        ("runner", {"runner": msgspec.structs.replace(made.RUNNER, sha256="f" * 64)}),
        ("system", {"device": made.phone(fingerprint="acme/one:15")}),
        ("virtual", {"device": made.phone(virtual=True)}),
    ],
)
def test_what_differs_otherwise_is_refused_by_name_unless_it_is_what_is_compared(
    tmp_path: Path, field: str, change: dict[str, object]
) -> None:
    a = run(tmp_path, {NET: [1000, 1001]})
    b = run(tmp_path, {NET: [1000, 1001]}, **change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"the sides differ in {field} .*say so: differs {field}"):
        bench.compare(a, b)
    assert len(bench.compare(a, b, differs=[field]).pairs) == 1


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    a = run(tmp_path, {NET: [1000, 1001]})
    b = run(tmp_path, {msgspec.structs.replace(NET, sha256="f" * 64): [1000, 1001]})
    with pytest.raises(UsageError, match="differ in file"):
        bench.compare(a, b)


def test_trials_of_one_cell_that_differ_among_themselves_are_refused(tmp_path: Path) -> None:
    other = msgspec.structs.replace(made.RUNNER, library_sha256="f" * 64)
    mixed = [run(tmp_path, {NET: [1000]}), run(tmp_path, {NET: [1000]}, runner=other)]
    with pytest.raises(UsageError, match="in the first run differ in library"):
        bench.compare(mixed, mixed[0])


def test_two_phones_are_compared_when_that_is_asked(tmp_path: Path) -> None:
    nets = {NET: [1000, 1003, 998, 1001]}
    a, b = run(tmp_path, nets), run(tmp_path, {NET: [2000, 2006, 1996, 2001]}, device=OTHER)
    with_both = [a, b]
    compared = bench.compare(
        with_both, with_both, differs=["device"],
        a_where={"device": "Acme One"}, b_where={"device": "Acme Two"},
    )  # fmt: skip
    assert compared.pairs[0].verdict == "slower"
    assert compared.pairs[0].ratio.ratio == pytest.approx(2.0, abs=0.02)
    with pytest.raises(UsageError, match="more than one device"):
        bench.compare(with_both, with_both, differs=["device"])


def test_threads_are_compared_within_one_run(tmp_path: Path) -> None:
    trials = made.grid([PHONE], [NET], [Config(), Config(threads=4)], repetitions=4)
    one = made.write_run(tmp_path, [PHONE], [NET], trials)
    compared = bench.compare(
        one, one, differs=["threads"], a_where={"threads": "1"}, b_where={"threads": "4"}
    )
    assert compared.pairs[0].verdict == "faster"


def test_a_wrong_name_or_threshold_is_one_error(tmp_path: Path) -> None:
    one = run(tmp_path, {NET: [1000, 1001]})
    with pytest.raises(UsageError, match="'colour' can't be compared"):
        bench.compare(one, one, differs=["colour"])
    with pytest.raises(UsageError, match="threshold"):
        bench.compare(one, one, threshold=3)
    with pytest.raises(UsageError, match="no trial is of device Nokia"):
        bench.compare(one, one, a_where={"device": "Nokia"})


def test_failed_trials_and_reported_means_are_not_compared(tmp_path: Path) -> None:
    trials = [made.failed(PHONE, NET), made.reported(PHONE, SECOND)]
    one = made.write_run(tmp_path, [PHONE], [NET, SECOND], trials)
    assert bench.compare(one, one).pairs == ()
    assert "Nothing to pair" in comparison_markdown(bench.compare(one, one))


def test_a_comparison_is_a_frame_and_markdown_whatever_the_names(tmp_path: Path) -> None:
    evil = made.model("a|b `x` <script>$(id)\n*_", macs=None)
    a, b = run(tmp_path, {evil: [1000, 1001]}), run(tmp_path, {evil: [2000, 2001]})
    compared = bench.compare(a, b)
    assert list(compared.frame().columns) == [column.name for column in columns.PAIR_COLUMNS]
    assert columns.VERDICTS == VERDICTS
    assert compared.frame()["model"].tolist() == [evil.name]
    assert "<script>" not in compared._repr_html_()
    row = comparison_markdown(compared).splitlines()[-1]
    assert row.replace("\\|", "").count("|") == 9
    assert "\\<script\\>" in row


def test_markdown_of_hundreds_of_cells_fits_into_a_comment(tmp_path: Path) -> None:
    """Of a pull request on GitHub, which takes 65,536 characters."""
    device = made.phone(model="|" * 100)
    nets = [made.model(f"{n}" + "_" * 60, macs=n + 1) for n in range(400)]
    sides = []
    for times in (1.0, 1.5):
        slow = [[9.99, 10.0, 10.01], [9.99 * times, 10.0 * times, 10.01 * times]]
        trials = [
            made.trial(device, net, repetition=r, samples_us=[1e3 * us] * 6)
            for n, net in enumerate(nets)
            for r, us in enumerate(slow[n % 2])
        ]
        sides.append(made.write_run(tmp_path, [device], nets, trials, repetitions=3))
    found = bench.compare(*sides)
    assert len(found.of("slower")) == len(found.of("same")) == 200
    told = comparison_markdown(found)
    assert len(told) < 65_536
    rows = told.count("**slower**")
    assert 0 < rows < 200
    assert f"and {200 - rows} more" in told


def test_a_virtual_device_is_marked_in_markdown(tmp_path: Path) -> None:
    device = made.virtual_phone()
    one = run(tmp_path, {NET: [1000, 1001, 1000]}, device=device)
    markdown = comparison_markdown(bench.compare(one, one))
    assert "not a phone’s latency" in markdown
    assert "Virtual Flagship \\[virtual\\]" in markdown


@pytest.mark.parametrize(
    ("chance", "freedom", "t"),  # of the printed tables
    [(0.975, 1, 12.706), (0.975, 4, 2.776), (0.975, 30, 2.042), (0.95, 10, 1.812)],
)
def test_students_distribution_is_that_of_the_tables(
    chance: float, freedom: float, t: float
) -> None:
    assert student.quantile(chance, freedom) == pytest.approx(t, abs=0.001)
    assert student.cdf(t, freedom) == pytest.approx(chance, abs=0.0001)
    assert student.cdf(-t, freedom) == pytest.approx(1 - chance, abs=0.0001)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_only_raises_chances_and_keeps_their_order(chances: list[float]) -> None:
    adjusted = holm(chances)
    assert all(old <= new <= 1 for old, new in zip(chances, adjusted, strict=True))
    ranked = sorted(range(len(chances)), key=lambda n: chances[n])
    assert [adjusted[n] for n in ranked] == sorted(adjusted)


def test_holm_is_that_of_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_cells_without_any_scatter_are_certain() -> None:
    flat = [[1000.0] * 8] * 3
    assert ratio(flat, flat).p_same == 0.0
    assert ratio(flat, [[1100.0] * 8] * 3).p_slower == 0.0
    assert ratio(flat[:1], flat) == Ratio(1.0)


def test_ranks_decide_where_they_can_among_so_many_pairs() -> None:
    assert [method_of(count, count, 1) for count in range(1, 7)] == [
        None, "t", "t", "rank", "rank", "rank",
    ]  # fmt: skip
    assert method_of(3, 5, 1) == "rank"
    assert method_of(2, 7, 1) == "t"
    most = {4: 1, 5: 6, 6: 23, 7: 85, 8: 321}  # pairs; as docs/formats.md tells
    assert {
        count: method_of(count, count, pairs) for count, pairs in most.items()
    } == dict.fromkeys(most, "rank")
    assert {method_of(count, count, pairs + 1) for count, pairs in most.items()} == {"t"}
    assert columns.METHODS == METHODS


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 3), (4, 4), (5, 3)])
def test_the_chances_of_ranks_are_those_of_all_orders(a: int, b: int) -> None:
    orders = list(itertools.combinations(range(a + b), a))
    above = [sum(y > x for x in side for y in {*range(a + b)} - {*side}) for side in orders]
    for u in range(a * b + 1):
        differences = [1.0] * u + [-1.0] * (a * b - u)
        chance = sum(count >= u for count in above) / len(orders)
        assert ranks.p_above(differences, 0, a, b) == pytest.approx(chance)
    assert ranks.least_p(a, b) == pytest.approx(2 / len(orders))


@given(st.lists(st.integers(-9, 9), min_size=4, max_size=7), st.integers(4, 7))
def test_the_interval_of_ranks_is_what_the_test_does_not_reject(a: list[int], count: int) -> None:
    b = [(7 * n) % 11 for n in range(count)]
    up = [float(y - x) for y in b for x in a]
    low, high = ranks.interval(up, len(a), len(b), 0.95)
    down = [-difference for difference in up]
    assert ranks.p_above(up, low - 0.5, len(a), len(b)) <= 0.025
    assert ranks.p_above(down, -high - 0.5, len(a), len(b)) <= 0.025
    assert ranks.p_above(up, low, len(a), len(b)) > 0.025
    assert ranks.p_above(down, -high, len(a), len(b)) > 0.025


def test_four_repetitions_that_all_take_longer_are_just_enough_for_ranks() -> None:
    a = Repetitions(tuple(math.log(1000 + n) for n in range(4)), 1.0)  # t would tell nothing
    b = Repetitions(tuple(math.log(1100 + n) for n in range(4)), 1.0)
    found = ratio_of(a, b, threshold=THRESHOLD)
    assert found.method == "rank"
    assert found.p_slower == pytest.approx(1 / 70)
    assert found.low == pytest.approx(1100 / 1003)
    assert found.high == pytest.approx(1103 / 1000)
    assert verdicts([found]) == [("slower", None)]


def test_equal_repetitions_make_ranks_certain_of_nothing_but_equality() -> None:
    flat = [[1000.0] * 8] * 4
    found = ratio(flat, flat)
    assert (found.method, found.ratio, found.low, found.high) == ("rank", 1.0, 1.0, 1.0)
    assert (found.p_slower, found.p_faster) == (1.0, 1.0)
    assert found.p_same == pytest.approx(1 / 70)


def test_the_method_is_told_in_every_output(tmp_path: Path) -> None:
    a = run(tmp_path, {NET: [1000, 1003, 998, 1001], SECOND: [500]})
    one = run(tmp_path, {NET: [1000, 1003, 998, 1001]})
    few = run(tmp_path, {NET: [1000, 1003, 998]})
    for side, method in ((one, "rank"), (few, "t")):
        compared = bench.compare(side, side)
        assert compared.frame()["method"].tolist() == [method]
        assert f"| {method} |" in comparison_markdown(compared)
        assert f"<td>{method}</td>" in compared._repr_html_()
    single = bench.compare(a, a)  # of which one can't be told, and is none to be corrected for
    assert {pair.a.model: pair.ratio.method for pair in single.pairs} == {NET: "rank", SECOND: None}
    assert single.frame()["method"].isna().sum() == 1


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>", "a|b|c", "a\n\n# b\n<script>alert(1)</script>", "`a|b`",
        "[a](javascript:alert(1))", "![a](https://evil.example/a.png)", "</td></details>",
        "@everyone", "#123", "&lt;b&gt;", "**a** _b_ ~c~", "x" * 10_000, "a\u202eb\u2066c", "$a$",
        "www.evil.example", 'a"b\'c', "a\\|b",
    ],
)  # fmt: skip
def test_hostile_names_stay_names_in_markdown_and_html(tmp_path: Path, name: str) -> None:
    net, device = made.model(name), made.phone(model=name)
    a, b = (
        run(tmp_path, {net: medians}, device=device) for medians in ([1000, 1001], [2000, 2003])
    )
    compared = bench.compare(a, b)
    markdown, html = comparison_markdown(compared), compared._repr_html_()
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert {len(re.sub(r"\\.", "", row).split("|")) for row in rows} == {10}
    bare = re.sub(r"\\.", "", rows[-1])  # what Markdown would read as more than text
    assert not set("<>[]`&@#$~_") & set(bare)
    assert not re.search(r"\w://|www\.", rows[-1])
    assert not re.search(r"[@#]\w", markdown)
    assert len(rows[-1]) < 1000
    for text in (markdown, html):
        assert "\u202e" not in text
        assert "\u2066" not in text
    assert "<img" not in html
    assert "<script" not in html
    assert html.count("<td") == len(columns.PAIR_COLUMNS)
    assert len(html) < 10_000
