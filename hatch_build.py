"""Builds the native runner for every kind of phone, as a hatchling hook or by hand.

`pip install .` calls it through hatchling; in a checkout `python hatch_build.py` does the same.
The compiler is Zig from the `ziglang` wheel, so nothing but pip is needed; for Android the
clang of an NDK is used instead where ANDROID_NDK_HOME names one. What is up to date is left alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called by hand, where hatchling need not be installed
    BuildHookInterface = object  # type: ignore[assignment,misc]

SOURCES = Path("device_scripts/runner")
OUTPUT = Path("bench/runtime/bin")
RUNNER = "bench-runner"
NDK_API = 24  # Android 7, the oldest that LiteRT's own Android builds support

# No standard library, no headers, no exceptions, no unwinding: one small file that runs on any
# Linux of the last ten years. -Os keeps the timed loop as short as -O2 would.
COMPILE = [
    *("-std=c++17", "-Os", "-nostdinc", "-nostdinc++", "-fno-exceptions", "-fno-rtti"),
    *("-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-fno-threadsafe-statics", "-fno-sanitize=all", "-fvisibility=hidden", "-fPIE"),
    *("-Wall", "-Wextra", "-Werror"),
]
LINK = ["-pie", "-s"]
# Phones with 16 KiB pages refuse what is aligned to 4 KiB.
ANDROID_LINK = ["-Wl,-z,max-page-size=16384", "-Wl,-z,common-page-size=16384"]


# Android's ABI for 32-bit ARM: floats in core registers between functions, VFP within them, and
# nothing of NEON. Zig's own softfp baseline would have no floating point unit at all.
ARMV7 = ("-mcpu=generic+v7a+vfp3d16-d32-neon", "-mfloat-abi=softfp")


class BuildError(Exception):
    """The runner can't be built; says why and what to do."""


class Target(NamedTuple):
    """One kind of phone: the folder of its runner, and Zig's name for it."""

    name: str
    zig: str
    processor: tuple[str, ...] = ()  # for Zig; empty: its own baseline is that of Android

    @property
    def android(self) -> bool:
        return self.name.endswith("-android")


TARGETS = (
    Target("x86_64-linux-gnu", "x86_64-linux-gnu.2.17"),
    Target("aarch64-linux-gnu", "aarch64-linux-gnu.2.17"),
    Target("aarch64-linux-android", "aarch64-linux-android"),
    Target("x86_64-linux-android", "x86_64-linux-android"),
    Target("arm-linux-android", "arm-linux-androideabi", ARMV7),
    Target("i686-linux-android", "x86-linux-android", ("-mcpu=i686+sse3",)),
)


class Compiler(NamedTuple):
    """A C++ compiler for one target: its command, its version, and what only it needs."""

    command: tuple[str, ...]
    c_command: tuple[str, ...]
    version: str
    needs_stubs: bool  # of Android's C library, which Zig doesn't bring


class RunnerBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds into bench/runtime/bin before hatchling packs or links the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel":
            build_all(Path(self.root))


def build_all(root: Path, output: Path | None = None) -> list[Path]:
    """The runner of every target, built where it isn't up to date."""
    output = root / OUTPUT if output is None else output
    return [build(root, target, output / target.name) for target in TARGETS]


def build(root: Path, target: Target, folder: Path) -> Path:
    """The runner of one target in `folder`, beside the record of what it was built from."""
    compiler = _compiler(target)
    sources = root / SOURCES
    flags = [*COMPILE, f'-DRUNNER_VERSION="{_package_version(root)}"']
    flags += LINK + (ANDROID_LINK if target.android else [])
    words = [target.zig, *target.processor, compiler.version, *flags]
    wanted = _digest_of_inputs(sources, words)
    runner, stamp = folder / RUNNER, folder / "build.json"
    if _is_up_to_date(runner, stamp, wanted):
        return runner
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-build-") as scratch:
        built = Path(scratch) / RUNNER
        _compile(sources, target, compiler, flags, built)
        content = bytearray(built.read_bytes())
        if target.android:
            _drop_pie_flag(content)
        _put(runner, bytes(content), mode=0o755)
    record = {
        "target": target.name,
        "inputs": wanted,
        "version": _package_version(root),
        "compiler": compiler.version,
        "sha256": _sha256(runner.read_bytes()),
    }
    _put(stamp, json.dumps(record, indent=1).encode() + b"\n", mode=0o644)
    return runner


def _compile(
    sources: Path, target: Target, compiler: Compiler, flags: Sequence[str], built: Path
) -> None:
    files = sorted(path.name for path in sources.glob("*.cc"))
    if target.android:
        extra = _bionic_parts(sources, compiler, built.parent) if compiler.needs_stubs else []
    else:
        extra = ["-ldl"]
    _run([*compiler.command, *flags, *files, *extra, "-o", str(built)], sources, target)


def _drop_pie_flag(elf: bytearray) -> None:
    """Clear DF_1_PIE, which says nothing that the file's type doesn't say.

    The linker of Android 6 doesn't know the flag and warns of it at each start, and on phones
    without shell_v2 the warning lands among the results.
    """
    wide = elf[4] == 2
    table, (size, count) = (
        struct.unpack_from("<Q" if wide else "<I", elf, 32 if wide else 28)[0],
        struct.unpack_from("<HH", elf, 54 if wide else 42),
    )
    for header in range(table, table + size * count, size):
        kind, at = struct.unpack_from("<I4xQ" if wide else "<II", elf, header)
        while kind == 2:  # PT_DYNAMIC; it ends with DT_NULL
            tag, value = struct.unpack_from("<QQ" if wide else "<II", elf, at)
            if tag == 0x6FFFFFFB:  # DT_FLAGS_1
                struct.pack_into("<QQ" if wide else "<II", elf, at, tag, value & ~0x08000000)
            if tag == 0:
                break
            at += 16 if wide else 8


def _bionic_parts(sources: Path, compiler: Compiler, scratch: Path) -> list[str]:
    """An entry point, and libraries of the right names for the linker to look into."""
    libraries = []
    for name in ("libc", "libdl"):
        library = scratch / f"{name}.so"
        flags = ["-nostdlib", "-fno-builtin", "-w", "-shared", "-s", f"-Wl,-soname,{name}.so"]
        command = [*compiler.c_command, *flags, f"bionic/{name}.c", "-o", str(library)]
        _run(command, sources, None)
        libraries.append(str(library))
    freestanding = ["-nostdlib", "-rtlib=compiler-rt", "-ffreestanding"]  # 32 bit divides by calls
    return [*freestanding, "bionic/start.cc", *libraries]


def _compiler(target: Target) -> Compiler:
    ndk = os.environ.get("ANDROID_NDK_HOME")
    if target.android and ndk:
        return _ndk_compiler(target, Path(ndk))
    zig = (sys.executable, "-m", "ziglang")
    version = _zig_version(zig)
    where = ("-target", target.zig, *target.processor)
    return Compiler(
        command=(*zig, "c++", *where),
        c_command=(*zig, "cc", *where),
        version=f"zig {version}",
        needs_stubs=target.android,
    )


def _zig_version(zig: Sequence[str]) -> str:
    try:
        return _run([*zig, "version"], Path.cwd(), None).strip()
    except BuildError as error:
        raise BuildError(
            "The native runner needs the Zig compiler, and it can't be started on this "
            f"{platform.system()} {platform.machine()} machine with {sys.executable}. "
            f"Install it with: pip install ziglang. {error}"
        ) from error


def _ndk_compiler(target: Target, ndk: Path) -> Compiler:
    host = f"{platform.system().lower()}-x86_64"
    clang = ndk / "toolchains" / "llvm" / "prebuilt" / host / "bin" / "clang++"
    if not clang.exists():
        raise BuildError(
            f"ANDROID_NDK_HOME is {str(ndk)!r}, but there is no {clang}. "
            "Point it to an unpacked NDK, or unset it to build with Zig."
        )
    triple = target.name.replace("arm-linux-android", "armv7a-linux-androideabi")
    command = (str(clang), f"--target={triple}{NDK_API}", "-nostdlib++")
    version = _run([str(clang), "--version"], Path.cwd(), None).splitlines()[0]
    return Compiler(command=command, c_command=command, version=version, needs_stubs=False)


def _run(command: Sequence[str], folder: Path, target: Target | None) -> str:
    """The command's stdout; BuildError with the end of its stderr when it fails."""
    cache = cache_folder()
    environment = os.environ | {
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(cache),
        "SOURCE_DATE_EPOCH": "0",
    }
    try:
        done = subprocess.run(
            list(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{command[0]} can't be started: {error}.") from error
    if done.returncode != 0:
        what = f"Building the runner for {target.name} failed" if target else "A build step failed"
        raise BuildError(
            f"{what} (exit {done.returncode}): {' '.join(command)}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def cache_folder() -> Path:
    """Where Zig keeps what it compiled of its own: the user's cache, never the source tree."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "tflite-phone-bench" / "zig"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"tflite-phone-bench-zig-{os.getuid()}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _package_version(root: Path) -> str:
    text = (root / "bench" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([0-9A-Za-z.+-]+)"$', text, re.MULTILINE)
    if found is None:
        raise BuildError(f"No __version__ in {root / 'bench' / '__init__.py'}.")
    return found.group(1)


def _digest_of_inputs(sources: Path, words: Sequence[str]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(p for p in sources.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(sources).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update("\0".join(words).encode())
    return digest.hexdigest()


def _is_up_to_date(runner: Path, stamp: Path, wanted: str) -> bool:
    try:
        record = json.loads(stamp.read_text(encoding="utf-8"))
        return bool(record["inputs"] == wanted and record["sha256"] == _sha256(runner.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _put(path: Path, content: bytes, *, mode: int) -> None:
    """Writes a file as a whole or not at all, also when two builds run at once."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(mode)
    Path(name).replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    try:
        for path in build_all(Path(__file__).resolve().parent):
            print(path)
    except BuildError as error:
        sys.exit(f"Error: {error}")
