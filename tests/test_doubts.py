"""Each doubt has numbers, a cure and a heading in docs/variance.md."""

import random
import re
from pathlib import Path

import msgspec
import pytest
from test_records import MEASUREMENT

from bench import doubts
from bench.records import Check, Config, Moment, Precision, Reported, Usage

STEADY = tuple(100.0 + (i % 5) / 10 for i in range(50))
PRECISION = Precision(interval=0.01, min_samples=30)


def noise(seed, count=50, middle=100.0, spread=0.02):
    draw = random.Random(seed)
    return tuple(middle * draw.lognormvariate(0, spread) for _ in range(count))


def clocks(*caps_khz):
    return [Moment(at_s=at, max_khz={"4": cap}) for at, cap in enumerate(caps_khz)]


MIGRATING = tuple(sample * (1.4 if n % 3 else 1) for n, sample in enumerate(noise(1)))


def judged(samples=STEADY, config=None, precision=PRECISION, series=(), check=None, **changes):
    measurement = msgspec.structs.replace(MEASUREMENT, samples_us=samples, **changes)
    return doubts.judge(measurement, config or Config(), precision, series, check)


def kinds(**case):
    return [doubt.kind for doubt in judged(**case)]


def test_a_steady_trial_is_not_doubted():
    assert kinds() == []


def test_modes_are_told_in_ms_without_powers_of_ten():
    (doubt,) = (d for d in judged(samples=tuple(s * 111 for s in MIGRATING)) if d.kind == "bimodal")
    assert re.fullmatch(r"\d+% .* around 1\d\.\d+ ms and \d+% around \d\d\.?\d* ms", doubt.message)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        ("few samples", {"samples": STEADY[:10]}),
        ("wide", {"samples": tuple(100.0 + 20 * (i % 2) for i in range(50))}),
        ("drifting", {"samples": tuple(100.0 + i / 2 for i in range(50))}),
        (
            "bimodal",
            {"samples": MIGRATING},
        ),
        ("first-run outlier", {"samples": (180.0, *noise(3))}),
        ("timer too coarse", {"samples": (20.0, 30.0, 20.0, 20.0) * 10}),
        ("partial delegation", {"delegation": "partial"}),
        ("throttled", {"series": clocks(2_803_000, 2_000_000)}),
        ("background load", {"usage": Usage(wall_us=1e6, own_us=9e5, busy_us=1.9e6)}),
        ("outputs differ from host", {"check": Check(runtime="r", reason="all zeros", inputs=1)}),
    ],
)
def test_a_reason_to_distrust_is_named(kind, case):
    assert kind in kinds(**case)


def test_a_drift_within_the_noise_is_not_called_one():
    assert "drifting" not in kinds(samples=noise(1, 60, spread=0.3))


@pytest.mark.parametrize("count", [30, 50, 200, 1000])
def test_quiet_samples_are_rarely_doubted(count):
    """Independent, log-normal, 2 % wide; asked for no more than so many samples can tell."""
    rounds, precision = 200, Precision(interval=0.02)
    doubted = sum(
        bool(judged(samples=noise(1000 * count + seed, count), precision=precision))
        for seed in range(rounds)
    )
    assert doubted / rounds <= 0.03


@pytest.mark.parametrize("count", [30, 200])
def test_uneven_but_steady_samples_are_rarely_doubted_but_for_width(count):
    """One sample in twenty disturbed, by up to five times the median."""
    doubted = 0
    draw = random.Random(count)
    for _ in range(100):
        samples = tuple(
            100 * draw.lognormvariate(0, 0.05) * (draw.uniform(1, 5) if draw.random() < 0.05 else 1)
            for _ in range(count)
        )
        doubted += kinds(samples=(100.0, *samples)) not in ([], ["wide"])
    assert doubted <= 3


def test_a_doubt_about_width_tells_how_many_samples_counted():
    (wide,) = judged(samples=tuple(sorted(noise(1, 200, spread=0.01))))
    assert wide.kind == "wide"
    assert wide.numbers["effective_samples"] < 10


def test_the_ticks_of_a_phone_are_too_coarse_for_three_microseconds():
    draw = random.Random(1)
    ticks = [round(3 * draw.lognormvariate(0, 0.01) * 19.2) for _ in range(200)]
    rounded = tuple((n * 52.0833 + draw.choice((0, 1))) // 1 / 1000 for n in ticks)
    assert kinds(samples=rounded) == ["timer too coarse"]


def test_two_readings_of_a_coarse_clock_are_not_two_modes():
    assert kinds(samples=(10.0, 10.0, 11.0) * 20) == ["timer too coarse"]


def test_fewer_samples_than_an_interval_takes_are_few_however_few_were_asked_for():
    three = Precision(min_samples=3, max_samples=3)
    (doubt,) = judged(samples=STEADY[:3], precision=three, stopped_by="max_samples")
    assert (doubt.kind, doubt.cure) == ("few samples", "raise max_samples")
    to_a_limit = Precision(interval=0, min_samples=3, max_samples=3)
    assert judged(samples=STEADY[:3], precision=to_a_limit) == ()


@pytest.mark.parametrize("limit", ["max_samples", "max_seconds"])
def test_the_limit_that_was_met_is_the_one_to_raise(limit):
    wide = tuple(100.0 + 20 * (i % 2) for i in range(50))
    (cure,) = (d.cure for d in judged(samples=wide, stopped_by=limit) if d.kind == "wide")
    assert cure.endswith(f"raise {limit}")


def test_a_longer_warm_up_is_no_cure_where_it_ended_of_itself():
    late = {"samples": (180.0, *noise(3)), "warmup_us": (100.0,) * 3000}
    (told,) = judged(**late, precision=Precision(warmup_max_seconds=2))
    assert "raise" not in told.cure
    (told,) = judged(**late, precision=Precision(warmup_max_seconds=0.3))
    assert told.cure == "raise warmup_max_seconds"


def test_a_clock_of_fine_steps_is_not_too_coarse():
    assert kinds(samples=(1000.0, 1000.052, 1000.104, 1000.0) * 10) == []


def test_a_clock_that_is_held_down_all_the_time_is_not_throttled_by_the_trial():
    assert kinds(series=clocks(1_401_000, 1_401_000, 1_500_000)) == []


def test_a_clock_that_is_cut_by_little_is_not_throttled():
    assert kinds(series=clocks(2_803_000, 2_500_000)) == []


def test_a_cut_clock_is_told_with_both_clocks():
    (doubt,) = judged(series=clocks(2_803_000, 1_401_000, 2_803_000))
    assert doubt.numbers == {"first_cap_khz": 2_803_000, "lowest_cap_khz": 1_401_000}
    assert "from 2803 to 1401 MHz" in doubt.message


def test_the_runner_itself_is_no_background():
    four_threads = Usage(wall_us=1e6, own_us=3.9e6, busy_us=4.1e6)
    assert kinds(usage=four_threads) == []


def test_outputs_like_the_hosts_are_no_doubt():
    assert kinds(check=Check(runtime="r", inputs=1, snr_db=90.0)) == []


def repeated(*repetitions, **changes):
    measured = [
        msgspec.structs.replace(MEASUREMENT, samples_us=samples, **changes)
        for samples in repetitions
    ]
    return doubts.judge_repetitions(measured, PRECISION)


def test_repetitions_that_differ_by_more_than_was_asked_are_doubted():
    (doubt,) = repeated(noise(1), noise(2), noise(3, middle=110.0))
    assert doubt.kind == "repetitions differ"
    assert doubt.numbers["differ_share"] == pytest.approx(0.1, abs=0.02)


def test_repetitions_that_differ_surely_but_hardly_are_not_doubted():
    assert repeated(noise(1, 1000, spread=0.001), noise(2, 1000, 101.0, spread=0.001)) == ()


def test_one_repetition_is_alone_and_none_is_nothing():
    assert repeated(noise(1)) == repeated() == ()


def test_one_input_must_give_one_output():
    other = msgspec.structs.replace(MEASUREMENT.outputs[0], crc32="12345678")
    one, two = MEASUREMENT, msgspec.structs.replace(MEASUREMENT, outputs=(other,))
    assert [d.kind for d in doubts.judge_repetitions([one, two], PRECISION)] == ["outputs differ"]
    elsewhere = msgspec.structs.replace(two, input_source="0" * 64)
    assert doubts.judge_repetitions([one, elsewhere], PRECISION) == ()


def test_a_report_without_samples_says_so():
    reported = Reported(tool="benchmark_model", count=50, mean_us=120.0, delegation="partial")
    found = doubts.judge(reported, Config(delegate="gpu"), PRECISION)
    assert [doubt.kind for doubt in found] == ["reported only", "partial delegation"]


def test_a_report_of_fewer_samples_than_were_asked_for_says_so():
    reported = Reported(tool="benchmark_model", count=2, mean_us=9e6)
    few, _ = doubts.judge(reported, Config(), PRECISION)
    assert (few.kind, few.message) == ("few samples", "2 samples where 30 were asked for")


def test_every_kind_has_a_heading_in_the_documentation():
    text = (Path(__file__).parents[1] / "docs" / "variance.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == list(doubts.KINDS)
