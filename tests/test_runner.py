"""The native runner on this machine: its arguments, its results, its errors."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from ai_edge_litert.interpreter import Interpreter
from runners import (
    ROOT,
    arguments,
    compile_library,
    document,
    host_binaries,
    run,
    run_fake,
    start,
)

import bench
from bench import runtime
from bench.runtime.inputs import seeded_input


def crc(array: np.ndarray[Any, Any]) -> str:
    return f"{zlib.crc32(array.tobytes()):08x}"


def refusal(extra: list[str], drop: str | None = None) -> dict[str, Any]:
    given = [a for a in arguments("/model.tflite") if drop is None or not a.startswith(drop)]
    done = start(given + extra)
    assert done.returncode == 1
    told = document(done)
    assert told["status"] == "error"
    assert told["end"] == "complete"
    return told


# Arguments


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--nonsense=1"], "Unknown argument '--nonsense=1'"),
        (["--thread=1"], "Unknown argument '--thread=1'"),
        (["threads=1"], "'threads=1' is not of the form --key=value"),
        (["--profile"], "'--profile' is not of the form --key=value"),
        ([""], "'' is not of the form --key=value"),
        (["--model=/other"], "--model is given twice"),
        (["--threads=0"], "--threads=0: expected a whole number from 1 to 64"),
        (["--threads=65"], "--threads=65:"),
        (["--threads=2x"], "--threads=2x:"),
        (["--threads=-1"], "--threads=-1:"),
        (["--threads="], "--threads=:"),
        (["--threads=99999999999999999999999"], "--threads=99999999999999999999999:"),
        (["--delegate=gpu"], "--delegate=gpu: expected xnnpack or none"),
        (["--seed=4294967296"], "--seed=4294967296:"),
        (["--interval=1.5"], "--interval=1.5: expected a decimal number from 0 to 1"),
        (["--interval=1e-3"], "--interval=1e-3:"),
        (["--interval=0.0000000001"], "--interval=0.0000000001:"),
        (["--interval=.5"], "--interval=.5:"),
        (["--interval=1."], "--interval=1.:"),
        (["--interval=nan"], "--interval=nan:"),
        (["--max-seconds=0"], "--max-seconds must be more than 0"),
        (["--max-seconds=3600.000000001"], "--max-seconds=3600.000000001:"),
        (["--max-seconds=18446744073709551616"], "--max-seconds=18446744073709551616:"),
        (["--cpu-mask=0"], "--cpu-mask=0:"),
        (["--cpu-mask=F0"], "--cpu-mask=F0:"),
        (["--cpu-mask=11111111111111111"], "--cpu-mask=11111111111111111:"),
        (["--input="], "--input=: expected a path"),
        (["--profile=0"], "--profile=0: expected a whole number from 1 to 10000"),
        (["--xnnpack-flags=0x7"], "--xnnpack-flags=0x7: expected a whole number"),
        (["--delegate=none", "--xnnpack-flags=7"], "--xnnpack-flags is for --delegate=xnnpack"),
        (["--delegate=none", "--weight-cache=/c"], "--weight-cache is for --delegate=xnnpack"),
        (["--usage=2"], "--usage=2: expected a whole number from 0 to 1"),
        (["--usage=yes"], "--usage=yes:"),
        (["--usage=1", "--profile=5"], "--usage is of sampling, which --profile replaces"),
        (["--memory=0"], "--memory=0: expected a whole number from 1 to 10000"),
        (["--memory=10001"], "--memory=10001:"),
        (["--memory=5x"], "--memory=5x:"),
        (["--memory=5", "--profile=5"], "--profile and --memory exclude each other"),
        (["--memory=5", "--usage=1"], "--usage is of sampling, which --memory replaces"),
        (["--outputs="], "--outputs=: expected a path"),
        (['--weight-cache=/a"b'], "expected a path of at most 500 bytes without quotes"),
        (["--weight-cache=/a\\b"], "without quotes, backslashes"),
        (["--weight-cache=/a\nb"], "and control characters"),
        (["--weight-cache=/" + "a" * 501], "at most 500 bytes"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(extra: list[str], named: str) -> None:
    told = refusal(extra)
    assert told["stage"] == "arguments"
    assert named in told["reason"]


@pytest.mark.parametrize("name", ["library", "model"])
def test_a_missing_argument_is_named(name: str) -> None:
    assert refusal([], drop=f"--{name}=")["reason"] == f"--{name} is missing."


def test_fewer_samples_at_most_than_at_least_are_refused() -> None:
    given = [a for a in arguments("/m") if "samples" not in a]
    told = document(start([*given, "--min-samples=5", "--max-samples=4"]))
    assert told["reason"] == "--min-samples is more than --max-samples."


def test_another_contract_is_refused_before_arguments_that_it_may_bring() -> None:
    told = document(start(["--new-in-2=x", "--contract=2", "--library=/l", "--model=/m"]))
    assert told["stage"] == "contract"
    assert "speaks contract 1, the host asked for contract 2" in told["reason"]
    assert document(start([]))["stage"] == "contract"


def test_the_order_of_arguments_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.two_inputs())
    outputs = []
    for order in (1, -1):
        outputs.append(document(start(arguments(path)[::order]))["outputs"])
    assert outputs[0] == outputs[1]


# Results


def test_the_document_says_what_ran_and_how(tmp_path: Path) -> None:
    told = run(tiny_models.conv_net(), tmp_path, threads="2", delegate="xnnpack")
    assert told["contract"] == 1
    assert told["runner_version"] == bench.__version__
    assert told["status"] == "ok"
    assert told["abi"] == host_binaries().abi
    assert told["clock"] == "CLOCK_MONOTONIC"
    assert (told["threads"], told["delegate"]) == (2, "xnnpack")
    assert (told["warmup_us"], told["stopped_by"]) == ([], "max_samples")
    assert len(told["samples_us"]) == 3
    assert min(told["samples_us"]) > 0
    assert min(told["init_us"], told["compile_us"], told["first_inference_us"]) > 0
    assert list(told)[-1] == "end"


def test_memory_only_grows_and_counts_the_library(tmp_path: Path) -> None:
    memory = run(tiny_models.conv_net(), tmp_path)["memory"]
    assert 0 < memory["before_load_kb"] < memory["after_compile_kb"] <= memory["peak_kb"]


@pytest.mark.parametrize(
    "make",
    [
        tiny_models.conv_net,
        lambda: tiny_models.conv_net(signature=False),
        tiny_models.partly_delegated,
        tiny_models.int8_net,
        tiny_models.gather,
        lambda: tiny_models.gather(rows=2, dtype="int64"),
        tiny_models.two_inputs,
    ],
    ids=["conv", "no signature", "partly", "int8", "gather", "gather int64", "two inputs"],
)
@pytest.mark.parametrize("seed", [1, 4294967295])
def test_outputs_equal_those_of_the_python_interpreter(
    make: Any, seed: int, tmp_path: Path
) -> None:
    told = run(make(), tmp_path, seed=str(seed))
    interpreter = Interpreter(model_path=str(tmp_path / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    for index, detail in enumerate(interpreter.get_input_details()):
        values = seeded_input(detail["shape"], detail["dtype"], seed, index)
        assert told["inputs"][index]["crc32"] == crc(values)
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    for output, detail in zip(told["outputs"], interpreter.get_output_details(), strict=True):
        values = interpreter.get_tensor(detail["index"])
        assert output["crc32"] == crc(values)
        assert output["shape"] == list(values.shape)
        assert output["bytes"] == values.nbytes
        assert output["type"] == values.dtype.name
        assert output["sum"] == pytest.approx(float(values.astype(np.float64).sum()), rel=1e-12)


@pytest.mark.parametrize("dtype", sorted(set(tiny_models.TYPES) - {"complex64"}))
def test_seeded_inputs_are_the_same_bytes_in_numpy(dtype: str, tmp_path: Path) -> None:
    told = run(tiny_models.passthrough(dtype, (2, 3, 171)), tmp_path, seed="77")
    values = seeded_input((2, 3, 171), dtype, 77, 0)
    assert told["inputs"][0]["crc32"] == crc(values)
    assert told["outputs"][0]["crc32"] == crc(values)
    assert told["inputs"][0]["source"] == "seeded"


def test_a_type_without_seeded_values_needs_a_file(tmp_path: Path) -> None:
    model, file = tmp_path / "model.tflite", tmp_path / "input"
    model.write_bytes(tiny_models.passthrough("complex64", (3,)))
    told = document(start(arguments(model)))
    assert told["stage"] == "inputs"
    assert "'x' is complex64, for which there are no seeded values" in told["reason"]
    with pytest.raises(ValueError, match="complex64"):
        seeded_input((3,), np.complex64, 1, 0)
    file.write_bytes(bytes(24))
    told = document(start(arguments(model, input=str(file))))
    assert told["outputs"][0]["sum"] is None


def test_another_seed_gives_other_outputs(tmp_path: Path) -> None:
    first, second = (run(tiny_models.conv_net(), tmp_path, seed=s)["outputs"] for s in "12")
    assert first[0]["crc32"] != second[0]["crc32"]


@pytest.mark.parametrize(
    ("make", "delegate", "obtained"),
    [
        (tiny_models.conv_net, "xnnpack", "full"),
        (tiny_models.partly_delegated, "xnnpack", "partial"),
        (tiny_models.gather, "xnnpack", "none"),
        (tiny_models.conv_net, "none", "none"),
    ],
)
def test_delegation_is_what_was_obtained(
    make: Any, delegate: str, obtained: str, tmp_path: Path
) -> None:
    assert run(make(), tmp_path, delegate=delegate)["delegation"] == obtained


def test_a_sum_that_is_not_finite_is_null(tmp_path: Path) -> None:
    assert run(tiny_models.divided_by_zero(), tmp_path)["outputs"][0]["sum"] is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('q"uo\\te', 'q"uo\\te'),
        ("line\nend\t\x01", "line\nend\t\x01"),
        ("Grüße 图", "Grüße 图"),
        (b"bad \xff\xc3 \xed\xa0\x80 \xc0\xaf", "bad \ufffd\ufffd \ufffd\ufffd\ufffd \ufffd\ufffd"),
        ("x" * 5000, "x" * 4096),
    ],
    ids=["quotes", "control", "unicode", "not utf-8", "long"],
)
def test_hostile_names_stay_inside_their_string(
    name: str | bytes, shown: str, tmp_path: Path
) -> None:
    told = run(tiny_models.passthrough("float32", name=name), tmp_path)
    assert told["inputs"][0]["name"] == shown
    assert told["end"] == "complete"


# What XNNPACK is told


def test_xnnpack_flags_take_effect(tmp_path: Path) -> None:
    """Without the flag for signed 8-bit quantization XNNPACK takes no int8 convolution."""
    obtained = [
        run(tiny_models.int8_net(), tmp_path, xnnpack_flags=flags)["delegation"] for flags in "01"
    ]
    assert obtained == ["none", "full"]


def test_flags_for_half_precision_change_the_outputs_a_little(tmp_path: Path) -> None:
    whole = run(tiny_models.conv_net(), tmp_path)
    half = run(tiny_models.conv_net(), tmp_path, xnnpack_flags=str(runtime.FP16_FLAGS))
    assert half["delegation"] == "full"
    assert half["outputs"][0]["crc32"] != whole["outputs"][0]["crc32"]
    assert half["outputs"][0]["sum"] == pytest.approx(whole["outputs"][0]["sum"], rel=1e-2)


def test_a_weight_cache_is_written_and_read_again(tmp_path: Path) -> None:
    cache = tmp_path / "a cache = [x]"
    first = run(tiny_models.conv_net(), tmp_path, weight_cache=str(cache))
    held = cache.read_bytes()
    second = run(tiny_models.conv_net(), tmp_path, weight_cache=str(cache))
    assert len(held) > 1000
    assert cache.read_bytes() == held
    assert first["outputs"] == second["outputs"] == run(tiny_models.conv_net(), tmp_path)["outputs"]


# Profiles


def test_a_profile_names_the_operators_of_tflite_and_of_xnnpack(tmp_path: Path) -> None:
    told = run(tiny_models.partly_delegated(), tmp_path, profile="5")
    ops = told["profile"]["ops"]
    assert [op["index"] for op in ops] == [0, 1, 2]
    assert [op["delegate"] for op in ops] == ["xnnpack", "builtin", "xnnpack"]
    assert ops[0]["op"].startswith("Convolution (NHWC, F32)")
    assert (ops[1]["op"], ops[1]["name"]) == ("REVERSE_V2", "reversed")
    assert (ops[0]["name"], told["delegation"]) == (None, "partial")
    assert told["profile"]["inferences"] + told["profile"]["uneven"] == 5
    assert len(told["samples_us"]) == 5


def test_the_operators_of_the_builtin_kernels_are_named_by_their_outputs(tmp_path: Path) -> None:
    ops = run(tiny_models.conv_net(), tmp_path, profile="2", delegate="none")["profile"]["ops"]
    assert [(op["op"], op["name"]) for op in ops] == [("CONV_2D", "conv0"), ("CONV_2D", "conv1")]


def test_operators_take_no_longer_than_their_inferences(tmp_path: Path) -> None:
    told = run(tiny_models.conv_net(size=64, channels=32), tmp_path, profile="20")
    assert 0 < sum(op["mean_us"] for op in told["profile"]["ops"]) <= max(told["samples_us"])


def test_a_profile_of_a_slow_model_ends_when_the_time_is_up(tmp_path: Path) -> None:
    fakes = {"FAKE_DELEGATION": "2", "FAKE_LATENCIES_NS": "5000000000"}
    told = run_fake(fakes, tmp_path, profile="20", max_seconds="12")
    assert told["samples_us"] == [5_000_000] * 3
    assert (told["profile"]["inferences"], told["stopped_by"]) == (3, "max_seconds")


def test_a_run_without_a_profile_has_none(tmp_path: Path) -> None:
    assert "profile" not in run(tiny_models.conv_net(), tmp_path)


def test_events_of_no_operator_are_no_operators(tmp_path: Path) -> None:
    told = run_fake(
        {"FAKE_DELEGATION": "1,8,32,2,1", "FAKE_ELAPSED_US": "7"}, tmp_path, profile="3"
    )
    assert [(op["index"], op["mean_us"]) for op in told["profile"]["ops"]] == [(0, 7), (1, 7)]


def test_a_duration_that_cannot_be_is_dropped_and_counted(tmp_path: Path) -> None:
    """LiteRT reported 2^32 us in an inference of 1 ms."""
    fakes = {"FAKE_DELEGATION": "8,8,8", "FAKE_ELAPSED_US": "5,4294967296,6"}
    profile = run_fake(fakes, tmp_path, profile="2")["profile"]
    assert profile["dropped"] == 2
    assert [(op["index"], op["mean_us"]) for op in profile["ops"]] == [(0, 5), (2, 6)]


def test_a_library_without_the_functions_of_profiles_still_measures(tmp_path: Path) -> None:
    library = tmp_path / "libLiteRt.so"
    fake = ROOT / "tests" / "fake_litert" / "fake_litert.c"
    compile_library(fake, library, ["-DWITHOUT_FUNCTIONS_OF_PROFILES"])
    model = tmp_path / "model.tflite"
    model.write_bytes(b"any")
    environment = os.environ | {"LD_PRELOAD": str(library)}
    told = document(start(arguments(model, library=library), env=environment))
    assert told["status"] == "ok"
    told = document(start(arguments(model, library=library, profile="1"), env=environment))
    assert told["reason"] == "The library has no function LiteRtResetProfiler."


def test_an_inference_with_other_operators_than_the_first_is_left_out(tmp_path: Path) -> None:
    fakes = {"FAKE_DELEGATION": "8,2", "FAKE_ELAPSED_US": "5,7", "FAKE_UNEVEN": "1"}
    profile = run_fake(fakes, tmp_path, profile="3")["profile"]
    assert (profile["inferences"], profile["uneven"]) == (2, 1)
    assert [op["mean_us"] for op in profile["ops"]] == [5, 7]


# Inputs from files


def test_a_file_is_the_input_byte_for_byte(tmp_path: Path) -> None:
    values = np.arange(35, dtype=np.float32)
    file = tmp_path / "in put.bin"
    file.write_bytes(values.tobytes())
    told = run(tiny_models.passthrough("float32"), tmp_path, input=str(file))
    assert told["inputs"][0]["source"] == "file"
    assert told["outputs"][0]["crc32"] == crc(values)


def test_each_input_has_its_own_file_in_order(tmp_path: Path) -> None:
    model, files = tmp_path / "model.tflite", [tmp_path / "a", tmp_path / "b"]
    model.write_bytes(tiny_models.two_inputs())
    for index, file in enumerate(files):
        file.write_bytes(np.full(6, 10.0**index, np.float32).tobytes())
    done = start(arguments(model) + [f"--input={file}" for file in files])
    told = document(done)
    assert told["outputs"][0]["sum"] == 66
    assert [i["crc32"] for i in told["inputs"]] == [
        f"{zlib.crc32(file.read_bytes()):08x}" for file in files
    ]


@pytest.mark.parametrize("size", [0, 139, 141])
def test_an_input_file_of_another_size_is_refused(size: int, tmp_path: Path) -> None:
    model, file = tmp_path / "model.tflite", tmp_path / "input"
    model.write_bytes(tiny_models.passthrough("float32"))
    file.write_bytes(bytes(size))
    told = document(start(arguments(model, input=str(file))))
    assert told["stage"] == "inputs"
    assert f"holds {size} bytes, input 'x' takes 140" in told["reason"]


def test_as_many_files_as_inputs_are_needed(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(tiny_models.two_inputs())
    told = document(start(arguments(model, input=str(model))))
    assert "has 2 inputs, but 1 input files are given" in told["reason"]


def test_a_missing_input_file_is_named(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(tiny_models.passthrough("float32"))
    told = document(start(arguments(model, input="/no/such/file")))
    assert told["stage"] == "inputs"
    assert "No such file or directory: /no/such/file" in told["reason"]


# Outputs into a file


@pytest.mark.parametrize("make", [tiny_models.conv_net, tiny_models.two_outputs])
def test_the_outputs_are_written_byte_for_byte_in_order(make: Any, tmp_path: Path) -> None:
    file = tmp_path / "out puts.bin"
    told = run(make(), tmp_path, outputs=str(file))
    content = file.read_bytes()
    for output in told["outputs"]:
        part, content = content[: output["bytes"]], content[output["bytes"] :]
        assert f"{zlib.crc32(part):08x}" == output["crc32"]
    assert content == b""


def test_the_file_of_outputs_is_emptied_first_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "outputs"
    run(tiny_models.two_outputs(), tmp_path, outputs=str(file))
    first = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"x" * 1000)
    run(tiny_models.two_outputs(), tmp_path, outputs=str(file))
    assert file.read_bytes() == first


def test_no_output_file_appears_where_none_is_asked_for(tmp_path: Path) -> None:
    run(tiny_models.conv_net(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("/no/such/folder/outputs", "No such file or directory: /no/such/folder/outputs"),
        ("/dev/full", "No space left on device: /dev/full"),
    ],
)
def test_outputs_that_cannot_be_written_are_an_error(file: str, why: str, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(tiny_models.conv_net())
    done = start(arguments(model, outputs=file))
    told = document(done)
    assert done.returncode == 1
    assert (told["status"], told["stage"]) == ("error", "report")
    assert told["reason"].startswith(f"The outputs can't be written: {why}.")


# Models and libraries that don't work


def broken(kind: str) -> bytes:
    whole = tiny_models.conv_net()
    return {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "short": whole[:12],
        "zeros": bytes(4096),
        "text": b"This is no model at all.\n" * 40,
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "half", "short", "zeros", "text"])
def test_a_file_that_is_no_model_is_an_error_with_a_reason(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(broken(kind))
    done = start(arguments(path))
    told = document(done)
    assert done.returncode != 0
    assert (told["status"], told["end"]) == ("error", "complete")
    assert told["stage"] in ("model", "compile")
    assert told["reason"]


def test_a_missing_model_is_named() -> None:
    told = document(start(arguments("/no/such/model.tflite")))
    assert told["stage"] == "model"
    assert "No such file or directory: /no/such/model.tflite" in told["reason"]


def test_a_model_cut_anywhere_never_gives_a_silent_end(tmp_path: Path) -> None:
    whole = tiny_models.conv_net(size=4, channels=2)
    path = tmp_path / "cut.tflite"
    for size in range(1, len(whole), len(whole) // 12):
        path.write_bytes(whole[:size])
        done = start(arguments(path))
        assert document(done)["end"] == "complete"
        assert (done.returncode == 0) == (document(done)["status"] == "ok")


def test_an_op_that_the_runtime_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.unknown_op('Fancy"Op\x07'))
    told = document(start(arguments(path)))
    assert told["stage"] == "compile"
    assert 'unresolved custom op: Fancy"Op\x07' in told["reason"]


def test_a_dynamic_shape_is_refused_with_the_name_of_the_tensor(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.dynamic_shape())
    told = document(start(arguments(path)))
    assert told["stage"] == "model"
    assert "'a' has a dynamic shape" in told["reason"]


def test_a_tensor_of_nine_dimensions_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.passthrough("float32", (1,) * 9))
    told = document(start(arguments(path)))
    assert told["status"] == "error"
    assert told["stage"] in ("model", "compile")


def test_a_library_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.conv_net())
    missing = document(start(arguments(path, library="/no/libLiteRt.so")))
    no_elf = document(start(arguments(path, library=str(path))))
    assert missing["stage"] == no_elf["stage"] == "library"
    assert "/no/libLiteRt.so" in missing["reason"]


def test_a_library_that_is_not_litert_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.conv_net())
    told = document(start(arguments(path, library="libc.so.6")))
    assert told["stage"] == "library"
    assert "has no function LiteRtCreateEnvironment" in told["reason"]


# Cores


def test_a_cpu_mask_is_obtained_and_told(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    if core > 63:
        core = min(os.sched_getaffinity(0))
    mask = f"{1 << core:x}"
    assert run(tiny_models.conv_net(), tmp_path, cpu_mask=mask)["cpu_mask"] == mask


def test_without_a_mask_the_inherited_one_is_told(tmp_path: Path) -> None:
    inherited = f"{sum(1 << core for core in os.sched_getaffinity(0)):x}"
    assert run(tiny_models.conv_net(), tmp_path)["cpu_mask"] == inherited


def test_a_mask_without_any_core_of_this_machine_is_an_error() -> None:
    absent = 63
    assert absent not in os.sched_getaffinity(0)
    told = document(start(arguments("/m", cpu_mask=f"{1 << absent:x}")))
    assert told["stage"] == "affinity"
    assert "8000000000000000 can't be had" in told["reason"]
