"""Starts the native runner on this machine, on LiteRT itself or on a fake of it."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench import runtime

ROOT = Path(__file__).parents[1]
HOST_ABI = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}[platform.machine()]
HOST_TARGET = f"{platform.machine()}-linux-gnu"

# Enough to have results, and no more.
BRIEF = {"warmup-max-seconds": "0", "min-samples": "3", "max-samples": "3"}


def load_hatch_build() -> ModuleType:
    """hatch_build.py, which is no part of any package."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def host_binaries() -> runtime.Binaries:
    """Runner and LiteRT for this machine; the runner is built from the sources as they are."""
    build = load_hatch_build()
    target = next(t for t in build.TARGETS if t.name == HOST_TARGET)
    build.build(ROOT, target, ROOT / build.OUTPUT / target.name)
    return runtime.find((HOST_ABI,), "glibc")


@functools.cache
def fake_library() -> Path:
    """tests/fake_litert, compiled once."""
    library = Path(tempfile.mkdtemp(prefix="bench-fake-")) / "libLiteRt.so"
    atexit.register(shutil.rmtree, library.parent, ignore_errors=True)
    compile_library(ROOT / "tests" / "fake_litert" / "fake_litert.c", library)
    return library


def compile_library(
    source: Path, library: Path, options: Sequence[str] = (), target: str = "native"
) -> None:
    """A shared library, by the compiler that the runner is built with."""
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-fPIC", "-O1"]
    cache = str(load_hatch_build().cache_folder())
    subprocess.run(
        [*zig, "-w", "-o", str(library), str(source), *options],
        check=True,
        env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        timeout=120,
    )


def bionic_shims(folder: Path, target: str = "native") -> Path:
    """Stand-ins for Android's libc.so and libdl.so, with glibc behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("libc", "libdl"):
        source = ROOT / "tests" / "bionic_shim" / f"{name}.c"
        options = [f"-Wl,-soname,{name}.so", "-ldl"]
        compile_library(source, folder / f"{name}.so", options, target)
    return folder


def start(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """The runner with exactly these arguments."""
    command = [str(host_binaries().runner), *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, **options)


def arguments(model: Path | str, *, library: Path | str | None = None, **more: str) -> list[str]:
    """--key=value of a brief run; `more` replaces and adds, with _ for -."""
    named = {
        "contract": str(runtime.CONTRACT),
        "library": str(library or host_binaries().library),
        "model": str(model),
        **BRIEF,
        **{key.replace("_", "-"): value for key, value in more.items()},
    }
    return [f"--{key}={value}" for key, value in named.items()]


def run(model: bytes, folder: Path, **more: str) -> dict[str, Any]:
    """The document of a run on LiteRT that must go well."""
    path = folder / "model.tflite"
    path.write_bytes(model)
    done = start(arguments(path, **more))
    assert done.returncode == 0, done.stdout + done.stderr
    return document(done)


def run_fake(fakes: dict[str, str], folder: Path, **more: str) -> dict[str, Any]:
    """The document of a run on the fake library, under its clock."""
    model = folder / "model.tflite"
    model.write_bytes(b"any")
    library = fake_library()
    environment = os.environ | {"LD_PRELOAD": str(library)} | fakes
    return document(start(arguments(model, library=library, **more), env=environment))


def document(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """What stands on stdout, which holds one line of JSON and nothing else."""
    assert done.stdout.count(b"\n") == 1, done.stdout + done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


PACKAGES = (
    "qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross "
    "libc6-armel-cross libc6-i386-cross"
)


def require(there: bool, what: str, cure: str = f"on Debian: apt install {PACKAGES}") -> None:
    """Continuous integration has everything; elsewhere a reason is given."""
    if there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; {cure}")
    pytest.skip(f"{what} is missing; {cure}")


def litert_of_pypi(version: str, processor: str, folder: Path) -> Path:
    """libLiteRt.so of a wheel for Linux; a release's files on PyPI never change."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", f"--platform=manylinux_2_27_{processor}"]
    done = subprocess.run(
        [*command, "--dest", str(folder), f"ai-edge-litert=={version}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    wheel = f"the {processor} wheel of ai-edge-litert {version} on PyPI"
    require(done.returncode == 0, wheel, done.stderr[-200:])
    (fetched,) = folder.glob("*.whl")
    library = folder / "libLiteRt.so"
    with zipfile.ZipFile(fetched) as archive:
        library.write_bytes(archive.read("ai_edge_litert/libLiteRt.so"))
    return library
