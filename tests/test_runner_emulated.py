"""The runners for other processors, under qemu-user, with glibc behind a shim in bionic's place.

This checks what a phone would load and run of our own: layout, relocations, entry point, calls,
the layouts of LiteRT's structures on 32 bit. It doesn't check bionic, SELinux or LiteRT's own
Android builds; latencies under qemu mean nothing.

The 64-bit ARM runner runs the LiteRT of the aarch64 wheel on PyPI; for 32 bit there is no LiteRT
for Linux, so the fake of it stands in, compiled with the same calling convention as on Android.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tiny_models
from runners import (
    ROOT,
    arguments,
    bionic_shims,
    compile_library,
    document,
    litert_of_pypi,
    load_hatch_build,
    require,
    run,
)

from bench.errors import RunnerError
from bench.runtime import judge_self_test, parse_document, self_test_argv, self_test_model
from bench.runtime.inputs import seeded_input


class Machine(NamedTuple):
    """A processor that qemu plays: its runner, and the glibc of Debian's cross packages."""

    abi: str
    runner: str
    qemu: str
    zig: str
    glibc: str
    loader: str

    @property
    def libraries(self) -> Path:
        return Path("/usr") / self.glibc / "lib"


ARM64 = Machine(
    "arm64-v8a",
    "aarch64-linux-android",
    "qemu-aarch64-static",
    "aarch64-linux-gnu",
    "aarch64-linux-gnu",
    "ld-linux-aarch64.so.1",
)
# armel, not armhf: Android's armeabi-v7a passes floats in core registers, as armel does.
ARM = Machine(
    "armeabi-v7a",
    "arm-linux-android",
    "qemu-arm-static",
    "arm-linux-gnueabi",
    "arm-linux-gnueabi",
    "ld-linux.so.3",
)
X86 = Machine(
    "x86",
    "i686-linux-android",
    "qemu-i386-static",
    "x86-linux-gnu",
    "i686-linux-gnu",
    "ld-linux.so.2",
)
MACHINES = {machine.abi: machine for machine in (ARM64, ARM, X86)}
CORE = """\
processor\t: {}
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""


class Emulated:
    """The Android runner of a machine, ready to be started."""

    def __init__(self, machine: Machine, folder: Path, library: Path, preload: bool) -> None:
        self._machine = machine
        self.library = library
        self._shims = bionic_shims(folder / "shims", machine.zig)
        self._preload = ["--preload", str(library)] if preload else []
        # LiteRT reads /proc/cpuinfo, and crashes on what it says of another processor.
        (folder / "root" / "proc").mkdir(parents=True)
        (folder / "root" / "proc" / "cpuinfo").write_text(
            "".join(CORE.format(core) for core in range(os.cpu_count() or 1))
        )
        (folder / "root" / "lib").symlink_to(machine.libraries)
        self._root = folder / "root"
        build = load_hatch_build()
        target = next(t for t in build.TARGETS if t.name == machine.runner)
        self.runner = build.build(ROOT, target, folder / "built")

    def start(self, given: list[str], **fakes: str) -> subprocess.CompletedProcess[bytes]:
        loader = [str(self._machine.libraries / self._machine.loader), *self._preload]
        paths = f"{self._shims}:{self._machine.libraries}"
        return subprocess.run(
            [self._machine.qemu, *loader, "--library-path", paths, str(self.runner), *given],
            env=os.environ | {"QEMU_LD_PREFIX": str(self._root)} | fakes,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def run(self, model: bytes, folder: Path, **more: str) -> dict[str, Any]:
        path = folder / "model.tflite"
        path.write_bytes(model)
        done = self.start(arguments(path, library=self.library, **more))
        assert done.returncode == 0, done.stdout + done.stderr
        return document(done)

    def start_fake(
        self, folder: Path, fakes: dict[str, str], **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        path = folder / "model.tflite"
        path.write_bytes(b"any")
        return self.start(arguments(path, library=self.library, **more), **fakes)

    def run_fake(self, folder: Path, fakes: dict[str, str], **more: str) -> dict[str, Any]:
        return document(self.start_fake(folder, fakes, **more))


@pytest.fixture(scope="module")
def machine_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Emulated machines by ABI, each with the fake LiteRT, made once."""

    @functools.cache
    def make(abi: str) -> Emulated:
        machine = MACHINES[abi]
        require(shutil.which(machine.qemu) is not None, machine.qemu)
        require((machine.libraries / machine.loader).exists(), f"the glibc of {machine.glibc}")
        folder = tmp_path_factory.mktemp(abi)
        library = folder / "libLiteRt.so"
        fake = ROOT / "tests" / "fake_litert" / "fake_litert.c"
        compile_library(fake, library, target=machine.zig)
        return Emulated(machine, folder, library, preload=True)

    return make


@pytest.fixture(scope="module")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """64-bit ARM with LiteRT itself."""
    require(shutil.which(ARM64.qemu) is not None, ARM64.qemu)
    require((ARM64.libraries / "libstdc++.so.6").exists(), "the C++ library of aarch64-linux-gnu")
    version = metadata.version("ai-edge-litert")
    library = litert_of_pypi(version, "aarch64", tmp_path_factory.mktemp("wheel"))
    return Emulated(ARM64, tmp_path_factory.mktemp("arm64"), library, preload=False)


# On LiteRT itself


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_the_arm64_runner_computes_what_this_machine_computes(
    delegate: str, arm64: Emulated, tmp_path: Path
) -> None:
    told = arm64.run(tiny_models.partly_delegated(), tmp_path, delegate=delegate)
    here = run(tiny_models.partly_delegated(), tmp_path, delegate=delegate)
    assert (told["abi"], told["delegation"]) == ("arm64-v8a", here["delegation"])
    assert told["inputs"] == here["inputs"]
    assert told["outputs"][0]["sum"] == pytest.approx(here["outputs"][0]["sum"], rel=1e-5)


def test_the_arm64_runner_profiles(arm64: Emulated, tmp_path: Path) -> None:
    ops = arm64.run(tiny_models.partly_delegated(), tmp_path, profile="2")["profile"]["ops"]
    assert [op["delegate"] for op in ops] == ["xnnpack", "builtin", "xnnpack"]
    assert ops[1]["name"] == "reversed"


def test_the_arm64_runner_computes_integers_bit_for_bit(arm64: Emulated, tmp_path: Path) -> None:
    told = arm64.run(tiny_models.int8_net(), tmp_path, delegate="none")
    assert told["outputs"] == run(tiny_models.int8_net(), tmp_path, delegate="none")["outputs"]


def test_the_arm64_runner_passes_the_self_test(arm64: Emulated, tmp_path: Path) -> None:
    model = tmp_path / "self test.tflite"
    model.write_bytes(self_test_model())
    given = self_test_argv(runner=str(arm64.runner), library=str(arm64.library), model=str(model))
    done = arm64.start(given[1:])
    assert judge_self_test(done.stdout, done.stderr, done.returncode) is None


# On the fake, every processor


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_starts_times_and_says_what_it_is(
    abi: str, machine_of: Any, tmp_path: Path
) -> None:
    fakes = {"FAKE_LATENCIES_NS": "1234567,5000000000,1"}
    told = machine_of(abi).run_fake(tmp_path, fakes)
    assert (told["abi"], told["status"]) == (abi, "ok")
    assert told["first_inference_us"] == 1234.567
    assert told["samples_us"] == [5000000, 0.001, 0.001]  # 5 s: more than 32 bits of nanoseconds
    assert told["memory"]["peak_kb"] > 0
    assert int(told["cpu_mask"], 16) > 0


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_reads_the_events_of_a_profile(
    abi: str, machine_of: Any, tmp_path: Path
) -> None:
    fakes = {"FAKE_DELEGATION": "1,8,2", "FAKE_ELAPSED_US": "1,20,30"}
    told = machine_of(abi).run_fake(tmp_path, fakes, profile="2")
    assert [(op["mean_us"], op["delegate"]) for op in told["profile"]["ops"]] == [
        (20, "xnnpack"),
        (30, "builtin"),
    ]
    assert told["delegation"] == "partial"


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_reads_memory_and_ticks(abi: str, machine_of: Any, tmp_path: Path) -> None:
    proc = tmp_path / "self"
    proc.mkdir()
    (proc / "smaps").write_text("0-1 r-xp\nPss: 3000000 kB\n1-2 r-xp\nPss: 4 kB\n")
    (proc / "status").write_text("VmHWM:\t 5 kB\n")
    for when, user in (("1", 10_000_000_000), ("2", 10_000_000_077)):  # more than 32 bits
        (tmp_path / f"stat.{when}").write_text(f"cpu  {user} 0 0 0 0 0 0 0 0 0\n")
    fakes = {"FAKE_PROC": str(tmp_path), "FAKE_CORES": "0.125", "FAKE_LATENCIES_NS": "1000000000"}
    told = machine_of(abi).run_fake(tmp_path, fakes, memory="2")
    assert told["memory_pass"]["steady"] == {"peak_kb": 5, "pss_kb": 3000004}
    usage = machine_of(abi).run_fake(tmp_path, fakes, usage="1")["usage"]
    assert usage == {"wall_us": 3e6, "own_us": 375e3, "busy_us": 770e3}


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_hands_litert_its_options(abi: str, machine_of: Any, tmp_path: Path) -> None:
    stderr = machine_of(abi).start_fake(tmp_path, {}, threads="3", profile="1").stderr.decode()
    assert "INFO: environment: 24 = 1 of type 2\nINFO: environment: 25 = 3 of type 2\n" in stderr
    assert "xnnpack: num_threads = 3\n" in stderr
    assert "runtime_options_string: enable_profiling = true\n" in stderr


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_reads_shapes_and_fills_inputs(
    abi: str, machine_of: Any, tmp_path: Path
) -> None:
    told = machine_of(abi).run_fake(tmp_path, {"FAKE_INPUTS": "1"}, seed="4294967295")
    (tensor,) = told["inputs"]
    assert (tensor["type"], tensor["shape"], tensor["bytes"]) == ("float32", [2, 3], 24)
    values = seeded_input((2, 3), np.float32, 4294967295, 0)
    assert tensor["crc32"] == f"{zlib.crc32(values.tobytes()):08x}"


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_writes_its_outputs(abi: str, machine_of: Any, tmp_path: Path) -> None:
    file = tmp_path / "outputs"
    file.write_bytes(b"older and longer than what comes now")
    fakes = {"FAKE_INPUTS": "1", "FAKE_OUTPUTS": "1"}
    machine_of(abi).run_fake(tmp_path, fakes, outputs=str(file))
    assert file.read_bytes() == seeded_input((2, 3), np.float32, 1, 0).tobytes()


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_refuses_by_name(abi: str, machine_of: Any) -> None:
    done = machine_of(abi).start(
        ["--contract=1", "--library=/no/l.so", "--model=/m", "--threads=65"]
    )
    with pytest.raises(RunnerError, match="whole number from 1 to 64"):
        parse_document(done.stdout, done.stderr, done.returncode)


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_every_runner_says_what_the_loader_said(abi: str, machine_of: Any) -> None:
    done = machine_of(abi).start(["--contract=1", "--library=/no/l.so", "--model=/m"])
    with pytest.raises(RunnerError, match=r"can't be opened: .*/no/l\.so"):
        parse_document(done.stdout, done.stderr, done.returncode)
