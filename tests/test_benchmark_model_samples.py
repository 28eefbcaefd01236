"""Real output of benchmark_model, kept beside the checkout: the exact figures of every sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import RunnerError
from bench.records import Reported
from bench.runtime.benchmark_model import Outcome, parse_output, read_result_file

SAMPLES = Path(__file__).parents[2] / "shared" / "benchmark_model_samples"
CURRENT = SAMPLES / "current_version"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")

NAMES = (
    "count",
    "mean_us",
    "min_us",
    "max_us",
    "std_us",
    "p5_us",
    "median_us",
    "p95_us",
    "init_us",
    "first_inference_us",
    "warmup_count",
    "warmup_mean_us",
    "peak_kb",
    "delegation",
)
# ruff: noqa: E501
# fmt: off
MEASURED: dict[str, tuple[float | str | None, ...]] = {
    "03_mb1.0_t1": (90, 11132.7, 10885, 11689, 175, 10930, 11079, 11503, 14474, 11122, 45, 11059.5, 35576, None),
    "05_mb1.0_t1_runs200": (200, 11133.4, 10942, 11678, 136, 10976, 11084, 11409, 16674, 11621, 10, 11503.8, 35816, None),
    "07_int8_t1": (257, 3898.82, 3850, 4045, 23, 3874, 3894, 3947, 6367, 3989, 129, 3893.96, 6920, None),
    "09_mb0.5_t1_op_profiling": (320, 3092.57, 2964, 4225, 164, 2983, 3043, 3509, 6874, 3261, 162, 3050.64, 10880, "full"),
    "11_mb0.5_no_xnnpack": (92, 10854.9, 10022, 15557, 1343, 10154, 10398, 15000, 448, 12977, 50, 10125.8, 4092, "none"),
    "13_mb0.5_use_xnnpack_true": (329, 3013.84, 2926, 3467, 65, 2947, 2997, 3139, 6016, 3196, 165, 3003.22, 10732, "full"),
    "15_mb1.0_peak_mem_1ms": (88, 11337.7, 10951, 12665, 324, 10995, 11247, 11964, 16437, 11089, 45, 11239.6, 35580, None),
    "17_mb0.5_result_file_peak": (332, 2989.89, 2928, 3145, 29, 2943, 2989, 3039, 6024, 3219, 166, 2986.6, 10520, None),
    "19_mb0.5_op_csv_file": (327, 3025.69, 2965, 3395, 45, 2980, 3018, 3088, 6282, 3286, 166, 2988.16, 10604, None),
    "21_mb0.5_op_proto_file": (321, 3093.36, 2979, 10208, 402, 3005, 3058, 3186, 6162, 3195, 165, 3015.9, 10560, None),
    "23_mb0.5_profiling_output_csv_file": (320, 3093.54, 2981, 3770, 99, 3000, 3072, 3253, 6368, 3236, 163, 3040.39, 10348, None),
    "25_mb0.5_model_runtime_info_file_only": (334, 2974.56, 2929, 3071, 25, 2934, 2972, 3022, 6448, 3165, 165, 3011.56, 10360, None),
    "46_threads_minus1": (329, 3014.28, 2920, 4295, 108, 2938, 2992, 3127, 6173, 3077, 168, 2963.67, 10108, None),
    "52_input_layer_bad_name": (335, 2967.3, 2921, 3219, 29, 2930, 2961, 3012, 6168, 3142, 167, 2973.01, 10220, None),
    "54_signature": (335, 2967.37, 2918, 3197, 30, 2929, 2963, 3016, 6004, 3075, 167, 2973.51, 10116, None),
    "56_run_delay": (20, 3262.35, 3184, 3375, 46, 3187, 3263, 3375, 6208, 3131, 10, 3235.8, 10304, None),
    "58_max_secs_0.1": (33, 3009, 2963, 3111, 30, 2966, 3002, 3059, 6363, 3188, 33, 2999.88, 10140, None),
    "60_mp_hand_landmark_lite": (270, 3677.14, 3607, 3864, 45, 3628, 3668, 3780, 9981, 4634, 135, 3674.81, 8480, None),
    "62_mp_pose_detection": (138, 7195.78, 6911, 11892, 552, 6949, 7060, 7653, 42295, 7990, 68, 7261.18, 25648, None),
    "64_silabs_kws_int8_op_profiling": (12919, 74.0316, 72, 315, 5, 72, 73, 75, 1059, 76, 11105, 44.8611, None, "partial"),
    "66_all_t1_mb1.0": (88, 11361.8, 11053, 12653, 279, 11129, 11297, 11967, 23080, 11110, 45, 11125.3, 35452, None),
    "68_no_xnnpack_int8": (65, 15380.6, 15234, 15893, 114, 15277, 15353, 15642, 1880, 18421, 33, 15495.3, 1112, "none"),
    "70_require_full_delegation": (272, 3658.61, 3596, 4004, 40, 3619, 3651, 3719, 7431, 3926, 137, 3650.7, 8332, "full"),
    "74_dynint8_partitioned_use_xnnpack": (70, 14253.7, 14138, 14756, 104, 14150, 14232, 14371, 8615, 16534, 35, 14404.6, 10516, "partial"),
    "82_two_result_outputs": (23077, 43.1835, 42, 129, 3, 42, 43, 43, 853, 80, 11555, 43.1113, None, None),
}
OLD: dict[str, tuple[float | str | None, ...]] = {
    "06": (50, 2950340, 2727568, 3189954, 109798, None, None, None, 17187, 3512391, 1, 3512390, 47192, "none"),
    "14": (110, 8680.33, 7863, 10688, 591, None, None, None, 1451507, 11147, 56, 8779.68, 65012, "full"),
    "15": (24, 42394.8, 41938, 42840, 188, 42133, 42419, 42671, 207799, 90710, 11, 48230.2, 27320, "partial"),
    "17": (25, 145528, 140071, 195121, 13583, 140545, 141253, 187533, 92318, 187533, 3, 211669, 75172, "partial"),
}
# fmt: on
FAILED = {
    "01_noargs": "arguments",
    "30_missing_model": "model",
    "32_truncated_10b": "model",
    "34_random_bytes": "model",
    "36_unresolved_custom_op_result_file": "model",
    "38_bad_flag_value": "arguments",
    "40_directory_as_model": "model",
    "42_use_gpu": "delegate",
    "44_external_delegate_missing": "delegate",
    "48_num_runs_0": "output",
    "50_dry_run": "output",
    "72_input_layer_count_mismatch": "arguments",
    "76_list_signatures": "process",
    "78_graph_twice": "arguments",
    "80_bool_flag_bare": "arguments",
    "84_sigterm_mid_run": "process",
}


def current(name: str, **changed: bytes) -> Outcome:
    """The outcome of one case of the current version, with its own exit code and files."""
    case = CURRENT / name
    run = json.loads((case / "run.json").read_text())
    file = case / "result.pb"
    streams = {"stdout": b"", "stderr": b""}
    for stream in streams:
        streams[stream] = changed.get(stream, (case / f"{stream}.txt").read_bytes())
    return parse_output(
        streams["stdout"],
        streams["stderr"],
        run["rc"] if isinstance(run["rc"], int) else 143,
        result_file=file.read_bytes() if file.exists() else None,
        delegate=delegate_of(run["argv"]),
    )


def delegate_of(argv: list[str]) -> str:
    if "--use_gpu=true" in argv:
        return "gpu"
    return "none" if "--use_xnnpack=false" in argv else "xnnpack"


def figures(told: Reported) -> tuple[float | str | None, ...]:
    return tuple(getattr(told, name) for name in NAMES)


def old(number: str, delegate: str | None, cut: slice = slice(None)) -> Outcome:
    (path,) = SAMPLES.glob(f"{number}_*.txt")
    return parse_output(path.read_bytes()[cut], b"", 0, delegate=delegate)


def stage_of(number: str, delegate: str | None) -> str:
    with pytest.raises(RunnerError) as raised:
        old(number, delegate)
    return raised.value.stage


@pytest.mark.parametrize("name", MEASURED)
def test_a_current_run_gives_its_exact_figures(name: str) -> None:
    outcome = current(name)
    assert figures(outcome.reported) == MEASURED[name]
    assert outcome.generation == "G6"


@pytest.mark.parametrize("name", FAILED)
def test_a_current_run_that_failed_is_named_by_what_failed(name: str) -> None:
    with pytest.raises(RunnerError) as raised:
        current(name)
    assert raised.value.stage == FAILED[name]


def test_every_sample_of_the_current_version_is_spoken_of() -> None:
    assert {case.name for case in CURRENT.iterdir() if case.is_dir()} == set(MEASURED) | set(FAILED)


def test_the_operators_of_a_fully_delegated_model() -> None:
    ops = current("09_mb0.5_t1_op_profiling").ops
    assert len(ops) == 30
    assert (ops[0].op, ops[0].mean_us) == ("Convolution (NHWC, F32) IGEMM", 128)
    assert (ops[27].op, ops[27].mean_us) == ("Mean (ND) Reduce2", 1)
    assert ops[29].name == "Delegate/Fully Connected (NC, F32) GEMM:29"
    assert {op.delegate for op in ops} == {"xnnpack"}
    assert sum(op.mean_us for op in ops) == pytest.approx(3018)


def test_the_operators_of_a_partly_delegated_model() -> None:
    ops = current("64_silabs_kws_int8_op_profiling").ops
    assert len(ops) == 15
    assert [op.op for op in ops if op.delegate is None] == ["AVERAGE_POOL_2D", "SOFTMAX"]
    assert ops[3].op == "Fully Connected (NC, QS8, QC8W) GEMM"
    assert ops[1].mean_us == 12


def test_result_files_agree_with_their_text() -> None:
    for name in ("17_mb0.5_result_file_peak", "66_all_t1_mb1.0"):
        file = read_result_file((CURRENT / name / "result.pb").read_bytes())
        told = current(name).reported
        assert (file.count, file.warmup_count) == (told.count, told.warmup_count)
        assert file.growth_kb == told.peak_kb
        assert file.mean_us == pytest.approx(told.mean_us, abs=0.05)


def test_a_result_file_of_another_run_is_refused() -> None:
    case = CURRENT / "17_mb0.5_result_file_peak"
    other = (CURRENT / "66_all_t1_mb1.0" / "result.pb").read_bytes()
    with pytest.raises(RunnerError, match="disagree"):
        parse_output((case / "stdout.txt").read_bytes(), b"", 0, delegate=None, result_file=other)


def test_old_versions_give_their_exact_figures() -> None:
    riscv = old("06", "none")
    assert figures(riscv.reported) == OLD["06"]
    assert riscv.generation == "G4"
    assert (len(riscv.ops), riscv.ops[0].mean_us, riscv.ops[30].mean_us) == (31, 60957, 233)
    gpu = old("14", "gpu")
    assert figures(gpu.reported) == OLD["14"]
    assert gpu.generation == "G3"
    assert [(op.op, op.delegate, op.mean_us) for op in gpu.ops] == [
        ("TfLiteGpuDelegateV2", "gpu", 8671)
    ]


def test_the_last_of_three_runs_is_meant_and_is_partial() -> None:
    told = old("15", "xnnpack")
    assert figures(told.reported) == OLD["15"]


def test_a_logcat_gives_its_figures() -> None:
    told = old("17", "xnnpack")
    assert figures(told.reported) == OLD["17"]
    assert told.generation == "G8"


def test_a_profile_that_belongs_to_no_run_in_the_stream_is_a_failure() -> None:
    # Three runs with figures, then the tables of a fourth whose figures were left out.
    assert stage_of("03", "nnapi") == "profile"
    assert stage_of("03", "xnnpack") == "delegate"


@pytest.mark.parametrize("delegate", ["nnapi", "none", "xnnpack", None])
def test_a_delegate_that_failed_to_compile_is_a_failure(delegate: str | None) -> None:
    assert stage_of("04", delegate) == "delegate"


def test_lines_without_a_count_and_other_tools_are_no_result() -> None:
    assert stage_of("08", None) == "output"
    assert stage_of("10", None) == "output"


@pytest.mark.parametrize("number", ["06", "14", "15", "17"])
def test_another_delegate_never_takes_the_figures(number: str) -> None:
    ran = {"06": "none", "14": "gpu", "15": "xnnpack", "17": "xnnpack"}[number]
    for asked in {"none", "xnnpack", "gpu", "nnapi", "npu"} - {ran}:
        assert stage_of(number, asked) == "delegate"


def cuts(whole: bytes) -> Iterator[int]:
    """Every byte of the lines that hold figures, and both sides of every end of line."""
    begins = 0
    for line in whole.splitlines(keepends=True):
        ends = begins + len(line)
        telling = b"count=" in line or b" timings " in line or b"footprint" in line
        yield from range(begins if telling and b"Note" not in line else ends - 2, ends + 1)
        begins = ends


@pytest.mark.parametrize("name", MEASURED)
def test_a_cut_current_run_gives_the_same_figures_or_a_failure(name: str) -> None:
    stdout = (CURRENT / name / "stdout.txt").read_bytes()
    ops = current(name).ops
    for end in cuts(stdout):
        try:
            outcome = current(name, stdout=stdout[: max(0, end)])
        except RunnerError:
            continue
        assert outcome.ops == ops
        for told, expected in zip(figures(outcome.reported), MEASURED[name], strict=True):
            assert told in (expected, None)


@pytest.mark.parametrize(("number", "delegate"), [("06", "none"), ("14", "gpu"), ("17", "xnnpack")])
def test_a_cut_old_run_gives_the_same_figures_or_a_failure(number: str, delegate: str) -> None:
    whole = old(number, delegate)
    (path,) = SAMPLES.glob(f"{number}_*.txt")
    for end in cuts(path.read_bytes()):
        try:
            outcome = old(number, delegate, slice(0, end))
        except RunnerError:
            continue
        assert outcome.ops == whole.ops
        pairs = zip(figures(outcome.reported), figures(whole.reported), strict=True)
        assert all(told in (expected, None) for told, expected in pairs)


@pytest.mark.parametrize("name", ["17_mb0.5_result_file_peak", "66_all_t1_mb1.0"])
def test_a_cut_result_file_is_a_failure(name: str) -> None:
    whole = (CURRENT / name / "result.pb").read_bytes()
    for end in range(len(whole)):
        with pytest.raises(RunnerError):
            read_result_file(whole[:end])
