"""What a binary is and which phones it fits, read from its ELF header and symbols, not guessed."""

from __future__ import annotations

from typing import NamedTuple

from bench.errors import UsageError
from bench.runtime.elf import Elf, ElfError, exported_names, read_elf
from bench.runtime.official import Libc, Tool, known_version

# Every function that the runner can't do without; device_scripts/runner/litert.h has them too.
_CALLED = """
    AddOpaqueOptions CompiledModelGetProfiler CompiledModelIsFullyAccelerated
    CreateCompiledModel CreateEnvironment CreateManagedTensorBufferFromRequirements
    CreateModelFromFile CreateOpaqueOptions CreateOptions
    GetCompiledModelInputBufferRequirements GetCompiledModelOutputBufferRequirements
    GetCompiledModelOutputTensorLayouts GetModelSignature GetNumModelSignatures
    GetNumProfilerEvents GetNumSignatureInputs GetNumSignatureOutputs GetProfilerEvents
    GetRankedTensorType GetSignatureInputName GetSignatureInputTensorByIndex
    GetSignatureOutputName GetSignatureOutputTensorByIndex GetTensorBufferPackedSize
    LockTensorBuffer RunCompiledModel SetOptionsHardwareAccelerators StartProfiler StopProfiler
    UnlockTensorBuffer
"""
RUNNER_NEEDS = tuple(f"LiteRt{name}" for name in _CALLED.split())

# Functions that came with a release, newest first, found by comparing what the libraries of the
# Linux wheels 2.1.5, 2.1.6, 2.2.0 and 2.3.0 export. LiteRtCreateModelFromFile takes an environment
# since 2.1.6; its name is the same before, so only the company it keeps tells which one it is.
_FIRST_IN = (
    ("2.3.0", "LiteRtAppendMetric"),
    ("2.2.0", "LiteRtExternalLiteRtBufferContextGetRunOptions"),
    ("2.1.6", "LiteRtCreateModelFromFd"),
)
_NEEDED_VERSION = "bench needs libLiteRt.so of LiteRT 2.1.6 or newer."


class Examined(NamedTuple):
    """A binary that a phone of its kind can load."""

    tool: Tool
    abi: str
    libc: Libc
    version: str | None  # of a library that is known by its content
    at_least: str | None  # of any other, by what it exports


def examine(content: bytes, sha256: str, name: str) -> Examined:
    """What a file is; UsageError with the reason when no phone or no runner could use it."""
    try:
        elf = read_elf(content)
        if elf.interpreter is not None or not elf.position_independent:
            return _program(content, elf, name)
        return _library(exported_names(content), elf, sha256, name)
    except ElfError as error:
        raise UsageError(f"{name!r} is no binary for a phone.", next_step=error.what) from error


def _library(names: frozenset[str], elf: Elf, sha256: str, name: str) -> Examined:
    libc = _libc(elf, name)
    _refuse_text_relocations(elf, name)
    version = known_version(sha256)
    if version is None:
        _refuse_unfit_symbols(names, name)
    at_least = next((release for release, symbol in _FIRST_IN if symbol in names), None)
    return Examined("library", elf.abi, libc, version, at_least)


def _refuse_unfit_symbols(names: frozenset[str], name: str) -> None:
    if "LiteRtCreateEnvironment" not in names:
        older = "TfLiteInterpreterCreate" in names
        what = "TensorFlow Lite's older interface" if older else "another library"
        raise UsageError(
            f"{name!r} is not LiteRT 2 but {what}: it has no LiteRtCreateEnvironment.",
            next_step=_NEEDED_VERSION,
        )
    if _FIRST_IN[-1][1] not in names:
        raise UsageError(
            f"{name!r} is LiteRT older than 2.1.6: it has no {_FIRST_IN[-1][1]}. Its "
            "LiteRtCreateModelFromFile takes no environment, and would crash.",
            next_step=_NEEDED_VERSION,
        )
    lacking = [needed for needed in RUNNER_NEEDS if needed not in names]
    if lacking:
        raise UsageError(
            f"{name!r} lacks what the runner calls: {', '.join(lacking[:5])}.",
            next_step=_NEEDED_VERSION,
        )


def _program(content: bytes, elf: Elf, name: str) -> Examined:
    if b"num_runs" not in content or b"warmup_runs" not in content:
        raise UsageError(
            f"{name!r} is a program, but not benchmark_model.",
            next_step="Kept are libLiteRt.so, benchmark_model, and the .aar or .whl of LiteRT.",
        )
    if not elf.position_independent:
        raise UsageError(
            f"{name!r} is not position-independent, and Android starts no such program.",
            next_step="Build it with -fPIE -pie.",
        )
    _refuse_text_relocations(elf, name)
    libc = _libc(elf, name)
    linker = f"/system/bin/linker{'64' if elf.bits == 64 else ''}"
    if libc == "bionic" and elf.interpreter != linker:
        raise UsageError(
            f"{name!r} asks for the linker {elf.interpreter!r}; Android has {linker}.",
            next_step="Build it for Android.",
        )
    return Examined("benchmark_model", elf.abi, libc, None, None)


def _libc(elf: Elf, name: str) -> Libc:
    if elf.libc is None:
        raise UsageError(
            f"{name!r} needs neither Android's C library nor glibc, but: "
            f"{', '.join(elf.needed[:8]) or 'none'}.",
            next_step="Take a build for Android.",
        )
    return elf.libc


def _refuse_text_relocations(elf: Elf, name: str) -> None:
    if elf.text_relocations:
        raise UsageError(
            f"{name!r} has text relocations, which Android refuses since version 6.",
            next_step="Build it with -fPIC.",
        )
