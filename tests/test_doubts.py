"""Each doubt has numbers, a cure and a heading in docs/variance.md."""

from pathlib import Path

import msgspec
import pytest
from test_records import MEASUREMENT

from bench import doubts
from bench.records import Config, DeviceState, Precision, Reported

STEADY = tuple(100.0 + (i % 5) / 10 for i in range(50))
PRECISION = Precision(interval=0.01, min_samples=30)
COOL = DeviceState(taken_at="t", battery_level=80, battery_temp_c=30.0, thermal_status=0)


def judged(samples=STEADY, before=COOL, after=COOL, config=None, **changes):
    measurement = msgspec.structs.replace(MEASUREMENT, samples_us=samples, **changes)
    return doubts.judge(measurement, config or Config(), PRECISION, before, after)


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
        ("partial delegation", {"delegation": "partial"}),
        ("throttled", {"after": msgspec.structs.replace(COOL, thermal_status=2)}),
        ("hot start", {"before": msgspec.structs.replace(COOL, battery_temp_c=41.0)}),
        ("hot start", {"before": msgspec.structs.replace(COOL, temps_c={"VIRTUAL-SKIN": 44.0})}),
        ("low battery", {"before": msgspec.structs.replace(COOL, battery_level=12)}),
    ],
)
def test_a_reason_to_distrust_is_named(kind, case):
    assert kind in kinds(**case)


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
