"""What benchmark_model printed, in nine generations: the figures it meant, or a named failure."""

from __future__ import annotations

import dataclasses
import re

import benchmark_model_logs as logs
import pytest
from benchmark_model_logs import DELTA, LOGS, MODEL, NOTE, SUMMARY, current, delegate_of, text
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import RunnerError
from bench.records import Reported
from bench.runtime.benchmark_model import Outcome, parse_output

GENERATIONS = sorted(LOGS)


def parsed(stdout: bytes, stderr: bytes = b"", exit_code: int = 0, **asked: object) -> Outcome:
    asked.setdefault("delegate", "xnnpack")
    return parse_output(stdout, stderr, exit_code, **asked)  # type: ignore[arg-type]


def stage_of(stdout: bytes, stderr: bytes = b"", exit_code: int = 0, **asked: object) -> str:
    with pytest.raises(RunnerError) as raised:
        parsed(stdout, stderr, exit_code, **asked)
    assert raised.value.what
    return raised.value.stage


def changed(lines: list[str], old: str, new: str) -> bytes:
    """A log with one text in the place of another."""
    whole = "\n".join(lines) + "\n"
    assert old in whole
    return whole.replace(old, new).encode()


def without(lines: list[str], *starts: str) -> list[str]:
    kept = [x for x in lines if not x.removeprefix("INFO: ").startswith(starts)]
    assert len(kept) < len(lines)
    return kept


# --- generations


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_gives_the_figures_that_it_prints(generation: str) -> None:
    outcome = parsed(LOGS[generation], delegate=delegate_of(generation), model=MODEL, threads=2)
    told = outcome.reported
    assert outcome.generation == generation
    assert outcome.ops == ()
    assert told.tool == "benchmark_model"
    assert (told.count, told.mean_us) == (64, 8077.25)
    assert (told.min_us, told.max_us, told.std_us) == (7954, 9321, 143)
    assert (told.init_us, told.first_inference_us) == (pytest.approx(3412), 19877)
    assert (told.warmup_count, told.warmup_mean_us) == (3, 12199.7)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_percentiles_and_memory_are_none_where_a_generation_prints_none(generation: str) -> None:
    told = parsed(LOGS[generation], delegate=delegate_of(generation)).reported
    percentiles = (told.p5_us, told.median_us, told.p95_us)
    new = generation in ("G6", "G7", "G8")
    assert percentiles == ((7961, 8044, 8410) if new else (None, None, None))
    assert told.peak_kb == (None if generation in ("G1", "G2") else logs.GROWTH_KB)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_delegation_is_what_the_generation_tells_of_it(generation: str) -> None:
    told = parsed(LOGS[generation], delegate=delegate_of(generation)).reported
    assert told.delegation == ("none" if generation in logs.WITHOUT_XNNPACK else "full")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_line_ends_of_old_adb_change_nothing(generation: str) -> None:
    delegate = delegate_of(generation)
    plain = parsed(LOGS[generation], delegate=delegate)
    for end in (b"\r\n", b"\r\r\n"):
        assert parsed(LOGS[generation].replace(b"\n", end), delegate=delegate) == plain


# --- cuts


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_cut_at_any_byte_gives_the_same_figures_or_a_failure(generation: str) -> None:
    whole = LOGS[generation]
    delegate = delegate_of(generation)
    expected = parsed(whole, delegate=delegate).reported
    refused = 0
    for end in range(len(whole)):
        for cut in (whole[:end], whole[:end] + b"\r"):
            try:
                told = parsed(cut, delegate=delegate).reported
            except RunnerError:
                refused += 1
                continue
            differing = [
                name
                for name in Reported.__struct_fields__
                if getattr(told, name) not in (getattr(expected, name), None)
            ]
            assert differing == [], (end, cut[-80:])
            assert (told.count, told.mean_us) == (expected.count, expected.mean_us)
    assert refused > len(whole)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_missing_line_gives_the_same_figures_or_a_failure(generation: str) -> None:
    lines = LOGS[generation].decode().splitlines()
    delegate = delegate_of(generation)
    expected = parsed(LOGS[generation], delegate=delegate).reported
    for gone in range(len(lines)):
        rest = text(lines[:gone] + lines[gone + 1 :])
        try:
            told = parsed(rest, delegate=delegate).reported
        except RunnerError:
            continue
        assert (told.count, told.mean_us) == (expected.count, expected.mean_us), lines[gone]


def test_a_count_line_alone_is_no_result() -> None:
    # A run that was killed has printed its warm-up, which looks like a measurement.
    lines = current()
    end = next(i for i, line in enumerate(lines) if line.endswith(logs.WARMUP_P))
    assert stage_of(text(lines[: end + 1])) == "output"
    steady = next(i for i, line in enumerate(lines) if line.endswith(logs.STEADY_P))
    assert stage_of(text(lines[: steady + 2])) == "output"


def test_the_warm_up_is_never_taken_for_the_measurement() -> None:
    assert stage_of(text(without(current(), "count=64"))) == "output"


def test_a_summary_without_counts_is_no_result() -> None:
    assert stage_of(text(without(current(), "count="))) == "output"


def test_a_measurement_without_its_warm_up_still_counts() -> None:
    told = parsed(text(without(current(), "count=3"))).reported
    assert (told.count, told.mean_us, told.warmup_count) == (64, 8077.25, None)
    assert told.warmup_mean_us == 12199.7


def test_a_last_line_without_its_end_is_taken_only_when_it_agrees() -> None:
    lines = without(current(), "Note: ", "Memory ")
    whole = "\n".join(lines).encode()
    assert whole.endswith(b"8077.25")
    assert parsed(whole).reported.mean_us == 8077.25
    assert stage_of(whole[:-1]) == "output"


# --- forms of the figures


def test_scientific_notation_is_a_number() -> None:
    lines = current()
    slow = "\n".join(lines).replace("avg=8077.25", "avg=2.95034e+06")
    slow = slow.replace("Inference (avg): 8077.25", "Inference (avg): 2.95034e+06")
    slow = slow.replace(
        "first=8123 curr=8010 min=7954 max=9321",
        "first=2990275 curr=2913402 min=2727568 max=3189954",
    )
    slow = slow.replace(" p5=7961 median=8044 p95=8410", "")
    told = parsed((slow + "\n").encode()).reported
    assert (told.mean_us, told.max_us, told.median_us) == (2_950_340, 3_189_954, None)


def test_a_single_run_has_one_value() -> None:
    single = "count=1 curr=8077 p5=8077 median=8077 p95=8077"
    lines = "\n".join(current()).replace(logs.STEADY_P, single)
    lines = lines.replace("Inference (avg): 8077.25", "Inference (avg): 8077")
    told = parsed((lines + "\n").encode()).reported
    assert (told.count, told.mean_us, told.median_us) == (1, 8077, 8077)
    assert (told.min_us, told.max_us, told.std_us) == (8077, 8077, None)


def test_a_single_long_run_keeps_the_digits_that_the_summary_loses() -> None:
    lines = "\n".join(current()).replace(logs.STEADY_P, "count=1 curr=3512391")
    lines = lines.replace("Inference (avg): 8077.25", "Inference (avg): 3.51239e+06")
    assert parsed((lines + "\n").encode()).reported.mean_us == 3_512_391


def test_the_summary_between_old_and_new_is_read() -> None:
    between = LOGS["G2"].replace(b"no stats:", b"Inference:")
    assert parsed(between, delegate="none") == parsed(LOGS["G2"], delegate="none")


@pytest.mark.parametrize("space", ["", " "])
def test_equal_samples_have_their_one_value_and_no_deviation(space: str) -> None:
    same = f"count=64 curr=44{space}(all same) p5=44 median=44 p95=44"
    lines = "\n".join(current()).replace(logs.STEADY_P, same)
    lines = lines.replace("Inference (avg): 8077.25", "Inference (avg): 44")
    told = parsed((lines + "\n").encode()).reported
    assert (told.count, told.mean_us, told.std_us) == (64, 44, 0)
    assert (told.min_us, told.median_us, told.max_us) == (44, 44, 44)


def test_no_inference_is_a_failure() -> None:
    lines = "\n".join(current())
    for line in (logs.WARMUP_P, logs.STEADY_P):
        lines = lines.replace(line, "count=0 p5=0 median=0 p95=0")
    lines = re.sub(
        "First inference: .*", "First inference: 0, Warmup (avg): 0, Inference (avg): 0", lines
    )
    assert stage_of((lines + "\n").encode()) == "output"


def test_a_model_below_a_microsecond_is_a_failure() -> None:
    lines = "\n".join(current()).replace(logs.STEADY_P, "count=9000 curr=0(all same)")
    lines = lines.replace("Inference (avg): 8077.25", "Inference (avg): 0")
    assert stage_of((lines + "\n").encode()) == "output"


def test_a_deviation_that_a_rounding_made_impossible_is_not_told() -> None:
    for std in ("-9223372036854775808", "-nan", "nan"):
        assert parsed(changed(current(), "std=143", f"std={std}")).reported.std_us is None


def test_no_warm_up_leaves_its_figures_untold() -> None:
    lines = changed(current(), logs.WARMUP_P, "count=0 p5=0 median=0 p95=0").decode()
    lines = lines.replace(
        "First inference: 19877, Warmup (avg): 12199.7", "First inference: 0, Warmup (avg): 0"
    )
    told = parsed(lines.encode()).reported
    assert (told.mean_us, told.warmup_count) == (8077.25, 0)
    assert (told.first_inference_us, told.warmup_mean_us) == (None, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min=7954", "min=9954"),  # above the maximum
        ("max=9321", "max=932"),
        ("median=8044", "median=80"),
        ("p95=8410", "p95=84100"),
        ("avg=8077.25", "avg=8777.25"),  # not the summary's mean
        ("avg=8077.25", "avg=8O77.25"),
        ("count=64 first", "count=64first"),
        ("Inference (avg): 8077.25", "Inference (avg): 807725"),
        ("Inference (avg): 8077.25", "Inference (avg): "),
        ("avg=12199.7", "avg=12999.7"),  # the warm-up's
        ("Init: 3412", "Init: 34120"),
        ("Initialized session in 3.412ms.", "Initialized session in 4.412ms."),
    ],
)
def test_a_changed_digit_is_a_failure(old: str, new: str) -> None:
    assert stage_of(changed(current(), old, new)) == "output"


# --- memory


def test_no_account_of_memory_is_not_told() -> None:
    assert (
        parsed(changed(current(), "init=2.5 overall=7.26953", "init=0 overall=0")).reported.peak_kb
        is None
    )
    grown = parsed(changed(current(), "init=2.5 overall", "init=0 overall"))
    assert grown.reported.peak_kb == logs.GROWTH_KB


@pytest.mark.parametrize("cut", ["7.2695", "7.269", "7.26", "7.2", "7."])
def test_a_memory_line_that_lost_digits_is_not_told(cut: str) -> None:
    assert parsed(changed(current(), "overall=7.26953", f"overall={cut}")).reported.peak_kb is None


def test_a_second_memory_line_with_another_figure_is_of_another_run() -> None:
    assert parsed(text([*current(), logs.DELTA])).reported.peak_kb == logs.GROWTH_KB
    other = logs.DELTA.replace("7.26953", "9.90234")
    assert stage_of(text([*current(), other])) == "output"


def test_the_peak_by_monitoring_is_not_the_growth() -> None:
    told = parsed(LOGS["G5"]).reported
    assert told.peak_kb == logs.GROWTH_KB  # not 21.5 MB, which holds the tool itself


# --- carriers


LOGCATS = {
    "threadtime": "06-21 09:10:11.123  4711  4714 I tflite  : {}",
    "year, zone": "2026-06-21 09:10:11.123456 +0200  4711  4714 I tflite: {}",
    "without ids": "06-21 09:10:11.123 I tflite  : {}",
    "uid": "06-21 09:10:11.123 10234  4711  4714 I tflite  : {}",
    "epoch": "1782000000.123  4711  4714 I tflite  : {}",
    "time": "06-21 09:10:11.123 I/tflite  ( 4711): {}",
    "brief": "I/tflite  ( 4711): {}",
    "tag": "I/tflite  : {}",
    "process": "I( 4711) {}  (tflite)",
    "as guides show it": "I tflite  : {}",
    "with dots": "... tflite  : {}",
    "studio without a date": "09:10:11.123  4711-4714  tflite       org.bench  I  {}",
    "studio": "2026-06-21 09:10:11.123  4711-4714  tflite                  org.bench   I  {}",
    "old studio": "06-21 09:10:11.123 4711-4714/org.bench I/tflite: {}",
    "long": "[ 06-21 09:10:11.123  4711: 4714 I/tflite ]\n{}\n",
    "colour": "\x1b[38;5;40m06-21 09:10:11.123  4711  4714 I tflite  : {}\x1b[0m",
}


@pytest.mark.parametrize("form", LOGCATS)
def test_every_form_of_logcat_is_read(form: str) -> None:
    lines = [LOGCATS[form].format(line.removeprefix("INFO: ")) for line in current()[1:]]
    outcome = parsed(text(["--------- beginning of main", *lines]), model=MODEL)
    assert outcome.generation == "G8"
    assert outcome.reported == parsed(text(current())).reported


def test_other_programs_in_a_logcat_are_not_read() -> None:
    noise = [
        "06-21 09:10:11.200  1201  1300 E ActivityManager: Failed to apply GPU delegate.",
        "06-21 09:10:11.201  1201  1300 I GmsModule: count=9 curr=1",
    ]
    lines = logs.logcat([x.removeprefix("INFO: ") for x in current()])
    mixed = [line for pair in zip(lines, noise * len(lines), strict=False) for line in pair]
    assert parsed(text(mixed)).reported.mean_us == 8077.25


def test_another_program_with_the_same_runtime_is_no_run() -> None:
    lines = logs.logcat([x.removeprefix("INFO: ") for x in current()])
    other = logs.logcat(["Initialized TensorFlow Lite runtime."], pid=99)
    assert parsed(text(lines + other)).reported.mean_us == 8077.25


def test_stale_lines_of_an_earlier_run_are_not_the_answer() -> None:
    stale = [line.replace("8077.25", "1234.5").replace("min=7954", "min=954") for line in current()]
    fresh = logs.logcat(current()[1:], pid=50, minute=12)
    for cut in (0, 5, 12, 17, 19, 22):  # logcat keeps only the end of what was said
        old = logs.logcat(stale[cut:], pid=40)
        assert parsed(text(old + fresh)).reported.mean_us == 8077.25
        without_ids = [f"I tflite  : {line.partition(' : ')[2]}" for line in old + fresh]
        assert parsed(text(without_ids)).reported.mean_us == 8077.25


def test_two_processes_whose_lines_alternate_are_kept_apart() -> None:
    old = logs.logcat([x.replace("8077.25", "8177.25") for x in current()], pid=40)
    new = logs.logcat(current(), pid=50)
    mixed = [line for pair in zip(old, new, strict=True) for line in pair]
    assert parsed(text(mixed)).reported.mean_us == 8077.25


def test_words_of_a_shell_around_the_run_change_nothing() -> None:
    around = [
        "WARNING: linker: ./benchmark_model: unsupported flags DT_FLAGS_1=0x8000001",
        "~/models $ ./benchmark_model --graph=cat.tflite" + current()[0],
        "nnapi error: unable to open library libneuralnetworks.so",
        *current()[1:],
        "~/models $ ",
    ]
    assert parsed(text(around)).reported.mean_us == 8077.25


def test_a_log_that_was_indented_in_a_page_is_read() -> None:
    assert parsed(text([f"    {line}" for line in current()])) == parsed(text(current()))


# --- several runs in one stream


def test_of_several_runs_the_last_is_meant() -> None:
    first = changed(current(), "8077.25", "8055.25")
    assert parsed(first + LOGS["G6"]).reported.mean_us == 8077.25
    assert parsed(LOGS["G1"] + LOGS["G6"]).reported.median_us == 8044


def test_an_earlier_run_is_no_answer_for_a_last_one_that_failed_or_was_cut() -> None:
    for end in range(1, len(current()) - 3):
        last = current()[:end]
        assert stage_of(LOGS["G6"] + text(last)) == "output"
    failed = [*current()[:7], "ERROR: Failed to allocate tensors!", "ERROR: Benchmarking failed."]
    assert stage_of(LOGS["G6"] + text(failed)) == "compile"


def test_a_failure_of_an_earlier_run_is_not_the_last_ones() -> None:
    failed = [*current()[:7], "ERROR: Failed to allocate tensors!", "ERROR: Benchmarking failed."]
    assert parsed(text(failed) + LOGS["G6"]).reported.mean_us == 8077.25


def test_runs_whose_lines_alternate_without_ids_are_a_failure() -> None:
    old = [x.replace("8077.25", "8177.25") for x in current()]
    mixed = [line for pair in zip(old, current(), strict=True) for line in pair]
    assert stage_of(text(mixed)) == "output"


def test_the_same_summary_twice_is_one_run() -> None:
    twice = [y for x in current() for y in ([x, x] if x.endswith(SUMMARY) else [x])]
    assert parsed(text(twice)).reported.mean_us == 8077.25


# --- delegates


APPLIED = "Explicitly applied {} delegate, and the model graph will be {} executed by the delegate"
GPU = [
    "GPU delegate created.",
    "Replacing 31 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 "
    "partitions for subgraph 0.",
    "Initialized OpenCL-based API.",
    "Created 1 GPU delegate kernels.",
    APPLIED.format("GPU", "completely") + ".",
]
GPU_ON = ("Use gpu: [1]", "Use xnnpack: [0]")


def gpu(delegates: list[str]) -> bytes:
    return text(current(switches=GPU_ON, delegates=delegates))


def test_a_delegate_that_took_the_whole_model_is_full() -> None:
    assert parsed(gpu(GPU), delegate="gpu").reported.delegation == "full"


@pytest.mark.parametrize(
    "line",
    [
        APPLIED.format("GPU", "partially") + " w/ 14 delegate kernels.",
        "Applied GPU delegate, and the model graph will be partially executed w/ the delegate.",
        "Replacing 29 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 5 "
        "partitions for subgraph 0.",
        "Replacing 29 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions.",
        "Replacing 12 out of 31 node(s) with delegate (LITERT_CL) node, yielding 2 partitions for "
        "subgraph 0 (main).",
        "GpuDelegate delegate: 29 nodes delegated out of 31 nodes with 2 partitions.",
        "29 operations will run on the GPU, and the remaining 2 operations will run on the CPU.",
    ],
)
def test_a_delegate_that_took_some_of_the_model_is_partial(line: str) -> None:
    assert parsed(gpu([line]), delegate="gpu").reported.delegation == "partial"
    assert parsed(gpu([*GPU, line]), delegate="gpu").reported.delegation == "partial"


def test_a_delegate_that_is_only_said_to_be_applied_is_not_told_how_much() -> None:
    assert parsed(gpu(["Applied GPU delegate."]), delegate="gpu").reported.delegation is None


NOT_THE_GPU = [
    ["ERROR: Failed to apply GPU delegate."],
    ["Failed to apply GPU delegate."],
    ["ERROR: TfLiteGpuDelegate Init: Batch size mismatch, expected 1 but got 400"],
    ["Created 0 GPU delegate kernels."],
    ["ERROR: Restored original execution plan after delegate application failure."],
    ["WARN: GPU acceleration is unsupported on this platform."],
    ["ERROR: Disallowed CPU fallback detected."],
    ["No operations will run on the GPU, and all 31 operations will run on the CPU."],
    [
        "Though GPU delegate is explicitly applied, the model graph will not be executed by the "
        "delegate."
    ],
    ["ERROR: Node number 31 (TfLiteGpuDelegateV2) failed to prepare."],
    ["ERROR: Falling back to OpenGL", *GPU],
    [*GPU, "Initialized OpenGL-based API."],
    ["GPU delegate created."],
    ["Created TensorFlow Lite XNNPACK delegate for CPU."],
    [],
]


@pytest.mark.parametrize("lines", NOT_THE_GPU)
def test_timings_after_a_failed_delegate_are_not_the_delegates(lines: list[str]) -> None:
    assert stage_of(gpu(lines), delegate="gpu") == "delegate"
    stream = "\n".join(lines).encode()
    assert stage_of(gpu([]), stream, delegate="gpu") == "delegate"  # in the other stream


def test_a_flag_that_the_tool_ignored_is_a_failure_to_obtain_the_delegate() -> None:
    lines = current(delegates=[])
    lines.insert(1, "WARN: Unconsumed cmdline flags: --use_gpu=true --gpu_backend=cl")
    assert stage_of(text(lines), logs.XNNPACK_CREATED.encode(), delegate="gpu") == "delegate"


@pytest.mark.parametrize(
    "flag", ["--num_treads=4", "--enable_op_profiling", "stray", f"--graph={MODEL}"]
)
def test_any_other_ignored_flag_is_a_failure_too(flag: str) -> None:
    lines = current()
    lines.insert(1, f"WARN: Unconsumed cmdline flags: {flag}")
    assert stage_of(text(lines)) == "arguments"


def test_a_result_file_that_an_old_version_can_not_write_is_no_failure() -> None:
    lines = current()
    lines.insert(1, "WARN: Unconsumed cmdline flags: --result_file_path=/data/local/tmp/r.pb")
    assert parsed(text(lines)).reported.mean_us == 8077.25


def test_flags_that_the_tool_registers_twice_are_no_failure() -> None:
    assert b"Duplicate flags" in LOGS["G3"]
    assert parsed(LOGS["G3"]).reported.mean_us == 8077.25


def test_xnnpack_by_default_is_not_told_how_much() -> None:
    plain = text(current(switches=(), delegates=[]))
    assert parsed(plain, logs.XNNPACK_CREATED.encode()).reported.delegation is None
    assert stage_of(plain) == "delegate"  # nothing shows XNNPACK


def test_builtin_kernels_asked_for_and_xnnpack_obtained_is_a_failure() -> None:
    off = current(switches=("Use xnnpack: [0]",), delegates=[])
    assert parsed(text(off), delegate="none").reported.delegation == "none"
    assert stage_of(text(off), logs.XNNPACK_CREATED.encode(), delegate="none") == "delegate"
    assert stage_of(text(current()), delegate="none") == "delegate"
    assert stage_of(text(off)) == "delegate"  # and the other way about


def test_another_delegate_than_asked_for_is_a_failure() -> None:
    assert stage_of(gpu(GPU), delegate="xnnpack") == "delegate"
    assert stage_of(gpu(GPU), delegate="nnapi") == "delegate"
    assert stage_of(text(current()), delegate="gpu") == "delegate"


def test_xnnpack_on_what_the_gpu_left_is_partial() -> None:
    rest = (
        "Replacing 2 out of 3 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 "
        "partitions for subgraph 0."
    )
    some = APPLIED.format("GPU", "partially") + " w/ 1 delegate kernels."
    log = text(current(switches=("Use gpu: [1]",), delegates=[some, rest]))
    assert parsed(log, delegate="gpu").reported.delegation == "partial"


def test_an_external_delegate_that_is_not_there_does_not_pass() -> None:
    log = text(current(switches=("External delegate path: [/data/local/tmp/no.so]",), delegates=[]))
    created = logs.XNNPACK_CREATED.encode()
    for asked in ("xnnpack", "external", "npu", None):
        assert stage_of(log, created, delegate=asked) == "delegate"


def test_a_second_delegate_that_took_nothing_leaves_the_first_its_figures() -> None:
    idle = (
        "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the "
        "delegate."
    )
    both = ("Use gpu: [1]", "Use NNAPI: [1]")
    log = text(current(switches=both, delegates=[*GPU, idle]))
    assert parsed(log, delegate="gpu").reported.delegation == "full"
    assert parsed(log, delegate=None).reported.delegation == "full"
    for asked in ("nnapi", "xnnpack", "none"):
        assert stage_of(log, delegate=asked) == "delegate"


def test_nnapi_on_its_own_reference_is_not_an_accelerator() -> None:
    lines = [
        "NNAPI accelerators available: [nnapi-reference]",
        "NNAPI delegate created.",
        APPLIED.format("NNAPI", "completely") + ".",
    ]
    log = current(switches=("Use NNAPI: [1]", "Use xnnpack: [0]"), delegates=lines)
    assert stage_of(text(log), delegate="nnapi") == "delegate"
    real = changed(log, "[nnapi-reference]", "[qti-dsp,nnapi-reference]")
    assert parsed(real, delegate="nnapi").reported.delegation == "full"


def test_a_compiled_npu_model_is_told_by_its_dispatch() -> None:
    lines = [
        "Replacing 1 out of 1 node(s) with delegate (DispatchDelegate) node, yielding 1 partitions "
        "for subgraph 0 (main)."
    ]
    log = text(current(switches=(), delegates=lines))
    assert parsed(log, delegate="npu").reported.delegation == "full"
    failed = [*lines, "ERROR: Failed to create a dispatch delegate kernel: No usable runtime"]
    assert stage_of(text(current(switches=(), delegates=failed)), delegate="npu") == "delegate"


@pytest.mark.parametrize(
    "line",
    [
        "[Qnn Delegate] QNN delegate: 31 nodes delegated out of 31 nodes",
        "Hexagon delegate: 31 nodes delegated out of 31 nodes with 1 partitions.",
        "EthosuDelegate: 1 nodes delegated out of 1 nodes with 1 partitions.",
        APPLIED.format("EXTERNAL", "completely") + ".",
    ],
)
def test_a_vendors_library_is_an_npu(line: str) -> None:
    on = ("External delegate path: [/vendor/lib64/libQnnTFLiteDelegate.so]",)
    log = text(current(switches=on, delegates=[line]))
    assert parsed(log, delegate="npu").reported.delegation == "full"
    assert stage_of(log, delegate="xnnpack") == "delegate"


def test_operators_of_tensorflow_are_no_other_delegate() -> None:
    flex = "TfLiteFlexDelegate delegate: 5 nodes delegated out of 105 nodes with 2 partitions."
    some = APPLIED.format("XNNPACK", "partially") + " w/ 3 delegate kernels."
    log = text(current(delegates=[flex, some]))
    assert parsed(log).reported.delegation == "partial"


def test_whatever_ran_is_taken_when_nothing_was_asked_for() -> None:
    assert parsed(gpu(GPU), delegate=None).reported.delegation == "full"
    assert parsed(LOGS["G1"], delegate=None).reported.mean_us == 8077.25
    assert stage_of(gpu(["Failed to apply GPU delegate."]), delegate=None) == "delegate"
    assert stage_of(gpu([]), delegate=None) == "delegate"


# --- failures


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ("ERROR: Could not open '/data/local/tmp/cat.tflite'.", "model"),
        ("ERROR: The model is not a valid Flatbuffer buffer", "model"),
        ("Failed to load model /data/local/tmp/cat.tflite", "model"),
        ("ERROR: Encountered unresolved custom op: Magic.", "model"),
        ("ERROR: Failed to compile model.", "model"),
        ("ERROR: Node number 57 (BATCH_MATMUL) failed to prepare.", "compile"),
        ("ERROR: Failed to allocate tensors!", "compile"),
        ("ERROR: Node number 3 (CONV_2D) failed to invoke.", "run"),
        ("ERROR: [./litert/tools/benchmark_litert_model.h:233] Run failed: no", "run"),
        ("Failed to invoke!", "run"),
        ("ERROR: Failed to parse flag 'num_threads' against argv '--num_threads=x'", "arguments"),
        ("ERROR: NN API returned error ANEURALNETWORKS_OP_FAILED at line 3779", "delegate"),
        ("Segmentation fault ", "process"),
        ("Killed ", "process"),
        ("terminating with uncaught exception of type std::bad_alloc", "process"),
        ("FATAL: Failed to read the input_layer_value_file:x", "process"),
        ("ERROR: Benchmarking failed.", "process"),
    ],
)  # fmt: skip
def test_a_failure_is_named_by_what_failed(said: str, stage: str) -> None:
    started = current()[:7]
    both = [*started, said, "ERROR: Benchmarking failed."]
    assert stage_of(text(both), exit_code=1) == stage
    assert stage_of(text(both)) == stage  # old adb loses the exit code
    assert stage_of(text(started), text(both[-2:]), 1) == stage


def test_a_failure_after_the_summary_takes_the_figures_back() -> None:
    # An inference failed: the tool prints its timings all the same.
    log = current(after=["ERROR: Benchmarking failed."])
    assert stage_of(text(log), exit_code=1) == "process"
    assert stage_of(LOGS["G6"], b"ERROR: Node number 3 (CONV_2D) failed to invoke.\n", 1) == "run"


def test_errors_of_the_runtime_that_are_no_failure_leave_the_figures() -> None:
    said = b"ERROR: Following operations are not supported by GPU delegate:\nCAST: not supported.\n"
    assert parsed(LOGS["G6"], said).reported.mean_us == 8077.25


@pytest.mark.parametrize(
    ("exit_code", "stage", "words"),
    [
        (126, "start", "can't start"),
        (127, "start", "can't start"),
        (137, "process", "low-memory killer"),
        (-9, "process", "low-memory killer"),
        (139, "process", "crash"),
        (134, "process", "gave up"),
        (-15, "process", "told to"),
        (143, "process", "told to"),
        (124, "process", "time was up"),
        (1, "process", "exit code 1"),
        (255, "process", "exit code 255"),
    ],
)
def test_an_exit_code_is_a_failure_even_after_the_figures(
    exit_code: int, stage: str, words: str
) -> None:
    with pytest.raises(RunnerError, match=words) as raised:
        parsed(LOGS["G6"], exit_code=exit_code)
    assert raised.value.stage == stage


def test_what_the_phone_said_stands_in_the_error() -> None:
    said = b'CANNOT LINK EXECUTABLE: library "libOpenCL.so" not found\n'
    with pytest.raises(RunnerError, match=r"libOpenCL\.so"):
        parsed(b"", said, 127)


def test_silence_is_a_failure() -> None:
    assert stage_of(b"") == "output"
    assert stage_of(b"\n \r\n") == "output"


def test_a_flood_is_a_failure() -> None:
    assert stage_of(b"x\n" * (5 << 20)) == "output"


def test_another_model_or_number_of_threads_is_a_failure() -> None:
    assert stage_of(LOGS["G6"], model="/data/local/tmp/dog.tflite") == "arguments"
    assert stage_of(LOGS["G6"], threads=4) == "arguments"


@pytest.mark.parametrize(
    "other",
    [
        # TensorFlow's own benchmark, not Lite's
        "2018-09-10 13:35:21.4: I tensorflow/tools/benchmark/benchmark_model.cc:600] Average "
        "inference timings in us: Warmup: 293039, no stats: 43366, with stats: 45429",
        "Test run latency: avg=7281.64(us), std_dev=2089(us)",
        "... tflite  : " + SUMMARY,  # one line of a log, without the count
        '{"contract":1,"status":"ok"}',
    ],
)
def test_output_of_something_else_is_no_result(other: str) -> None:
    assert stage_of(text([other])) == "output"


# --- LiteRT's tool


def test_litert_writes_its_block_to_the_other_stream() -> None:
    lines = LOGS["G7"].decode().splitlines()
    block = next(i for i, line in enumerate(lines) if "litert_model.h:81" in line)
    stdout, stderr = text(lines[:block]), text(lines[block:])
    assert parsed(stdout, stderr) == parsed(LOGS["G7"])
    assert stage_of(stdout) == "output"


def test_a_block_alone_gives_its_hundredths_of_a_millisecond() -> None:
    told = parsed(text(logs.litert_block()), delegate=None).reported
    assert (told.count, told.mean_us, told.min_us) == (64, 8080, 7950)
    assert (told.init_us, told.warmup_count, told.first_inference_us) == (3410, 3, 19880)


@pytest.mark.parametrize("unit", ["8080.25 us", "8080.25", "0.01 s", "8,08 ms"])
def test_a_block_in_another_unit_gives_no_figure(unit: str) -> None:
    block = [line.replace("8.08 ms", unit) for line in logs.litert_block()]
    assert stage_of(text(block), delegate=None) == "output"


def test_of_two_blocks_the_last_is_meant_or_none() -> None:
    first = [line.replace("8.08 ms", "8.18 ms") for line in logs.litert_block()]
    both = [*first, *logs.litert_block()]
    assert parsed(text(both), delegate=None).reported.mean_us == 8080
    grepped = [line for line in both if "Inference (" in line]
    assert stage_of(text(grepped), delegate=None) == "output"


def test_a_block_with_percentiles_gives_them_too() -> None:
    more = ["Inference (median):    8.04 ms", "Inference (p95):       8.41 ms"]
    told = parsed(text([*logs.litert_block(), *more]), delegate=None).reported
    assert (told.median_us, told.p95_us, told.p5_us) == (8040, 8410, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("8.08 ms (64 runs)", "8.09 ms (64 runs)"),
        ("8.08 ms (64 runs)", "8.08 ms (65 runs)"),
        ("12.20 ms (3 runs)", "12.20 ms (4 runs)"),
        ("8.08 ms (64 runs)", "0.00 ms (0 runs)"),
        ("initialization: 3.41 ms", "initialization: 5.41 ms"),
    ],
)
def test_a_block_that_disagrees_with_the_counts_is_a_failure(old: str, new: str) -> None:
    assert stage_of(LOGS["G7"].replace(old.encode(), new.encode())) == "output"


# --- any bytes


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=200), st.integers(-20, 300))
def test_any_bytes_give_a_result_or_a_named_failure(out: bytes, err: bytes, code: int) -> None:
    with pytest.raises(RunnerError):
        parse_output(out, err, code, delegate="xnnpack", result_file=err)


PIECES = [
    *(line.encode() for log in LOGS.values() for line in log.decode().splitlines()),
    *(line.encode() for line in (DELTA, NOTE, *GPU)),
    b"ERROR: Benchmarking failed.",
    b"[node type]\t[avg ms]\t[Name]",
    b"CONV_2D\t1.5\tx",
    b"Number of nodes executed: 1",
    b"Timings (microseconds): count=1 curr=e5",
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=40),
    st.sampled_from(["xnnpack", "none", "gpu", "nnapi", "npu", None]),
    st.booleans(),
)
def test_any_mix_of_lines_gives_the_figures_or_a_named_failure(
    lines: list[bytes], delegate: str | None, profile: bool
) -> None:
    try:
        outcome = parse_output(b"\n".join(lines), b"", 0, delegate=delegate, profile=profile)
    except RunnerError:
        return
    assert outcome.reported.mean_us in (8077.25, 8080)
    assert outcome.reported.count == 64


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(GENERATIONS), st.data())
def test_a_changed_byte_never_changes_the_mean(generation: str, data: st.DataObject) -> None:
    log = bytearray(LOGS[generation])
    at = data.draw(st.integers(0, len(log) - 1))
    log[at] = data.draw(st.integers(0, 255))
    try:
        told = parsed(bytes(log), delegate=delegate_of(generation)).reported
    except RunnerError:
        return
    assert told.count > 0
    # It is told twice, by LiteRT's tool the second time in hundredths of a millisecond.
    assert told.mean_us == pytest.approx(8077.25, abs=5.2 if generation == "G7" else 0)


def test_outcomes_are_frozen_records() -> None:
    outcome = parsed(LOGS["G6"])
    with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
        outcome.generation = "G1"  # type: ignore[misc]
