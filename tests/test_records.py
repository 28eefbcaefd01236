"""Records refuse nonsense when made, and come back from JSON as they went."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import StoreError
from bench.records import (
    Config,
    Device,
    Measurement,
    Memory,
    Model,
    ModelSpec,
    Output,
    PlannedTrial,
    Precision,
    Trial,
    decode,
    device_title,
    device_titles,
    encode,
    trial_key,
)

MEASUREMENT = Measurement(
    init_us=1000.0,
    compile_us=2000.0,
    first_inference_us=300.0,
    warmup_us=(120.0,),
    samples_us=(100.0, 101.5),
    clock="CLOCK_MONOTONIC",
    stopped_by="interval",
    memory=Memory(before_load_kb=1, after_compile_kb=2, peak_kb=3),
    delegation="full",
    outputs=(Output(name="output", type="float32", bytes=4, crc32="00000000"),),
)


def a_trial(**changes):
    fields = {
        "key": "k",
        "index": 0,
        "device": "S1",
        "virtual": True,
        "model": "m",
        "model_sha256": "0" * 64,
        "config": Config(),
        "precision": Precision(),
        "repetition": 0,
        "status": "ok",
        "started_at": "2026-01-01T00:00:00+00:00",
        "duration_s": 1.0,
        "measurement": MEASUREMENT,
    }
    return Trial(**(fields | changes))


def test_a_trial_comes_back_from_json_as_it_went():
    trial = a_trial()
    assert decode(encode(trial), Trial) == trial


def test_a_failed_trial_needs_a_reason():
    with pytest.raises(ValueError, match="reason"):
        a_trial(status="failed", measurement=None)


def test_an_ok_trial_needs_a_measurement():
    with pytest.raises(ValueError, match="measurement"):
        a_trial(measurement=None)


def test_a_failed_trial_holds_no_measurement():
    with pytest.raises(ValueError, match="measurement"):
        a_trial(status="failed", reason="the runner crashed")


@pytest.mark.parametrize("nothing", [0.0, 5e-324, -1.0, float("nan")])
def test_a_latency_of_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="more than 0"):
        Measurement(**{f: getattr(MEASUREMENT, f) for f in MEASUREMENT.__struct_fields__}
                    | {"samples_us": (100.0, nothing)})  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: Config(threads=0),
        lambda: Config(affinity="mask:zz"),
        lambda: Config(affinity="mask:00"),
        lambda: Config(affinity="mask:f0; reboot"),
        lambda: Precision(interval=-0.1),
        lambda: Precision(min_samples=10, max_samples=5),
        lambda: Precision(max_seconds=float("nan")),
        lambda: Device(serial="", virtual=False),
        lambda: Device(serial="a", virtual=False, fidelity="full"),
        lambda: Model(name="m", path="m", sha256="xyz", size_bytes=1),
        lambda: Model(name="m", path="m", sha256="0" * 64, size_bytes=0),
        lambda: ModelSpec(),
        lambda: ModelSpec(family="a", file="b"),
    ],
)
def test_nonsense_is_refused_when_made(make):
    with pytest.raises(ValueError, match=r"."):
        make()


def test_an_unknown_field_is_not_read_over():
    line = encode(a_trial()).replace(b'"key":', b'"kee":', 1)
    with pytest.raises(StoreError, match="schema"):
        decode(line, Trial)


@pytest.mark.parametrize("more", [b"", b'"later":1,'], ids=["the same fields", "a new field"])
def test_a_record_of_another_schema_is_refused_as_that(more):
    line = encode(a_trial()).replace(b'"schema":1,', b'"schema":2,' + more, 1)
    with pytest.raises(StoreError, match=r"^written with schema 2; this bench reads schema 1\.$"):
        decode(line, Trial)


def test_a_virtual_device_says_so_in_its_title():
    phone = Device(serial="a", virtual=True, fidelity="reduced", model="Virtual Small")
    assert device_title(phone) == "Virtual Small [virtual, reduced fidelity]"
    assert device_title(Device(serial="a", virtual=False, model="Pixel 8")) == "Pixel 8"


def test_devices_of_one_name_are_told_apart():
    phones = [Device(serial=s, virtual=False, model="Pixel 8") for s in ("A1", "B2")]
    other = Device(serial="C3", virtual=True, model="Virtual Small")
    assert device_titles([*phones, other]) == {
        "A1": "Pixel 8 A1",
        "B2": "Pixel 8 B2",
        "C3": "Virtual Small [virtual]",
    }


@given(st.text(), st.text())
def test_a_trial_key_is_a_safe_file_name_and_unlike_any_other(model, other):
    def key(name):
        return trial_key(
            "127.0.0.1:6601", PlannedTrial(index=0, model=name, config=Config(), repetition=0)
        )

    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,120}", key(model))
    assert (key(model) == key(other)) == (model == other)
