"""The result file of benchmark_model: read in full, held against the text, or a named failure."""

from __future__ import annotations

import struct

import benchmark_model_logs as logs
import pytest
from benchmark_model_logs import LOGS, floats, part, result_file, varint
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import RunnerError
from bench.runtime.benchmark_model import Outcome, parse_output, read_result_file


def parsed(stdout: bytes, file: bytes) -> Outcome:
    return parse_output(stdout, b"", 0, delegate="xnnpack", result_file=file)


def refused(stdout: bytes, file: bytes) -> str:
    with pytest.raises(RunnerError) as raised:
        parsed(stdout, file)
    assert raised.value.stage == "output"
    return raised.value.what


def test_a_result_file_gives_all_that_the_tool_wrote() -> None:
    told = read_result_file(result_file())
    assert (told.count, told.warmup_count, told.growth_kb) == (64, 3, logs.GROWTH_KB)
    assert told.mean_us == pytest.approx(8077.25)
    assert (told.min_us, told.max_us) == (pytest.approx(7954), pytest.approx(9321))
    assert (told.std_us, told.median_us) == (pytest.approx(143), pytest.approx(8044))
    assert (told.p5_us, told.p95_us) == (pytest.approx(7961), pytest.approx(8410))
    assert (told.init_us, told.first_inference_us) == (pytest.approx(3412), pytest.approx(19877))
    assert told.warmup_mean_us == pytest.approx(12199.7)


@pytest.mark.parametrize("generation", ["G6", "G8"])
def test_a_file_that_agrees_changes_nothing(generation: str) -> None:
    alone = parse_output(LOGS[generation], b"", 0, delegate="xnnpack")
    assert parsed(LOGS[generation], result_file()) == alone


def test_a_file_tells_what_an_older_text_leaves_out() -> None:
    told = parsed(LOGS["G5"], result_file()).reported
    assert told.mean_us == 8077.25
    assert (told.median_us, told.p95_us) == (pytest.approx(8044), pytest.approx(8410))


def test_a_file_has_the_digits_that_a_block_alone_lacks() -> None:
    created = logs.XNNPACK_CREATED.splitlines()
    told = parsed(logs.text([*created, *logs.litert_block()]), result_file()).reported
    assert told.mean_us == pytest.approx(8077.25)
    assert told.peak_kb == logs.GROWTH_KB


@pytest.mark.parametrize(
    "file",
    [
        result_file(runs=65),
        result_file(f1=8.07826),  # the mean, 1 us off
        result_file(f2=7.953),
        result_file(f3=9.32),
        result_file(f4=0.145),
        result_file(f5=8.045),
        result_file(f7=84.1),
        result_file(f8=3.413),
        result_file(f9=19.8),
        result_file(f10=12.3),
        result_file(growth_kb=9000),
    ],
    ids=range(11),
)
def test_a_file_of_another_run_is_a_failure(file: bytes) -> None:
    assert "disagree" in refused(LOGS["G6"], file)


def test_a_file_that_is_cut_anywhere_is_a_failure() -> None:
    whole = result_file()
    for end in range(len(whole)):
        refused(LOGS["G6"], whole[:end])


def test_a_file_is_no_result_without_its_text() -> None:
    # Only the text tells which delegate ran, and whether the run ended well.
    refused(b"", result_file())
    refused(LOGS["G6"][:900], result_file())


def test_fields_that_are_not_known_are_passed_over() -> None:
    later = varint(14, 7) + part(15, b"new") + bytes([13 << 3 | 1]) + bytes(8)
    assert read_result_file(later + result_file()) == read_result_file(result_file())
    assert read_result_file(result_file() + part(2, floats(f11=1.0))) == read_result_file(
        result_file()
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes([2 << 3 | 3]),  # a group
        bytes([0, 1]),  # field 0
        b"\xff" * 12,
        part(2, floats(f1=float("nan"))) + part(4, varint(2, 1)),
        part(2, floats(f1=float("inf"))) + part(4, varint(2, 1)),
        part(2, bytes([1 << 3 | 1]) + struct.pack("<d", 8.07725)) + part(4, varint(2, 64)),
        part(2, floats(f1=8.0)),
        part(4, varint(2, 64)),
        result_file() * 2000,
    ],
)
def test_what_is_no_result_file_is_a_failure(data: bytes) -> None:
    with pytest.raises(RunnerError) as raised:
        read_result_file(data)
    assert raised.value.stage == "output"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 90))
def test_any_bytes_give_a_file_or_a_named_failure(data: bytes, at: int) -> None:
    whole = result_file()
    for file in (data, whole[:at] + data, whole[:at] + data + whole[at + len(data) :]):
        try:
            read_result_file(file)
        except RunnerError:
            continue


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_byte_never_changes_the_mean(data: st.DataObject) -> None:
    file = bytearray(result_file())
    file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        told = parsed(LOGS["G6"], bytes(file)).reported
    except RunnerError:
        return
    assert (told.count, told.mean_us) == (64, 8077.25)


def test_zeros_for_what_was_not_measured_are_not_told() -> None:
    single = floats(f1=8.0, f2=8.0, f3=8.0, f4=0.0, f9=0.0, f10=0.0)
    told = read_result_file(part(2, single) + part(4, varint(2, 1) + varint(3, 0)))
    assert (told.std_us, told.first_inference_us, told.warmup_mean_us) == (None, None, None)
    assert told.growth_kb is None
