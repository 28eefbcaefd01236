"""What a user may add: libraries, benchmark_model, packages; and what is refused by name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runners import HOST_ABI, host_binaries
from tiny_elf import LITERT, tiny_elf

from bench import runtime
from bench.errors import UsageError
from bench.runtime import package, provision
from bench.runtime.cache import kept
from bench.runtime.examine import RUNNER_NEEDS
from bench.runtime.official import OFFICIAL, Official

TOOL: dict[str, Any] = {
    "interpreter": "/system/bin/linker64",
    "soname": None,
    "exports": (),
    "content": b"num_runs\0warmup_runs\0",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def add(tmp_path: Path, content: bytes, name: str = "some library.so") -> tuple[runtime.Kept, ...]:
    file = tmp_path / name
    file.write_bytes(content)
    return runtime.add(file)


def zipped(tmp_path: Path, members: dict[str, bytes], name: str = "litert.aar") -> Path:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


# Libraries


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"])
@pytest.mark.parametrize("libc", ["bionic", "glibc"])
def test_a_library_is_kept_for_the_phones_that_its_header_names(
    abi: str, libc: Any, tmp_path: Path
) -> None:
    needed = ("libc.so",) if libc == "bionic" else ("libc.so.6",)
    content = tiny_elf(abi, needed=needed)
    (record,) = add(tmp_path, content)
    assert (record.tool, record.abi, record.libc, record.source) == ("library", abi, libc, "added")
    assert Path(record.path).read_bytes() == content
    assert kept("library", abi, libc) == record


def test_the_installed_litert_is_fit(tmp_path: Path) -> None:
    (record,) = runtime.add(host_binaries().library)
    assert (record.abi, record.libc) == (HOST_ABI, "glibc")
    assert record.at_least is not None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a library", "not an ELF file"),
        (b"", "not an ELF file"),
        (tiny_elf(needed=("libm.so.1",)), "neither Android's C library nor glibc, but: libm.so.1"),
        (tiny_elf(interpreter="/system/bin/linker64"), "a program, but not benchmark_model"),
        (tiny_elf(kind=2), "a program, but not benchmark_model"),
        (tiny_elf(exports=("TfLiteInterpreterCreate",)), "TensorFlow Lite's older interface"),
        (tiny_elf(exports=("main",)), "another library: it has no LiteRtCreateEnvironment"),
        (tiny_elf(exports=()), "has no LiteRtCreateEnvironment"),
        (tiny_elf(exports=RUNNER_NEEDS), "LiteRT older than 2.1.6: it has no LiteRtCreateModelFro"),
        (
            tiny_elf(exports=[name for name in LITERT if "StartProfiler" not in name]),
            "lacks what the runner calls: LiteRtStartProfiler",
        ),
        (tiny_elf(extra_dynamic=[(22, 0)]), "text relocations, which Android refuses"),
        (tiny_elf(machine=8), "machine 8, which no Android phone has"),
        (tiny_elf()[:100], "cut"),
    ],
)
def test_what_no_phone_could_load_is_refused_by_name(
    content: bytes, words: str, tmp_path: Path, own_cache: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        add(tmp_path, content)
    assert not own_cache.exists()


def test_an_official_library_is_known_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it exports: its hash says which it is."""
    content = tiny_elf(exports=())
    pin = Official(
        tool="library",
        abi="arm64-v8a",
        platform="android_arm64",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    monkeypatch.setitem(OFFICIAL, ("library", "arm64-v8a", "bionic"), pin)
    (record,) = add(tmp_path, content)
    assert record.version == pin.version


def test_a_version_that_is_not_known_is_told_as_at_least(tmp_path: Path) -> None:
    ages = {
        (*RUNNER_NEEDS, "LiteRtCreateModelFromFd"): "2.1.6",
        LITERT: "2.2.0",
        (*LITERT, "LiteRtAppendMetric"): "2.3.0",
    }
    for exports, at_least in ages.items():
        (record,) = add(tmp_path, tiny_elf(exports=exports))
        assert (record.version, record.at_least) == (None, at_least)


def test_adding_again_replaces(tmp_path: Path) -> None:
    add(tmp_path, tiny_elf())
    (record,) = add(tmp_path, tiny_elf() + b"newer")
    assert Path(record.path).read_bytes().endswith(b"newer")


@pytest.mark.parametrize("path", ["/no/such/file.so", "/"])
def test_what_is_no_file_is_not_added(path: str) -> None:
    with pytest.raises(UsageError, match=r"No such file or directory|is not a file"):
        runtime.add(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a file"):
        runtime.add(tmp_path / "pipe")


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "MAX_BYTES", 100)
    with pytest.raises(UsageError, match="too large"):
        add(tmp_path, tiny_elf())


def test_a_cache_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="can't be written"):
        add(tmp_path, tiny_elf())


# benchmark_model


def test_benchmark_model_is_kept_and_can_be_executed(tmp_path: Path) -> None:
    (record,) = add(tmp_path, tiny_elf(**TOOL), "benchmark_model")
    assert (record.tool, record.abi, record.libc) == ("benchmark_model", "arm64-v8a", "bionic")
    assert Path(record.path).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"content": b"another tool"}, "not benchmark_model"),
        ({"kind": 2}, "not position-independent"),
        ({"interpreter": "/lib/ld-linux-aarch64.so.1"}, "asks for the linker '/lib/ld-linux"),
        ({"interpreter": "/system/bin/linker"}, "Android has /system/bin/linker64"),
        ({"extra_dynamic": [(22, 0)]}, "text relocations"),
    ],
)
def test_a_program_that_android_would_not_start_is_refused(
    changed: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        add(tmp_path, tiny_elf(**TOOL | changed))


# Packages


def test_an_aar_gives_the_libraries_of_all_its_abis(tmp_path: Path) -> None:
    abis = ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"]
    members = {f"jni/{abi}/libLiteRt.so": tiny_elf(abi) for abi in abis}
    found = runtime.add(zipped(tmp_path, members | {"classes.jar": b"x", "R.txt": b""}))
    assert [record.abi for record in found] == abis
    for record in found:
        assert Path(record.path).read_bytes() == members[f"jni/{record.abi}/libLiteRt.so"]
        assert kept("library", record.abi, "bionic") == record


def test_a_wheel_gives_its_library_and_its_version(tmp_path: Path) -> None:
    members = {
        "ai_edge_litert/libLiteRt.so": tiny_elf(needed=("libc.so.6",)),
        "ai_edge_litert-2.3.0.dist-info/METADATA": b"",
    }
    (record,) = runtime.add(zipped(tmp_path, members, "ai_edge_litert.whl"))
    assert (record.abi, record.libc, record.version) == ("arm64-v8a", "glibc", "2.3.0")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, r"holds no libLiteRt\.so\."),
        ({"jni/arm64-v8a/libtensorflowlite_jni.so": b"x"}, "but the older TensorFlow Lite"),
        ({"../../jni/arm64-v8a/libLiteRt.so": tiny_elf()}, "holds no libLiteRt"),
        ({"/jni/arm64-v8a/libLiteRt.so": tiny_elf()}, "holds no libLiteRt"),
        ({"jni/../../x/libLiteRt.so": tiny_elf()}, "holds no libLiteRt"),
        ({"jni/arm64-v8a/libLiteRt.so": tiny_elf("x86")}, "is for x86 "),
        ({"jni/arm64-v8a/libLiteRt.so": tiny_elf(needed=("libc.so.6",))}, r"is for .* \(glibc\)"),
        ({"jni/arm64-v8a/libLiteRt.so": b"junk"}, "no binary for a phone"),
    ],
)
def test_a_package_that_is_none_is_refused(
    members: dict[str, bytes], words: str, tmp_path: Path, own_cache: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        runtime.add(zipped(tmp_path, members | {"AndroidManifest.xml": b"<manifest/>"}))
    assert not own_cache.exists()


def test_a_package_is_kept_as_a_whole_or_not_at_all(tmp_path: Path, own_cache: Path) -> None:
    members = {"jni/arm64-v8a/libLiteRt.so": tiny_elf(), "jni/x86/libLiteRt.so": b"junk"}
    with pytest.raises(UsageError, match="jni/x86"):
        runtime.add(zipped(tmp_path, members))
    assert not own_cache.exists()


def test_a_library_that_unpacks_without_end_is_not_read_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "MAX_BYTES", 100_000)
    bomb = zipped(tmp_path, {"jni/arm64-v8a/libLiteRt.so": bytes(1_000_000)})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(UsageError, match="too large"):
        runtime.add(bomb)


def test_a_size_that_the_package_lies_about_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "MAX_BYTES", 100_000)
    path = zipped(tmp_path, {"jni/arm64-v8a/libLiteRt.so": bytes(1_000_000)})
    lied = path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 100))
    path.write_bytes(lied)
    with pytest.raises(UsageError):
        runtime.add(path)


def test_a_library_that_stands_twice_in_a_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.aar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("jni/arm64-v8a/libLiteRt.so", tiny_elf())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("jni/arm64-v8a/libLiteRt.so", tiny_elf() + b"other")
    with pytest.raises(UsageError, match="holds a library twice"):
        runtime.add(path)


def test_a_name_in_no_writing_is_damage(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"jni/x86/libLiteRt.so": tiny_elf("x86"), "\N{OHM SIGN}": b"x"})
    whole = path.read_bytes()
    path.write_bytes(whole.replace("\N{OHM SIGN}".encode(), b"\xff\xfe\xfd"))
    with pytest.raises(UsageError, match="is damaged"):
        runtime.add(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_to_a_package_is_a_library_or_a_user_error(
    data: st.DataObject, tmp_path: Path
) -> None:
    path = zipped(tmp_path, {"jni/x86/libLiteRt.so": tiny_elf("x86"), "note": b"x"})
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.integers(4, len(damaged)))])
    with contextlib.suppress(UsageError):
        assert [record.abi for record in runtime.add(path)] == ["x86"]
