"""The report of what is told beside the latency: waiting, tries, memory, energy, sustained runs."""

from __future__ import annotations

import re
from pathlib import Path

import fabricated as made
import msgspec
import pytest
from test_report import Page, report

from bench import stats
from bench.records import Check, Doubt, Energy, Moment, Output, Trial, Usage
from bench.report.collect import collect
from bench.report.courses import MOST_POINTS, courses

PHONE, NETS = made.phone(), made.MOBILENETS[:2]


def page_of(results: Path, *trials: Trial, tries: tuple[Trial, ...] = ()) -> Page:
    return report(made.write_run(results, [PHONE], NETS, trials, tries=tries))


def test_what_only_repetitions_show_together_is_told_in_the_table_and_below(tmp_path: Path) -> None:
    other = (Output(name="probabilities", type="float32", bytes=4004, crc32="deadbeef"),)
    slow = made.measurement(made.samples_around(12_000.0), outputs=other)
    page = page_of(
        tmp_path,
        made.trial(PHONE, NETS[0]),
        made.trial(PHONE, NETS[0], repetition=2, measurement=slow),
    )
    assert "outputs differ, repetitions differ" in page.values("title")
    assert "2 repetitions with one input gave 2 outputs" in page.text
    assert "1 cell" in page.text
    assert "outputs differ (all repetitions)" in page.text


@pytest.mark.parametrize("kind", ["virtual", "emulated"])
def test_what_the_devices_title_says_is_repeated_by_no_row(tmp_path: Path, kind: str) -> None:
    doubt = Doubt(kind=kind, message="no phone", cure="plug one in")  # type: ignore[arg-type]
    page = page_of(tmp_path, made.trial(PHONE, NETS[0], doubts=(doubt,)))
    assert "no phone" not in page.text
    assert kind not in page.values("title")


def test_memory_and_sustained_columns_are_there_where_something_is_told(tmp_path: Path) -> None:
    told = made.trial(PHONE, NETS[0], memory=made.memory_pass(), sustained=made.sustained())
    keys = page_of(tmp_path, told, made.trial(PHONE, NETS[1])).values("data-key")
    assert {"pss-0", "sustained-0"} <= set(keys)
    keys = page_of(tmp_path, made.trial(PHONE, NETS[1])).values("data-key")
    assert not {"pss-0", "sustained-0"} & set(keys)


def test_every_try_is_drawn_with_what_was_wrong_with_it(tmp_path: Path) -> None:
    tries = tuple(
        made.trial(PHONE, NETS[0], tries=n, doubts=(made.THROTTLED,), series=made.series(3))
        for n in (1, 2)
    )
    told = made.trial(PHONE, NETS[0], tries=3, waited_s=190.5, waited_for=("throttled",))
    page = page_of(tmp_path, told, made.trial(PHONE, NETS[1]), tries=tries)
    for title in ("try 1 of 3", "try 2 of 3", "try 3, which counts"):
        assert f"Repetition 1, {title}" in page.text
    assert page.values("aria-label").count("Samples in order") == 4
    assert page.text.count("the clock of core 4 was cut from 2800 to 1900 MHz") == 2
    assert "waited, s 190 for throttled" in page.text
    assert not [title for title in page.values("title") if "throttled" in title]


def test_clocks_and_temperatures_of_doubtful_trials_are_drawn_and_told(tmp_path: Path) -> None:
    series = made.series(9, cap_khz=1_900_000)
    doubtful = made.trial(PHONE, NETS[0], doubts=(made.WIDE,), series=series)
    page = page_of(tmp_path, doubtful, made.trial(PHONE, NETS[1], series=series))
    drawn = [told for told in page.values("aria-label") if " over 9.0 s" in told]
    assert drawn == [
        "Clocks, MHz over 9.0 s: core 0 from 1,500 to 1,800, core 4 from 1,900 to 2,800",
        "Temperature, °C over 9.0 s: cpu-0-0 from 36.0 to 48.0, skin from 30.0 to 34.0",
    ]


def test_sensors_are_named_by_an_enemy_in_vain(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>\u202e' + "x" * 5_000
    series = tuple(
        msgspec.structs.replace(m, temps_c={evil: 40.0 + m.at_s}, current_khz={evil: 5})
        for m in made.series(3)
    )
    page = page_of(tmp_path, made.trial(PHONE, NETS[0], doubts=(made.WIDE,), series=series))
    assert page.open == []
    assert page.count("script") == 1
    assert "\u202e" not in page.text
    assert max(len(word) for word in page.text.split()) < 700
    assert max(map(len, page.values("aria-label"))) < 700


def test_a_course_is_thinned_but_keeps_the_lowest_clock_and_the_highest_temperature() -> None:
    moments = [
        Moment(at_s=n, current_khz={"4": 2_000_000}, temps_c={"cpu": 40}) for n in range(600)
    ]
    moments[301] = Moment(at_s=301, current_khz={"4": 300_000}, temps_c={"cpu": 95})
    clocks, heat = courses(moments, plots=1)
    assert (clocks.low, clocks.high) == ("300", "2,000")
    assert (heat.low, heat.high) == ("40.0", "95.0")
    assert clocks.curves[0].path.count("L") < MOST_POINTS
    assert courses(moments[:1], plots=1) == []
    assert courses((), plots=1) == []


def test_memory_the_host_and_other_processes_are_told_of_each_trial(tmp_path: Path) -> None:
    usage = Usage(wall_us=1e6, own_us=1e6, busy_us=1.25e6)
    told = made.trial(
        PHONE, NETS[0], memory=made.memory_pass(),
        measurement=made.measurement(made.samples_around(900.0), usage=usage),
        check=Check(runtime="ai-edge-litert", version="2.1.6", snr_db=31.4, top1_agreement=0.5,
                    inputs=8, reason="far <b>off</b>"),
    )  # fmt: skip
    page = page_of(tmp_path, told)
    assert "PSS baseline, MiB 1.5 (peak 1.8)" in page.text
    assert "PSS steady, MiB 23.9 (peak 28.7)" in page.text
    assert "busy with others, cores 0.25" in page.text
    assert "outputs far <b>off</b>, 31 dB, top-1 50%" in page.text


def test_sustained_runs_have_a_section_with_numbers_and_a_plot(tmp_path: Path) -> None:
    slow = made.sustained(600, us=50_000.0, slower=1.5)
    trials = [
        made.trial(PHONE, net, repetition=n, sustained=slow if net is NETS[1] else made.sustained())
        for net in NETS
        for n in (1, 2)
    ]
    page = page_of(tmp_path, *trials)
    ids = page.values("id")
    assert {"sustained", "plot-sustained"} <= set(ids)
    assert len(ids) == len(set(ids))
    row = (
        "1.50 50.03 75.06 Acme One , 1 thread, xnnpack, repetition 1 754 36.0 → 66.0 2,800 → 1,900"
    )
    assert row in page.text
    assert page.text.index(row) < page.text.index("1.30 100.0 130.2 Acme One")
    assert "50.03 → 75.06 ms, × 1.50" in page.text  # in the plot's legend
    assert "Drawn are 2 of 4" in page.text
    assert "its first and last minute, ms 50.03 → 75.06, × 1.50" in page.text


def test_a_page_without_a_long_run_has_no_such_section(tmp_path: Path) -> None:
    page = page_of(tmp_path, made.trial(PHONE, NETS[0]))
    assert "sustained" not in page.values("id")


def test_a_sustained_run_without_any_reading_is_told_without_clocks(tmp_path: Path) -> None:
    bare = msgspec.structs.replace(made.sustained(), series=())
    page = page_of(tmp_path, made.trial(PHONE, NETS[0], sustained=bare))
    assert "plot-sustained" in page.values("id")
    assert "Clock, GHz" not in page.text


def test_energy_has_a_column_where_told_and_a_reason_where_not(tmp_path: Path) -> None:
    why = Energy(not_told="the battery <charges>")
    page = page_of(
        tmp_path,
        made.trial(PHONE, NETS[0], energy=made.energy()),
        made.trial(PHONE, NETS[1], energy=why),
    )
    assert "energy-0" in page.values("data-key")
    assert "not told: the battery <charges>" in page.values("title")
    assert "The energy of an inference is not told: the battery <charges>" in page.text
    assert re.search(r"energy of an inference, mJ 2\d\.\d \(2\d\.\d–2\d\.\d\)", page.text)
    assert "energy by power_supply, 20 readings" in page.text
    page = page_of(tmp_path, made.trial(PHONE, NETS[1], energy=why))
    assert "energy-0" not in page.values("data-key")


def test_facts_that_one_trial_alone_has_stand_among_their_like(tmp_path: Path) -> None:
    last = made.trial(PHONE, NETS[0], repetition=2, sustained=made.sustained())
    text = page_of(tmp_path, made.trial(PHONE, NETS[0]), last).text
    assert text.index("delegation full") < text.index("sustained for, s –")
    assert text.index("sustained for, s –") < text.index("thermal status")


def test_a_few_slow_samples_do_not_press_the_others_to_the_edge(tmp_path: Path) -> None:
    quiet = made.samples_around(1_000.0, 300)
    outliers = made.trial(PHONE, NETS[0], samples_us=[*quiet, 90_000.0])
    page = page_of(tmp_path, outliers, made.trial(PHONE, NETS[1], samples_us=quiet))
    assert page.text.count(" ms and more") == 1
    assert "90.00 ms" not in page.text


def test_a_fact_that_is_true_of_every_repetition_stands_once(tmp_path: Path) -> None:
    trials = [made.trial(PHONE, NETS[0], repetition=n, samples_us=[n * 1e3] * 9) for n in (1, 2)]
    text = page_of(tmp_path, *trials).text
    assert "median, ms 1.000 2.000 its 95 % interval" in text
    assert "samples 9 warm-ups 2 sampling ended by interval first inference" in text


def test_what_was_asked_for_beside_latency_is_told_with_the_run(tmp_path: Path) -> None:
    asked = {"memory": True, "energy": True, "sustained_s": 600.0, "prepare": ("stay_awake",)}
    trials = [made.trial(PHONE, NETS[0])]
    text = report(made.write_run(tmp_path, [PHONE], NETS, trials, **asked)).text
    assert "beside latency memory, energy, sustained for 600 s" in text
    assert "waited for at most 180 s before a trial; a throttled one tried at most 3 times" in text
    assert "prepared stay_awake" in text
    assert "beside latency" not in report(made.write_run(tmp_path, [PHONE], NETS, trials)).text


def test_a_report_keeps_the_figures_of_a_sustained_run_and_lets_its_samples_go(
    tmp_path: Path,
) -> None:
    """Ten minutes are as many samples as all the rest of a sweep."""
    net, told = made.MOBILENETS[0], made.sustained()
    trials = [made.trial(PHONE, net, sustained=told)]
    run = made.write_run(tmp_path, [PHONE], [net], trials, tries=trials)
    collection = collect(run)
    (done,) = collection.done
    assert done.trial.sustained is None
    assert [one.sustained for one in collection.all_tries] == [None]
    assert done.endured is not None
    assert done.endured.ends == stats.sustained(told.samples_us)
    assert done.endured.seconds == sum(told.samples_us) / 1e6
    assert len(done.endured.curve) == 60
    third = told.samples_us[2 * len(told.samples_us) // 60 : 3 * len(told.samples_us) // 60]
    assert done.endured.curve[2].median_us == stats.median(third)
