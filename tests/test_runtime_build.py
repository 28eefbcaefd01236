"""hatch_build.py: what it builds, when, and that it builds the same twice."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import tiny_models
from runners import (
    HOST_TARGET,
    ROOT,
    arguments,
    bionic_shims,
    document,
    load_hatch_build,
    run,
)
from tiny_elf import tiny_elf

from bench.runtime.elf import Elf, read_elf

ANDROID = {
    "aarch64-linux-android": "arm64-v8a",
    "arm-linux-android": "armeabi-v7a",
    "i686-linux-android": "x86",
    "x86_64-linux-android": "x86_64",
}


@pytest.fixture(scope="module")
def hatch_build() -> ModuleType:
    return load_hatch_build()


def copy_of_sources(folder: Path) -> Path:
    shutil.copytree(ROOT / "device_scripts" / "runner", folder / "device_scripts" / "runner")
    (folder / "bench").mkdir()
    shutil.copy(ROOT / "bench" / "__init__.py", folder / "bench" / "__init__.py")
    return folder


@pytest.fixture(scope="module")
def built(hatch_build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of its own with all runners built in it."""
    root = copy_of_sources(tmp_path_factory.mktemp("first"))
    hatch_build.build_all(root)
    return root


def runner_of(root: Path, target: str) -> Path:
    return root / "bench" / "runtime" / "bin" / target / "bench-runner"


def elf_of(root: Path, target: str) -> Elf:
    return read_elf(runner_of(root, target).read_bytes())


def test_another_folder_gives_the_same_bytes(
    hatch_build: ModuleType, built: Path, tmp_path: Path
) -> None:
    again = copy_of_sources(tmp_path / "a folder with a much longer name")
    for path in hatch_build.build_all(again):
        assert path.read_bytes() == (built / path.relative_to(again)).read_bytes()


def test_nothing_but_the_runners_appears_in_the_tree(built: Path) -> None:
    files = {p.relative_to(built).as_posix() for p in built.rglob("*") if p.is_file()}
    sources = {
        p.relative_to(ROOT).as_posix() for p in (ROOT / "device_scripts" / "runner").rglob("*")
    }
    made = {f for f in files if f not in sources and f != "bench/__init__.py"}
    assert made == {
        f"bench/runtime/bin/{target}/{name}"
        for target in ("x86_64-linux-gnu", "aarch64-linux-gnu", *ANDROID)
        for name in ("bench-runner", "build.json")
    }


@pytest.mark.parametrize(("target", "abi"), sorted(ANDROID.items()))
def test_the_android_runner_is_what_bionic_can_load(target: str, abi: str, built: Path) -> None:
    elf = elf_of(built, target)
    assert elf.abi == abi
    assert elf.interpreter == f"/system/bin/linker{'64' if elf.bits == 64 else ''}"
    assert elf.position_independent
    assert not elf.flags_1 & ~1  # DF_1_NOW; of any other, Android 6 warns at each start
    assert set(elf.needed) == {"libc.so", "libdl.so"}
    assert elf.load_alignment == 16384
    assert not elf.text_relocations


def test_the_android_runner_starts_through_the_entry_point_of_bionic(
    built: Path, tmp_path: Path
) -> None:
    """On this machine's processor, with glibc behind a shim in the place of bionic."""
    shims = bionic_shims(tmp_path / "shims")
    interpreter = elf_of(built, HOST_TARGET).interpreter
    runner = runner_of(built, HOST_TARGET.replace("-gnu", "-android"))
    model = tmp_path / "model.tflite"
    model.write_bytes(tiny_models.partly_delegated())
    done = subprocess.run(
        [str(interpreter), str(runner), *arguments(model)],
        env={"LD_LIBRARY_PATH": str(shims)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    told = document(done)
    assert (told["status"], told["delegation"]) == ("ok", "partial")
    assert told["outputs"] == run(tiny_models.partly_delegated(), tmp_path)["outputs"]


@pytest.mark.parametrize(
    ("target", "abi", "interpreter"),
    [
        ("aarch64-linux-gnu", "arm64-v8a", "/lib/ld-linux-aarch64.so.1"),
        ("x86_64-linux-gnu", "x86_64", "/lib64/ld-linux-x86-64.so.2"),
    ],
)
def test_the_glibc_runner_needs_the_c_library_alone(
    target: str, abi: str, interpreter: str, built: Path
) -> None:
    elf = elf_of(built, target)
    assert (elf.abi, elf.interpreter) == (abi, interpreter)
    assert set(elf.needed) == {"libc.so.6", "libdl.so.2"}
    assert elf.position_independent


def test_a_runner_is_small_executable_and_names_no_folder(built: Path) -> None:
    for path in built.rglob("bench-runner"):
        content = path.read_bytes()
        assert len(content) < 64 * 1024
        assert path.stat().st_mode & stat.S_IXUSR
        assert str(built).encode() not in content
        assert str(Path.home()).encode() not in content


def test_what_is_up_to_date_is_left_alone(hatch_build: ModuleType, built: Path) -> None:
    path = runner_of(built, "x86_64-linux-gnu")
    before = path.stat().st_mtime_ns
    hatch_build.build_all(built)
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["source", "version", "binary", "record"])
def test_what_is_out_of_date_is_built_again(
    change: str, hatch_build: ModuleType, tmp_path: Path
) -> None:
    root = copy_of_sources(tmp_path)
    target = hatch_build.TARGETS[0]
    folder = root / "bench" / "runtime" / "bin" / target.name
    runner: Path = hatch_build.build(root, target, folder)
    before = runner.stat().st_ino
    changed = {
        "source": root / "device_scripts" / "runner" / "main.cc",
        "version": root / "bench" / "__init__.py",
        "binary": runner,
        "record": folder / "build.json",
    }[change]
    text = changed.read_bytes()
    changed.write_bytes(
        {
            "source": text + b"\n",
            "version": b'__version__ = "9.8.7"\n',
            "binary": text + b"\n",
            "record": b"{}",
        }[change]
    )
    hatch_build.build(root, target, folder)
    assert runner.stat().st_ino != before


def test_the_version_of_the_package_is_compiled_in(hatch_build: ModuleType, tmp_path: Path) -> None:
    root = copy_of_sources(tmp_path)
    package = root / "bench" / "__init__.py"
    package.write_text('__version__ = "9.8.7"\n')
    path = hatch_build.build(root, hatch_build.TARGETS[0], tmp_path / "out")
    assert b"9.8.7\0" in path.read_bytes()


def test_a_source_that_does_not_compile_is_a_build_error(
    hatch_build: ModuleType, tmp_path: Path
) -> None:
    root = copy_of_sources(tmp_path)
    (root / "device_scripts" / "runner" / "main.cc").write_text("int main( {\n")
    with pytest.raises(hatch_build.BuildError, match=r"x86_64-linux-gnu failed[\s\S]*main\.cc"):
        hatch_build.build(root, hatch_build.TARGETS[0], tmp_path / "out")
    assert not (tmp_path / "out" / "bench-runner").exists()


def test_a_host_without_zig_is_told_what_to_install(
    hatch_build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named ziglang' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(hatch_build.sys, "executable", str(python))
    with pytest.raises(hatch_build.BuildError, match="pip install ziglang") as caught:
        hatch_build.build(ROOT, hatch_build.TARGETS[0], tmp_path / "out")
    assert "No module named ziglang" in str(caught.value)


def test_an_ndk_is_used_for_android_and_for_nothing_else(
    hatch_build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, ndk = tmp_path / "log", tmp_path / "ndk"
    (tmp_path / "elf").write_bytes(tiny_elf(extra_dynamic=[(0x6FFFFFFB, 0x08000001)]))
    tools = ndk / "toolchains" / "llvm" / "prebuilt" / "linux-x86_64" / "bin"
    tools.mkdir(parents=True)
    clang = tools / "clang++"
    clang.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "clang 99" && exit\n'
        f'echo "$@" >> "{log}"\nwhile [ "$1" != -o ]; do shift; done\ncp "{tmp_path}/elf" "$2"\n'
    )
    clang.chmod(0o755)
    monkeypatch.setenv("ANDROID_NDK_HOME", str(ndk))
    android = next(t for t in hatch_build.TARGETS if t.name == "aarch64-linux-android")
    path = hatch_build.build(ROOT, android, tmp_path / "android")
    assert read_elf(path.read_bytes()).flags_1 == 1
    command = log.read_text()
    assert "--target=aarch64-linux-android24" in command
    assert "bionic/" not in command
    arm = next(t for t in hatch_build.TARGETS if t.name == "arm-linux-android")
    hatch_build.build(ROOT, arm, tmp_path / "arm")
    assert "--target=armv7a-linux-androideabi24" in log.read_text()
    assert "clang 99" in (tmp_path / "android" / "build.json").read_text()
    gnu = hatch_build.build(ROOT, hatch_build.TARGETS[0], tmp_path / "gnu")
    assert read_elf(gnu.read_bytes()).libc == "glibc"


def test_an_ndk_that_is_not_there_is_a_build_error(
    hatch_build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    android = next(t for t in hatch_build.TARGETS if t.android)
    with pytest.raises(hatch_build.BuildError, match="unset it to build with Zig"):
        hatch_build.build(ROOT, android, tmp_path / "out")
