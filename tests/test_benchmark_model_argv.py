"""The command line of benchmark_model: from the same config, nothing left to its defaults."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import UsageError
from bench.records import Config, Precision
from bench.runtime.benchmark_model import benchmark_model_argv

BINARY = "/data/local/tmp/bench/benchmark_model"
MODEL = "/data/local/tmp/bench/cat 96.tflite"


def argv(
    config: Config | None = None, precision: Precision | None = None, **more: Any
) -> list[str]:
    return benchmark_model_argv(
        binary=BINARY,
        model=MODEL,
        config=config or Config(),
        precision=precision or Precision(),
        **more,
    )


def of_delegate(name: str) -> Config:
    """A config of a delegate that Config itself doesn't take yet."""

    class Later(Config, frozen=True, kw_only=True):
        delegate: str = name  # type: ignore[assignment]

    return Later()


def test_a_config_becomes_the_tools_own_words() -> None:
    precision = Precision(min_samples=40, max_seconds=12.5, warmup_max_seconds=0.25)
    assert argv(Config(threads=4), precision) == [
        BINARY,
        f"--graph={MODEL}",
        "--num_threads=4",
        "--num_runs=40",
        "--min_secs=1",
        "--max_secs=12.5",
        "--warmup_runs=1",
        "--warmup_min_secs=0.25",
        "--use_xnnpack=true",
    ]


def test_the_delegate_is_forced_whichever_it_is() -> None:
    assert "--use_xnnpack=true" in argv(Config(delegate="xnnpack"))
    assert "--use_xnnpack=false" in argv(Config(delegate="none"))
    gpu = argv(of_delegate("gpu"))
    assert {"--use_gpu=true", "--gpu_backend=cl", "--use_xnnpack=false"} <= set(gpu)
    nnapi = argv(of_delegate("nnapi"))
    assert {"--use_nnapi=true", "--disable_nnapi_cpu=true", "--use_xnnpack=false"} <= set(nnapi)


def test_litert_spells_its_accelerators_another_way() -> None:
    assert "--use_cpu=true" in argv(tool="litert")
    assert "--use_npu=true" in argv(of_delegate("npu"), tool="litert")
    assert "--use_gpu=true" in argv(of_delegate("gpu"), tool="litert")
    assert "--use_profiler=true" in argv(tool="litert", profile=True)


@pytest.mark.parametrize(
    ("name", "tool"), [("npu", "tflite"), ("none", "litert"), ("tpu", "tflite")]
)
def test_a_delegate_that_the_tool_can_not_be_held_to_is_refused(name: str, tool: str) -> None:
    with pytest.raises(UsageError, match=name):
        argv(of_delegate(name), tool=tool)


def test_without_an_interval_the_time_is_used_up() -> None:
    assert "--min_secs=8" in argv(precision=Precision(interval=0, max_seconds=8))
    short = argv(precision=Precision(max_seconds=0.5))
    assert {"--min_secs=0.5", "--max_secs=0.5"} <= set(short)


def test_a_fixed_number_of_samples_is_asked_for_exactly() -> None:
    fixed = argv(precision=Precision(min_samples=25, max_samples=25, interval=0))
    assert {"--num_runs=25", "--min_secs=0"} <= set(fixed)


def test_profile_and_result_file_are_asked_for_only_when_wanted() -> None:
    plain = argv()
    assert not any("profil" in flag or "result" in flag for flag in plain)
    both = argv(profile=True, result_file="/data/local/tmp/bench/result.pb")
    assert "--enable_op_profiling=true" in both  # a bare bool flag is ignored by the tool
    assert "--result_file_path=/data/local/tmp/bench/result.pb" in both


def test_a_mask_of_cores_is_taken_by_taskset() -> None:
    assert argv(cpu_mask="f0")[:3] == ["taskset", "f0", BINARY]
    with pytest.raises(UsageError):
        argv(cpu_mask="0xf0; reboot")


def test_extra_flags_are_spelled_as_the_tool_reads_them() -> None:
    extra = {"xnnpack_force_fp16": True, "run_delay": 0.5, "nnapi_accelerator_name": "qti-dsp"}
    assert argv(extra=extra)[-3:] == [
        "--xnnpack_force_fp16=true",
        "--run_delay=0.5",
        "--nnapi_accelerator_name=qti-dsp",
    ]


@pytest.mark.parametrize(
    "extra",
    [
        {"num_threads": 2},  # of a flag given twice the first counts
        {"use_xnnpack": False},
        {"graph": "/x"},
        {"--use_gpu": True},
        {"Use_gpu": True},
        {"a=b": 1},
        {"": 1},
        {"input_layer": "a\nb"},
    ],
)
def test_extra_flags_that_clash_or_make_no_sense_are_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        argv(extra=extra)


@pytest.mark.parametrize("path", ["model.tflite", "/data/a\nb", "/data/\x00", ""])
def test_a_strange_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        benchmark_model_argv(binary=BINARY, model=path, config=Config(), precision=Precision())


def test_no_flag_is_given_twice() -> None:
    names = [
        flag.partition("=")[0]
        for flag in argv(
            of_delegate("gpu"), profile=True, result_file="/r", extra={"verbose": True}
        )
    ]
    assert len(names) == len(set(names))
