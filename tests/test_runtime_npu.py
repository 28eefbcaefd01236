"""A vendor's NPU libraries: kept together, checked, pushed as a folder, named to the tool."""

import os

import pytest
from tiny_elf import tiny_elf

from bench import runtime
from bench.errors import UsageError
from bench.records import Config, Device, Precision
from bench.trial.runners import BenchmarkModel, Start

KEPT = runtime.Kept(
    tool="benchmark_model", path="/b", abi="arm64-v8a", libc="bionic", sha256="0" * 64,
    source="added",
)  # fmt: skip
PHONE = Device(serial="S", virtual=False)
NPU = Config(delegate="npu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def library(folder, name, **changes):
    path = folder / name
    path.write_bytes(tiny_elf(**({"soname": name, "exports": ()} | changes)))
    return path


def test_a_vendors_libraries_are_kept_together_and_replace_those_before(tmp_path):
    first = [library(tmp_path, "libLiteRtDispatch_Old.so")]
    second = [library(tmp_path, n) for n in ("libLiteRtDispatch_Qualcomm.so", "libQnnHtp.so")]
    runtime.add_npu(first)
    abi, kept = runtime.add_npu(second)
    assert abi == "arm64-v8a"
    assert [one.name for one in kept] == ["libLiteRtDispatch_Qualcomm.so", "libQnnHtp.so"]
    assert runtime.npu_libraries("arm64-v8a") == kept
    assert runtime.npu_libraries("x86_64") == ()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"libQnnHtp.so": {}}, "None of the libraries is LiteRT's"),
        ({"libLiteRtDispatch_a.so": {}, "libb.so": {"abi": "x86_64"}}, "different ABIs"),
        ({"libLiteRtDispatch_a.so": {"needed": ("libc.so.6",)}}, "no shared library for Android"),
        ({"lib$(id).so": {}}, "no library's name"),
    ],
)
def test_what_no_phone_could_use_is_refused_by_name(tmp_path, files, message):
    paths = [library(tmp_path, name, **changes) for name, changes in files.items()]
    with pytest.raises(UsageError, match=message):
        runtime.add_npu(paths)
    assert runtime.npu_libraries("arm64-v8a") == ()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "libQnnHtp.so")
    with pytest.raises(UsageError, match="is not a file"):
        runtime.add_npu([tmp_path / "libQnnHtp.so"])


def test_without_a_vendors_library_the_npu_is_skipped_with_the_command_that_adds_it():
    runner = BenchmarkModel(KEPT, "arm64-v8a", None)
    assert "bench runtime add --npu" in runner.cannot(NPU, PHONE)


def test_with_it_the_folder_is_pushed_and_named(tmp_path):
    _, kept = runtime.add_npu([library(tmp_path, "libLiteRtDispatch_Qualcomm.so")])
    runner = BenchmarkModel(KEPT, "arm64-v8a", None, kept)
    assert runner.cannot(NPU, PHONE) is None
    folder = runner.files[1].remote.rpartition("/")[0]
    argv = runner.argv(Start("/m.tflite", NPU, Precision()))
    assert argv[:3] == ["env", f"LD_LIBRARY_PATH={folder}", f"ADSP_LIBRARY_PATH={folder}"]
    assert "--use_npu=true" in argv
    assert f"--dispatch_library_path={folder}" in argv
    on_cpu = runner.argv(Start("/m.tflite", Config(), Precision()))
    assert not any("dispatch" in word for word in on_cpu)
