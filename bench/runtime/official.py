"""Official binaries of LiteRT: where they are, and by which hash they are known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from bench.errors import UsageError

Tool = Literal["library", "benchmark_model"]
Libc = Literal["bionic", "glibc"]  # Android's C library, or that of most Linux systems
TOOLS: tuple[Tool, ...] = get_args(Tool)
FILES: dict[Tool, str] = {"library": "libLiteRt.so", "benchmark_model": "benchmark_model"}

SYSTEMS: dict[Libc, str] = {"bionic": "Android", "glibc": "Linux with glibc"}

VERSION = "2.2.0"  # of LiteRT; what is fetched

# A mirror, or a test's local server. {version} in it stands for the version.
SETTINGS: dict[Tool, str] = {
    "library": "TFLITE_PHONE_BENCH_RUNTIME_BASE",
    "benchmark_model": "TFLITE_PHONE_BENCH_BENCHMARK_MODEL_BASE",
}
_BASES: dict[Tool, str] = {
    "library": "https://github.com/google-ai-edge/LiteRT/raw/v{version}/litert/prebuilt",
    "benchmark_model": "https://storage.googleapis.com/litert/binaries/{version}",
}


@dataclass(frozen=True)
class Official:
    """One official file. Without a hash it is taken on trust at first use."""

    tool: Tool
    abi: str
    platform: str  # its folder at the official address
    libc: Libc = "bionic"
    version: str = VERSION
    sha256: str | None = None
    size_bytes: int | None = None

    @property
    def address(self) -> str:
        """Where it is downloaded from."""
        base = os.environ.get(SETTINGS[self.tool]) or _BASES[self.tool]
        base = base.replace("{version}", self.version).rstrip("/")
        return f"{base}/{self.platform}/{FILES[self.tool]}"


# Sizes and hashes are those of the Git LFS pointers under litert/prebuilt/ of
# github.com/google-ai-edge/LiteRT at tag v2.2.0 (commit 145c7523f, 2026-08-06). The bucket of
# benchmark_model publishes none, and is known to hold an Android binary for arm64 alone.
OFFICIAL: dict[tuple[Tool, str, Libc], Official] = {
    (official.tool, official.abi, official.libc): official
    for official in (
        Official(
            tool="library",
            abi="arm64-v8a",
            platform="android_arm64",
            sha256="a29cb264055a18672afeddc645206e91b0a84fb544dfec32839e3410d356147b",
            size_bytes=5279024,
        ),
        Official(
            tool="library",
            abi="armeabi-v7a",
            platform="android_arm32",
            sha256="382978af0bb38b901ca8a8a49de8d2e7747b7a6ea617cea3c22d225a824f9af3",
            size_bytes=3461180,
        ),
        Official(
            tool="library",
            abi="x86_64",
            platform="android_x86_64",
            sha256="53ea6fb99f31f8757a7e0f47b2fd353afb62fd504cbcb3d8b8289082a1b6a8a1",
            size_bytes=7376368,
        ),
        Official(
            tool="library",
            abi="arm64-v8a",
            platform="linux_arm64",
            libc="glibc",
            sha256="ed9ee895cb43488778218d35eb79629b7de84325d7c111693562b9ee908be830",
            size_bytes=8657224,
        ),
        Official(
            tool="library",
            abi="x86_64",
            platform="linux_x86_64",
            libc="glibc",
            sha256="c2cc837b5ab84c1d289c4637cb92f0202b4f67962d7e8da5aa3fd623cb40740a",
            size_bytes=10688136,
        ),
        Official(tool="benchmark_model", abi="arm64-v8a", platform="android_arm64"),
    )
}

# Other libraries of these pointers, at tag v2.1.6 (1461b6b2d) and at the head that was to become
# 2.3.0 (f67457790): not fetched, but known when a user adds one.
_KNOWN = {
    "589e8046a15be8b5d3bf3fe385ea4fa4718580845ae8ee36c59ccbb72efa2697": "2.1.6",
    "2a7e59e92ce7c22d85932a47634353d6b8bd1710f50a3bfb262394dc5d246489": "2.1.6",
    "5d5fde3789fa5e7cf995a010d4036004cf481d56ea9e0a47ac9b8fc279529135": "2.1.6",
    "b2913eb689e731aef26589601c0d18f01695c140329561d4785ba36cd07dda4a": "2.3.0-development",
    "5e8f2d49fce8865dfba6932520d2cdc0ec6e002adf5987cf65dfdd38e250de28": "2.3.0-development",
    "bd9ab78e8fa1c36991d7fb6fdd5261d2b99fe6d34205de66d20d25c7ab98434a": "2.3.0-development",
}


def official(tool: Tool, abi: str, libc: Libc) -> Official:
    """What is to be fetched for a kind of phone; UsageError where nothing official is known."""
    found = OFFICIAL.get((tool, abi, libc))
    if found is None:
        known = ", ".join(a for t, a, c in OFFICIAL if (t, c) == (tool, libc)) or "none"
        raise UsageError(
            f"There is no official {FILES[tool]} for {abi!r} ({SYSTEMS[libc]}).",
            next_step=f"There are: {known}. One of your own is kept with: bench runtime add FILE",
        )
    return found


def known_version(sha256: str) -> str | None:
    """The version of an official library, by its content."""
    for one in OFFICIAL.values():
        if one.sha256 == sha256:
            return one.version
    return _KNOWN.get(sha256)
