"""The host's half of the contract: any bytes give a report or a RunnerError."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st
from runners import host_binaries, start

from bench.errors import ContractError, RunnerError, UsageError
from bench.records import Config, MemoryAt, OpTime, Precision, Usage
from bench.runtime import FP16_FLAGS, RunnerReport, parse_document, runner_argv


def document(**changed: Any) -> dict[str, Any]:
    whole = {
        "contract": 1,
        "runner_version": "0.1.0",
        "status": "ok",
        "library_version": None,
        "abi": "arm64-v8a",
        "pid": 4711,
        "clock": "CLOCK_MONOTONIC",
        "cpu_mask": "f0",
        "threads": 1,
        "delegate": "xnnpack",
        "delegation": "full",
        "init_us": 900.5,
        "compile_us": 4000.25,
        "first_inference_us": 2000.0,
        "warmup_us": [1500.0],
        "samples_us": [1000.125, 1001],
        "stopped_by": "max_samples",
        "memory": {"before_load_kb": 1500, "after_compile_kb": 9000, "peak_kb": 12000},
        "inputs": [
            {
                "name": "x",
                "type": "float32",
                "shape": [1, 4],
                "bytes": 16,
                "crc32": "0123abcd",
                "source": "seeded",
            }
        ],
        "outputs": [
            {
                "name": "y",
                "type": "float32",
                "shape": [1, 2],
                "bytes": 8,
                "crc32": "89abcdef",
                "sum": 1.0,
            }
        ],
    }
    return whole | changed | {"end": "complete"}


PROFILE: dict[str, Any] = {
    "inferences": 5,
    "uneven": 0,
    "dropped": 1,
    "ops": [
        {"index": 0, "op": "Conv", "name": None, "mean_us": 7.5, "delegate": "xnnpack"},
        {"index": 2, "op": "RESHAPE", "name": "y", "mean_us": 0, "delegate": "builtin"},
    ],
}


USAGE: dict[str, Any] = {"wall_us": 500000.25, "own_us": 499000, "busy_us": 730000}


MEMORY: dict[str, Any] = {
    step: {"peak_kb": 1000 * n, "pss_kb": None if n == 1 else 900 * n}
    for n, step in enumerate(("baseline", "load", "compile", "first", "steady"), 1)
}


def printed(told: dict[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def failure(stdout: bytes, stderr: bytes = b"", exit_code: int = 0) -> RunnerError:
    with pytest.raises(RunnerError) as caught:
        parse_document(stdout, stderr, exit_code)
    return caught.value


# Arguments


def test_the_command_names_every_setting() -> None:
    argv = runner_argv(
        runner="/data/local/tmp/b",
        library="/l.so",
        model="/a b;touch x$(id).tflite",
        config=Config(threads=4, delegate="none"),
        precision=Precision(interval=0.015, max_seconds=1.5, warmup_max_seconds=0),
        cpu_mask="f0",
        inputs=("/in0", "/in1"),
        outputs="/out",
        usage=True,
    )
    assert argv == [
        "/data/local/tmp/b",
        "--contract=1",
        "--library=/l.so",
        "--model=/a b;touch x$(id).tflite",
        "--threads=4",
        "--delegate=none",
        "--seed=1",
        "--interval=0.015",
        "--min-samples=30",
        "--max-samples=100000",
        "--max-seconds=1.5",
        "--warmup-max-seconds=0",
        "--input=/in0",
        "--input=/in1",
        "--cpu-mask=f0",
        "--usage=1",
        "--outputs=/out",
    ]


@pytest.mark.parametrize("path", ["", "relative", "/two\nlines", "/nul\0", "-x"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="no path on a phone"):
        runner_argv(runner="/r", library="/l", model=path, config=Config(), precision=Precision())
    with pytest.raises(UsageError, match="no path on a phone"):
        runner_argv(
            runner="/r", library="/l", model="/m", config=Config(), precision=Precision(),
            outputs=path,
        )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    interval=st.floats(0, 0.999999),
    max_seconds=st.floats(1e-6, 3600),
    warmup=st.floats(0, 600),
    threads=st.integers(1, 64),
)
def test_the_runner_understands_every_config_and_precision(
    interval: float, max_seconds: float, warmup: float, threads: int
) -> None:
    argv = runner_argv(
        runner="/r",
        library="/no/library",
        model="/m",
        config=Config(threads=threads),
        precision=Precision(interval=interval, max_seconds=max_seconds, warmup_max_seconds=warmup),
    )
    done = start(argv[1:])
    assert failure(done.stdout, done.stderr, done.returncode).stage == "library"


# Documents


def test_a_whole_run_becomes_a_report(tmp_path: Path) -> None:
    binaries, model = host_binaries(), tmp_path / "m.tflite"
    model.write_bytes(tiny_models.conv_net())
    argv = runner_argv(
        runner=str(binaries.runner),
        library=str(binaries.library),
        model=str(model),
        config=Config(),
        precision=Precision(min_samples=5, max_samples=5, warmup_max_seconds=0),
    )
    done = start(argv[1:])
    report = parse_document(done.stdout, done.stderr, done.returncode)
    assert report.abi == binaries.abi
    assert report.runner_version == binaries.runner_version
    assert len(report.measurement.samples_us) == 5
    assert report.measurement.outputs[0].name == "conv1"
    assert report.measurement.input_source == "seeded"
    assert report.inputs[0].shape == (1, 16, 16, 3)


def test_a_report_holds_what_the_document_says() -> None:
    report = parse_document(printed(document()), b"", 0)
    assert report.measurement.samples_us == (1000.125, 1001.0)
    assert report.measurement.memory.peak_kb == 12000
    assert report.measurement.affinity_mask == "f0"
    assert report.measurement.outputs[0].crc32 == "89abcdef"
    assert report.pid == 4711


def test_a_profile_becomes_operator_times() -> None:
    report = parse_document(printed(document(profile=PROFILE)), b"", 0)
    assert report.ops == (
        OpTime(index=0, op="Conv", mean_us=7.5, delegate="xnnpack"),
        OpTime(index=2, op="RESHAPE", name="y", mean_us=0),
    )
    assert (report.profiled, report.dropped_events) == (5, 1)
    assert parse_document(printed(document()), b"", 0).ops == ()


def test_usage_is_told_or_not() -> None:
    told = parse_document(printed(document(usage=USAGE)), b"", 0).measurement.usage
    assert told == Usage(wall_us=500000.25, own_us=499000, busy_us=730000)
    for document_without in (document(), document(usage=None)):
        assert parse_document(printed(document_without), b"", 0).measurement.usage is None


def test_a_memory_pass_is_told_step_by_step() -> None:
    memory = parse_document(printed(document(memory_pass=MEMORY)), b"", 0).memory
    assert memory is not None
    assert memory.baseline == MemoryAt(peak_kb=1000)
    assert memory.load == MemoryAt(peak_kb=2000, pss_kb=1800)
    assert memory.steady == MemoryAt(peak_kb=5000, pss_kb=4500)
    assert parse_document(printed(document()), b"", 0).memory is None


def test_a_memory_pass_of_the_runner_is_understood(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(tiny_models.conv_net())
    argv = runner_argv(
        runner="/r",
        library=str(host_binaries().library),
        model=str(model),
        config=Config(),
        precision=Precision(),
        memory=4,
    )
    done = start(argv[1:])
    report = parse_document(done.stdout, done.stderr, done.returncode)
    assert report.memory is not None
    assert (report.memory.baseline.pss_kb or 0) < (report.memory.steady.pss_kb or 0)
    assert len(report.measurement.samples_us) == 4


def test_a_profiled_run_of_the_runner_is_understood(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(tiny_models.partly_delegated())
    argv = runner_argv(
        runner="/r",
        library=str(host_binaries().library),
        model=str(model),
        config=Config(),
        precision=Precision(warmup_max_seconds=0),
        profile=4,
        xnnpack_flags=FP16_FLAGS,
        weight_cache=str(tmp_path / "cache"),
    )
    done = start(argv[1:])
    report = parse_document(done.stdout, done.stderr, done.returncode)
    (builtin,) = [op for op in report.ops if op.delegate is None]
    assert (builtin.op, builtin.name) == ("REVERSE_V2", "reversed")
    assert len(report.ops) > 3  # XNNPACK converts to half precision and back
    assert (tmp_path / "cache").stat().st_size > 0


def test_a_stale_runner_is_a_contract_error() -> None:
    line = printed(document(runner_version="0.0.9"))
    assert parse_document(line, b"", 0).runner_version == "0.0.9"
    with pytest.raises(
        ContractError, match=r"of version 0\.0\.9, 0\.1\.0 was meant to run"
    ) as caught:
        parse_document(line, b"", 0, runner_version="0.1.0")
    assert "pip install --force-reinstall" in str(caught.value)
    assert parse_document(printed(document()), b"", 0, runner_version="0.1.0").pid == 4711


def test_line_ends_of_a_terminal_are_tolerated() -> None:
    line = printed(document()).replace(b"\n", b"\r\n")
    assert parse_document(b"\r\n" + line + b"\r\n", b"", 0).pid == 4711


def test_other_lines_around_the_document_are_tolerated() -> None:
    """A phone without shell_v2 mixes stderr into stdout; Android 6's linker warns there."""
    mixed = b"WARNING: linker: unsupported flags\r\n" + printed(document()) + b"INFO: Created\r\n"
    assert parse_document(mixed, b"", 0).pid == 4711


def test_two_documents_are_none() -> None:
    assert "more than one document" in str(failure(printed(document()) * 2))


def test_a_cut_output_is_an_error_not_a_number() -> None:
    line = printed(document()).rstrip()
    for size in range(len(line)):
        assert failure(line[:size]).stage == "output"


def test_a_cut_output_of_a_killed_runner_says_so() -> None:
    error = failure(printed(document())[:200], b"", 137)
    assert "killed (signal 9), probably by the phone's low-memory killer" in str(error)


def test_a_missing_end_is_an_error() -> None:
    told = document()
    del told["end"]
    assert "end" in str(failure(printed(told)))


@pytest.mark.parametrize(
    "changed",
    [
        {"samples_us": []},
        {"samples_us": [0]},
        {"samples_us": [-1.5]},
        {"samples_us": [1e12]},
        {"samples_us": ["1"]},
        {"samples_us": None},
        {"warmup_us": [-1]},
        {"first_inference_us": 0},
        {"init_us": -1},
        {"memory": {"before_load_kb": -1, "after_compile_kb": 1, "peak_kb": 1}},
        {"memory": {"before_load_kb": 1.5, "after_compile_kb": 1, "peak_kb": 1}},
        {"memory": {}},
        {"stopped_by": "boredom"},
        {"delegation": "half"},
        {"cpu_mask": "xyz"},
        {"threads": 0},
        {"outputs": [{"name": "y"}]},
        {"surprise": 1},
        {"profile": PROFILE | {"inferences": 0}},
        {"profile": PROFILE | {"ops": [PROFILE["ops"][0] | {"mean_us": -1}]}},
        {"profile": PROFILE | {"ops": [PROFILE["ops"][0] | {"delegate": "gpu"}]}},
        {"profile": {}},
        {"usage": {}},
        {"usage": USAGE | {"wall_us": 0}},
        {"usage": USAGE | {"own_us": -1}},
        {"usage": USAGE | {"busy_us": 1e15}},
        {"usage": USAGE | {"busy_us": None}},
        {"usage": USAGE | {"idle_us": 1}},
        {"usage": [1, 2, 3]},
        {"memory_pass": {}},
        {"memory_pass": {k: v for k, v in MEMORY.items() if k != "steady"}},
        {"memory_pass": MEMORY | {"end": MEMORY["first"]}},
        {"memory_pass": MEMORY | {"first": None}},
        {"memory_pass": MEMORY | {"first": {"peak_kb": 1}}},
        {"memory_pass": MEMORY | {"first": {"peak_kb": -1, "pss_kb": 1}}},
        {"memory_pass": MEMORY | {"first": {"peak_kb": 2**41, "pss_kb": 1}}},
        {"memory_pass": MEMORY | {"first": {"peak_kb": 1, "pss_kb": 1.5}}},
        {"memory_pass": MEMORY | {"first": {"peak_kb": 1, "pss_kb": "1"}}},
        {"status": "fine"},
        {"runner_version": "x" * 5000},
    ],
)
def test_nonsense_is_refused(changed: dict[str, Any]) -> None:
    assert failure(printed(document(**changed))).stage == "output"


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_none_are_refused(word: bytes) -> None:
    assert failure(printed(document()).replace(b"1000.125", word)).stage == "output"


def test_too_much_output_is_refused_unread() -> None:
    assert "more than any measurement needs" in str(failure(b"x" * (64 * 1024 * 1024 + 1)))


def test_output_of_many_short_lines_takes_no_more_memory_than_one_long_line() -> None:
    many = b"\n" * 2_000_000
    tracemalloc.start()
    try:
        failure(many)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(many)
    finally:
        tracemalloc.stop()


def test_another_contract_is_a_contract_error_whatever_else_it_says() -> None:
    error = failure(b'{"contract":2,"status":"ok","brand":"new"}\n')
    assert isinstance(error, ContractError)
    assert "speaks contract 2, this bench speaks 1" in str(error)


def test_a_runner_that_refuses_the_contract_is_a_contract_error() -> None:
    done = start(["--contract=7"])
    error = failure(done.stdout, done.stderr, done.returncode)
    assert isinstance(error, ContractError)
    assert "asked for contract 7" in str(error)


def test_an_error_document_gives_its_stage_and_reason() -> None:
    told = {
        "contract": 1,
        "runner_version": "0.1.0",
        "status": "error",
        "stage": "compile",
        "reason": "ERROR: \x1b[31mno op\x07 \u202etxt",
        "end": "complete",
    }
    error = failure(printed(told), b"", 1)
    assert error.stage == "compile"
    assert str(error) == "ERROR: [31mno op txt"


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (137, "killed (signal 9), probably by the phone's low-memory killer"),
        (139, "killed (signal 11), because LiteRT crashed"),
        (132, "lacks an instruction"),
        (143, "told to end"),
        (1, "ended with exit code 1 without a document"),
        (255, "ended with exit code 255"),
    ],
)
def test_a_runner_that_ends_without_a_document_says_how(exit_code: int, words: str) -> None:
    error = failure(b"", b"", exit_code)
    assert error.stage == "process"
    assert words in str(error)


@pytest.mark.parametrize("exit_code", [126, 127])
def test_a_runner_that_the_phone_cannot_start_quotes_the_phone(exit_code: int) -> None:
    said = b"sh: /data/local/tmp/bench-runner: not executable: 64-bit ELF file\r\n"
    for stdout, stderr in ((b"", said), (said, b"")):
        error = failure(stdout, stderr, exit_code)
        assert error.stage == "start"
        assert "not executable: 64-bit ELF file" in str(error)


def test_silence_with_exit_code_0_is_an_error() -> None:
    assert failure(b"", b"", 0).stage == "output"


def test_a_document_followed_by_a_crash_is_not_trusted() -> None:
    assert "after it had printed its results" in str(failure(printed(document()), b"", 139))


def report_or_failure(stdout: bytes, stderr: bytes, exit_code: int) -> None:
    outcome: RunnerReport | RunnerError
    try:
        outcome = parse_document(stdout, stderr, exit_code)
    except RunnerError as error:
        outcome = error
    if isinstance(outcome, RunnerReport):
        assert outcome.measurement.samples_us
    else:
        assert outcome.stage
        assert len(str(outcome)) < 4000
        assert str(outcome).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.binary(), st.binary(), st.integers(-1, 256))
def test_any_bytes_give_a_report_or_a_runner_error(
    stdout: bytes, stderr: bytes, exit_code: int
) -> None:
    report_or_failure(stdout, stderr, exit_code)
    report_or_failure(b'{"contract":' + stdout, stderr, exit_code)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(document(profile=0, usage=0, memory_pass=0))), JSON)
def test_any_value_anywhere_gives_a_report_or_a_runner_error(key: str, value: Any) -> None:
    report_or_failure(printed(document() | {key: value}), b"", 0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_gives_a_report_or_a_runner_error(data: st.DataObject) -> None:
    line = bytearray(printed(document()))
    for _ in range(data.draw(st.integers(1, 4))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    report_or_failure(bytes(line), b"", 0)


def test_deep_nesting_is_an_error() -> None:
    report_or_failure(b'{"contract":' + b"[" * 1_000_000, b"", 0)
    report_or_failure(b'{"contract":1,"status":' + b'{"a":' * 100_000, b"", 0)
