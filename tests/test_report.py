"""The report: one file that tells all, whatever the names in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import fabricated as made
import msgspec
import pytest

import bench
from bench.errors import StoreError, UsageError
from bench.records import Check, Config, OpTime, Trial
from bench.report.collect import collect
from bench.report.text import milliseconds
from bench.store import read_trials

PHONE, VIRTUAL = made.phone(), made.virtual_phone()
VOID = {"meta", "link", "br", "rect", "path", "use", "wbr"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "--></style></script><h1>",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{0}$ _^",
    "_hidden",
    "phone \u202e]lautriv[ \u2066",
    "line\nend\x00\x1b[31m\ud800",
    "no character of XML \uffff\ufffe",
    "&lt;b&gt;&#x3c;",
    "N" * 10_000,
)


class Page(HTMLParser):
    """A page taken apart: its elements, its text by element, and whether it nests."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.append("" if tag == "wbr" else " ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag, f"</{tag}> closes another element"
            self.texts.append(" ")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


def report(run: Path) -> Page:
    return Page(bench.render_report(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def widths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The papers' models on a phone and a virtual one; one failure, one doubt."""
    models = [*made.MOBILENETS, *made.SHUFFLENETS, made.model("broken", macs=None)]
    trials = made.grid([PHONE, VIRTUAL], models[:-1], repetitions=2)
    trials[0] = msgspec.structs.replace(trials[0], doubts=(made.WIDE,))
    trials.append(made.failed(PHONE, models[-1]))
    results = tmp_path_factory.mktemp("results")
    return made.write_run(results, [PHONE, VIRTUAL], models, trials, repetitions=2)


@pytest.fixture(scope="module")
def page(widths: Path) -> Page:
    """The report of those."""
    return report(widths)


def test_the_report_of_one_run_lies_in_its_folder_and_nests(widths: Path) -> None:
    path = bench.render_report(widths)
    assert path == widths / "report.html"
    assert Page(path.read_text(encoding="utf-8")).open == []


def test_the_same_run_makes_the_same_bytes(widths: Path, tmp_path: Path) -> None:
    first = bench.render_report(widths, tmp_path / "one.html").read_bytes()
    assert bench.render_report(widths, tmp_path / "two.html").read_bytes() == first


def test_the_table_has_a_row_a_model_with_complexity_latency_and_published_error(
    page: Page,
) -> None:
    for shown in ("mobilenet_v1_1.00_224_float32", "569", "29.4", "Median latency", "million MACs"):
        assert shown in page.text
    assert sum(attrs.get("scope") == "row" for _, attrs in page.tags if "title" not in attrs) > 9
    assert "the MobileNet and ShuffleNet papers print the same number as MFLOPs" in page.text
    assert made.MOBILENET in page.text


def test_pairs_are_set_against_the_mobilenet_of_their_complexity(page: Page) -> None:
    text = page.text
    for delta in ("+3.1", "+3.9", "+7.8"):  # table 5 of the ShuffleNet paper
        assert delta in text


def test_every_link_leads_somewhere_and_no_id_is_twice(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {h[1:] for h in page.values("href") if h.startswith("#")} <= set(ids)


def test_nothing_is_fetched_from_anywhere(widths: Path) -> None:
    html = bench.render_report(widths).read_text(encoding="utf-8")
    page = Page(html)
    assert not page.values("src")
    assert all(href.startswith(("#", "data:")) for href in page.values("href"))
    assert "@import" not in html
    assert "url(http" not in html
    assert "default-src 'none'" in html


def test_a_virtual_device_can_not_be_mistaken_for_a_phone(widths: Path) -> None:
    html = bench.render_report(widths).read_text(encoding="utf-8")
    page = Page(html)
    assert "Not a phone’s latency" in page.text
    assert re.search(r"<title>\[virtual\]", html)
    for _, after in re.findall(r"(Virtual Flagship)(.{0,40})", page.text):
        assert after.startswith(" [virtual")
    assert len(re.findall(r"hollow: \[virtual\], not a phone's latency", page.text)) >= 2


def test_reduced_fidelity_is_said_loudly(tmp_path: Path) -> None:
    device = made.virtual_phone(fidelity="reduced")
    run = made.write_run(
        tmp_path, [device], made.MOBILENETS[:2], made.grid([device], made.MOBILENETS[:2])
    )
    text = report(run).text
    assert "Reduced fidelity" in text
    assert "Virtual Flagship [virtual, reduced fidelity]" in text


def test_an_emulated_device_has_no_latency_of_anything(tmp_path: Path) -> None:
    device = made.virtual_phone(emulated=True)
    run = made.write_run(
        tmp_path, [device], made.MOBILENETS[:2], made.grid([device], made.MOBILENETS[:2])
    )
    text = report(run).text
    assert "Emulated: not a latency of anything" in text
    assert "Virtual Flagship [virtual, emulated, not a latency]" in text
    assert bench.load(run)["emulated"].all()


def test_a_phones_report_says_nothing_of_virtual(tmp_path: Path) -> None:
    run = made.write_run(
        tmp_path, [PHONE], made.MOBILENETS[:2], made.grid([PHONE], made.MOBILENETS[:2])
    )
    assert "virtual" not in report(run).text.lower()


def test_a_virtual_mark_survives_a_name_that_is_long_or_turns_its_text(tmp_path: Path) -> None:
    for number, name in enumerate(("V" * 10_000, "Phone \u202e\u2067")):
        device = made.virtual_phone(f"v{number}", model=name)
        trials = made.grid([device], made.MOBILENETS[:2])
        page = report(made.write_run(tmp_path, [device], made.MOBILENETS[:2], trials, name="n"))
        assert "[virtual]" in page.text
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.text)
        assert max(len(word) for word in page.text.split()) < 700


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    if "\ud800" in name:
        name = name.replace("\ud800", "\ufffd")  # JSON can't hold half a character
    device = made.phone(model=name, manufacturer=name, soc=name, fingerprint=name, kernel=name)
    nets = [made.model(name, macs=macs, family=name) for macs in (100_000_000,)]
    nets += [made.model(name + "2", not_countable=name, macs=None, quantization=name)]
    doubt = msgspec.structs.replace(made.WIDE, message=name, cure=name)
    trials = [
        made.trial(device, nets[0], doubts=(doubt,), argv=(name, name)),
        made.failed(device, nets[1], reason=name, stage=name),
    ]
    page = report(made.write_run(tmp_path, [device], nets, trials))
    assert page.open == []
    assert page.count("script") == 1
    assert page.count("img") == page.count("b") - page.count("b") == 0
    assert page.count("h1") == 1
    assert page.count("style") == 1
    assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert len(page.text) < 60_000
    if len(name) < 60 and name.isprintable():
        assert name in page.text


def test_a_folder_named_by_an_enemy_stays_text(tmp_path: Path) -> None:
    models = made.MOBILENETS[:1]
    run = made.write_run(
        tmp_path, [PHONE], models, made.grid([PHONE], models), name="a b;<script>$(id)"
    )
    page = report(run)
    assert page.count("script") == 1
    assert "a b;<script>$(id)" in page.text


@pytest.mark.parametrize(
    ("us", "told"),
    [(12.3456, "0.01235"), (123.456, "0.1235"), (1234.56, "1.235"), (12345.6, "12.35"),
     (123456.0, "123.5"), (1234560.0, "1,235"), (None, "–")],
)  # fmt: skip
def test_a_latency_has_four_digits_that_count(us: float | None, told: str) -> None:
    assert milliseconds(us) == told


@pytest.mark.parametrize(
    ("devices", "sheet"), [(1, []), (3, ["wide"]), (12, ["wider"]), (20, ["widest"])]
)
def test_a_table_of_many_devices_is_printed_on_a_sheet_that_holds_it(
    tmp_path: Path, devices: int, sheet: list[str]
) -> None:
    phones = [made.phone(f"S{n}", model=f"Acme {n}") for n in range(devices)]
    models = made.MOBILENETS[:1]
    page = report(made.write_run(tmp_path, phones, models, made.grid(phones, models)))
    assert [name for name in page.values("class") if name in ("wide", "wider", "widest")] == sheet


def test_one_trial_makes_a_report(tmp_path: Path) -> None:
    run = made.write_run(
        tmp_path, [PHONE], made.MOBILENETS[:1], [made.trial(PHONE, made.MOBILENETS[0])]
    )
    page = report(run)
    assert "1 trial ok" in page.text
    assert page.count("figure") == 3


def test_trials_of_a_minute_and_more_are_shown_over_time(tmp_path: Path) -> None:
    samples = [1e6 * (1 + n / 200) for n in range(61)]
    trials = [made.trial(PHONE, made.MOBILENETS[0], samples_us=samples)]
    page = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], trials))
    assert "plot-sustained" in page.values("id")


def test_a_plan_that_identical_phones_share_is_done_when_each_trial_is(tmp_path: Path) -> None:
    twins = [made.phone(f"TWIN{n}") for n in range(2)]
    other = made.phone("OTHER", model="Acme Two")
    nets = made.MOBILENETS[:2]
    shared = [made.trial(twins[n], net, index=n, shared_by=2) for n, net in enumerate(nets)]
    trials = [*made.grid([other], nets), *shared]
    for shard, left in ((True, 0), (False, 2)):
        run = made.write_run(
            tmp_path, [other, *twins], nets, trials, shard=shard, name=f"twins{shard}"
        )
        assert collect(run).planned - 4 == left
        assert ("planned, not done" in report(run).text) == (left > 0)


def test_no_ok_trial_makes_a_report_of_failures(tmp_path: Path) -> None:
    trials = [made.failed(PHONE, model) for model in made.MOBILENETS]
    page = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS, trials))
    assert "4 failed" in page.text
    assert "the runtime lacks the operator SEGMENT_SUM" in page.text
    assert "median latency, ms" not in page.text.lower().replace("median latency ms", "")


def test_a_run_that_was_cut_short_says_what_is_left(tmp_path: Path) -> None:
    trials = made.grid([PHONE], made.MOBILENETS[:2])
    run = made.write_run(tmp_path, [PHONE], made.MOBILENETS[:2], trials, planned=5)
    assert "3 planned, not done" in report(run).text


def test_a_run_without_any_trial_makes_a_page(tmp_path: Path) -> None:
    page = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], []))
    assert "No trial has ended" in page.text
    assert page.open == []


def test_like_failures_are_told_once_with_where_they_occurred(tmp_path: Path) -> None:
    trials = [made.failed(PHONE, made.MOBILENETS[0], repetition=n) for n in range(1, 61)]
    page = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], trials))
    assert "60 trials" in page.text
    assert "and 20 more" in page.text


def test_every_trial_is_told_with_state_arguments_and_hashes(page: Page, widths: Path) -> None:
    text = page.text
    trial = next(iter(_trials(widths)))
    assert trial.runner is not None
    for shown in ("--contract=1", trial.runner.sha256, "thermal status", "29.5 → 30.5"):
        assert shown in text


def test_a_profile_is_told_by_types_of_operators(tmp_path: Path) -> None:
    ops = [OpTime(index=n, op=op, mean_us=us) for n, (op, us) in enumerate(
        [("CONV_2D", 50.0), ("ADD", 5.0), ("CONV_2D", 25.0), ("<b>", 20.0)]
    )]  # fmt: skip
    trials = [made.trial(PHONE, made.MOBILENETS[0], ops=tuple(ops))]
    text = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], trials)).text
    assert "CONV_2D 75%, <b> 20%, ADD 5%" in text


def test_the_slowest_operators_of_a_profile_are_told_with_who_ran_them(tmp_path: Path) -> None:
    ops = [
        OpTime(index=n, op="CONV_2D", name=f"<conv{n}>", mean_us=float(n), delegate="XNNPACK")
        for n in range(1, 21)
    ]
    trials = [made.trial(PHONE, made.MOBILENETS[0], ops=tuple(ops))]
    text = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS[:1], trials)).text
    assert "The slowest 8 of 20 operators, timed in a process of their own" in text
    assert "<conv20> CONV_2D 0.02000 10 % XNNPACK" in text
    assert "<conv12>" not in text


def test_the_samples_of_doubtful_trials_are_drawn_in_order(tmp_path: Path) -> None:
    trials = made.grid([PHONE], made.MOBILENETS, repetitions=2)
    few = msgspec.structs.replace(made.WIDE, kind="few samples")
    certain = made.write_run(tmp_path, [PHONE], made.MOBILENETS, trials, repetitions=2)
    assert "plot-doubtful" not in report(certain).values("id")
    doubtful = [msgspec.structs.replace(one, doubts=(made.WIDE,)) for one in trials[:6]]
    doubtful += [msgspec.structs.replace(one, doubts=(few,)) for one in trials[6:]]
    page = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS, doubtful, repetitions=2))
    assert "plot-doubtful" in page.values("id")
    assert "2 more are not drawn" in page.text


def test_a_cell_keeps_its_address_when_others_come(tmp_path: Path) -> None:
    nets = made.MOBILENETS
    few = made.write_run(tmp_path, [PHONE], nets[1:], made.grid([PHONE], nets[1:]))
    many = made.write_run(tmp_path, [PHONE], nets, made.grid([PHONE], nets))
    told = [
        {value for value in report(run).values("href") if value.startswith("#cell-")}
        for run in (few, many)
    ]
    assert len(told[0]) == 3
    assert told[0] < told[1]


def test_a_doubt_is_told_with_its_cure_and_marked_in_the_table(page: Page) -> None:
    assert "the median is known to ±4.1% where ±1.0% was asked for" in page.text
    assert "quieten the phone, or raise max_seconds" in page.text
    assert "wide" in page.values("title")


def test_a_mean_that_a_tool_reported_is_not_passed_off_as_a_median(tmp_path: Path) -> None:
    nets = made.MOBILENETS[:2]
    trials = [made.trial(PHONE, nets[0]), made.reported(PHONE, nets[1])]
    page = report(made.write_run(tmp_path, [PHONE], nets, trials))
    assert "12.00 ? mean of 50 as reported by benchmark_model" in page.text
    assert "2 trials ok" in page.text


def test_a_model_whose_outputs_are_wrong_is_marked(tmp_path: Path) -> None:
    check = Check(runtime="ai-edge-litert", reason="all outputs are equal <b>", inputs=8)
    net = made.model("net_int8", quantization="int8", check=check)
    page = report(made.write_run(tmp_path, [PHONE], [net], [made.trial(PHONE, net)]))
    assert "its outputs were found wrong: all outputs are equal <b>" in page.text


def test_phones_of_one_name_have_columns_of_their_own(tmp_path: Path) -> None:
    twins = [made.phone("A1"), made.phone("B2")]
    trials = made.grid(twins, made.MOBILENETS[:2])
    text = report(made.write_run(tmp_path, twins, made.MOBILENETS[:2], trials)).text
    assert "Acme One A1" in text
    assert "Acme One B2" in text


def test_several_runs_make_one_report_that_has_to_be_named(tmp_path: Path) -> None:
    runs = [
        made.write_run(tmp_path, [device], made.MOBILENETS, made.grid([device], made.MOBILENETS))
        for device in (PHONE, VIRTUAL)
    ]
    with pytest.raises(UsageError, match="2 runs make one report"):
        bench.render_report(runs)
    page = Page(bench.render_report(runs, tmp_path / "both.html").read_text(encoding="utf-8"))
    assert "Acme One and Virtual Flagship [virtual]" in page.text


def test_different_binaries_side_by_side_are_warned_of(tmp_path: Path) -> None:
    other = msgspec.structs.replace(made.RUNNER, library_sha256=made.digest("x"))
    trials = [
        made.trial(PHONE, made.MOBILENETS[0]),
        made.trial(PHONE, made.MOBILENETS[1], runner=other),
    ]
    text = report(made.write_run(tmp_path, [PHONE], made.MOBILENETS[:2], trials)).text
    assert "2 kinds of LiteRT library" in text


def test_a_phone_that_was_updated_between_runs_is_warned_of(tmp_path: Path) -> None:
    runs = []
    for fingerprint in ("acme/one:14", "acme/one:15"):
        device = made.phone(fingerprint=fingerprint)
        trials = made.grid([device], made.MOBILENETS[:1])
        runs.append(made.write_run(tmp_path, [device], made.MOBILENETS[:1], trials))
    page = Page(bench.render_report(runs, tmp_path / "both.html").read_text(encoding="utf-8"))
    assert "2 builds of Android on Acme One" in page.text


def test_runs_of_one_phone_are_pooled_by_device_model_and_config(tmp_path: Path) -> None:
    nets = made.MOBILENETS[:2]
    runs = [
        made.write_run(tmp_path, [PHONE], nets, made.grid([PHONE], nets, repetitions=2))
        for _ in range(2)
    ]
    both = Page(bench.render_report(runs, tmp_path / "both.html").read_text(encoding="utf-8"))
    assert len(set(both.values("href")) & {h for h in both.values("href") if "#cell" in h}) == 2
    assert "8 trials ok" in both.text
    for run in runs:
        assert f"Repetition 1 of {run.name}" in both.text
    assert "differ otherwise" not in both.text


def test_a_report_that_can_not_be_written_is_one_error(widths: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't write the report"):
        bench.render_report(widths, tmp_path / "file" / "report.html")


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(widths: Path) -> None:
    shown = bench.show(widths)
    page = Page(shown._repr_html_())
    ((tag, attributes),) = page.tags
    assert (tag, attributes["srcdoc"]) == ("iframe", shown.html)
    assert attributes["sandbox"] == "allow-scripts"


def test_an_old_report_stays_whole_when_a_new_one_fails(widths: Path, tmp_path: Path) -> None:
    place = tmp_path / "place.html"
    place.mkdir()
    with pytest.raises(StoreError):
        bench.render_report(widths, place)
    assert [p.name for p in tmp_path.glob(".report-*")] == []


def test_configs_that_differ_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    configs = [Config(), Config(threads=4), Config(threads=4, affinity="big")]
    models = made.MOBILENETS[:2]
    trials = made.grid([PHONE], models, configs)
    page = report(made.write_run(tmp_path, [PHONE], models, trials))
    assert {"threads", "affinity"} <= set(page.values("data-key"))
    assert "quantization" not in page.values("data-key")


def test_names_of_plots_are_text_and_not_mathematics(tmp_path: Path) -> None:
    device = made.phone(model="_$x^2$ \u202e & <b>")
    trials = made.grid([device], made.MOBILENETS)
    html = bench.render_report(
        made.write_run(tmp_path, [device], made.MOBILENETS, trials)
    ).read_text(encoding="utf-8")
    assert re.search(r"<text[^>]*>_\$x\^2\$ \ufffd &amp; &lt;b&gt;</text>", html)


def _trials(run: Path) -> list[Trial]:
    return list(read_trials(run))
