"""Each doubt has numbers, a cure and a heading in docs/variance.md."""

import random
from pathlib import Path

import msgspec
import pytest
from test_records import MEASUREMENT

from bench import doubts
from bench.records import Cluster, Config, Device, DeviceState, Precision, Reported

STEADY = tuple(100.0 + (i % 5) / 10 for i in range(50))
PRECISION = Precision(interval=0.01, min_samples=30)
COOL = DeviceState(taken_at="t", battery_level=80, battery_temp_c=30.0, thermal_status=0)
BIG_LITTLE = Device(
    serial="S1",
    virtual=False,
    clusters=(
        Cluster(cpus=(0, 1, 2, 3), max_khz=1_803_000),
        Cluster(cpus=(4, 5, 6, 7), max_khz=2_803_000),
    ),
)
UNCAPPED = {str(cpu): 1_803_000 if cpu < 4 else 2_803_000 for cpu in range(8)}


def noise(seed, count=50, middle=100.0, spread=0.02):
    draw = random.Random(seed)
    return tuple(middle * draw.lognormvariate(0, spread) for _ in range(count))


MIGRATING = tuple(sample * (1.4 if n % 3 else 1) for n, sample in enumerate(noise(1)))


def judged(
    samples=STEADY, before=COOL, after=COOL, config=None, device=None, precision=PRECISION,
    **changes,
):  # fmt: skip
    measurement = msgspec.structs.replace(MEASUREMENT, samples_us=samples, **changes)
    return doubts.judge(measurement, config or Config(), precision, before, after, device)


def kinds(**case):
    return [doubt.kind for doubt in judged(**case)]


def test_a_steady_trial_on_a_cool_phone_is_not_doubted():
    assert kinds() == []


def test_what_a_phone_does_not_tell_is_no_doubt():
    assert kinds(before=DeviceState(taken_at="t"), after=None) == []


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
        ("throttled", {"after": msgspec.structs.replace(COOL, thermal_status=2)}),
        ("throttled", {"before": msgspec.structs.replace(COOL, thermal_status=1)}),
        ("hot start", {"before": msgspec.structs.replace(COOL, battery_temp_c=41.0)}),
        ("hot start", {"before": msgspec.structs.replace(COOL, temps_c={"VIRTUAL-SKIN": 44.0})}),
        ("low battery", {"before": msgspec.structs.replace(COOL, battery_level=12)}),
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


def test_a_clock_of_fine_steps_is_not_too_coarse():
    assert kinds(samples=(1000.0, 1000.052, 1000.104, 1000.0) * 10) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_core_that_may_not_reach_its_clock_is_capped(when):
    capped = msgspec.structs.replace(COOL, max_khz=UNCAPPED | {"5": 1_401_000})
    (doubt,) = judged(device=BIG_LITTLE, **{when: capped})
    assert doubt.kind == "capped clocks"
    assert doubt.numbers == {"cpu4_cap_khz": 1_401_000, "cpu4_max_khz": 2_803_000}
    assert "1401 of 2803 MHz" in doubt.message


def test_free_clocks_and_unknown_ones_are_not_capped():
    free = msgspec.structs.replace(COOL, max_khz=UNCAPPED)
    assert judged(device=BIG_LITTLE, before=free, after=free) == ()
    assert judged(device=BIG_LITTLE) == ()
    unclocked = Device(serial="S1", virtual=True, clusters=(Cluster(cpus=(0,)),))
    assert judged(device=unclocked, before=free, after=free) == ()


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
    found = doubts.judge(reported, Config(delegate="gpu"), PRECISION, COOL, COOL)
    assert [doubt.kind for doubt in found] == ["reported only", "partial delegation"]


def test_a_hot_core_alone_is_no_hot_start():
    assert kinds(before=msgspec.structs.replace(COOL, temps_c={"CPU0": 70.0})) == []


def test_every_kind_has_a_heading_in_the_documentation():
    text = (Path(__file__).parents[1] / "docs" / "variance.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == list(doubts.KINDS)
