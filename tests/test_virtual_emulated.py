"""A virtual phone of arm64-v8a on an x86_64 computer: its programs run under qemu.

Slow programs are all that it shows of a phone's processor; nothing here looks at a latency.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import tiny_models
import virtual_adb
from runners import arguments, document, litert_of_pypi, require, run
from virtual_adb import Adb

from bench import runtime, virtual
from bench.errors import UsageError
from bench.virtual import VirtualPhone, emulation

TMP = "/data/local/tmp"
RUNNER = Path(runtime.__file__).parent / "bin" / "aarch64-linux-gnu" / "bench-runner"
WORLDS = virtual_adb.worlds()

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="nothing to emulate here")


@pytest.fixture(scope="module")
def _emulator() -> None:
    try:
        emulation.choose("arm64-v8a")
    except UsageError as error:
        require(False, error.what, str(error.next_step))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """libLiteRt.so of the aarch64 wheel, of the version that is installed here."""
    version = metadata.version("ai-edge-litert")
    return litert_of_pypi(version, "aarch64", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    with (
        pytest.MonkeyPatch.context() as patch,
        virtual_adb.server(virtual_adb.BUNDLED, tmp_path_factory.mktemp("home")) as running,
    ):
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("BENCH_VIRTUAL_FIDELITY", raising=False)
        yield running


@pytest.fixture(scope="module", params=WORLDS)
def phone(request: pytest.FixtureRequest, adb: Adb, _emulator: None) -> Iterator[VirtualPhone]:
    with adb.booted("flagship", fidelity=request.param, abi="arm64-v8a") as booted:
        yield booted


@on_x86
def test_an_arm64_phone_says_what_it_is_and_that_it_is_emulated(
    adb: Adb, phone: VirtualPhone
) -> None:
    assert (phone.abi, phone.emulated) == ("arm64-v8a", True)
    assert "no time taken on it is a latency" in " ".join(phone.notes)
    told = adb.out(phone, "getprop")
    for line in (
        "[ro.product.cpu.abi]: [arm64-v8a]",
        "[ro.product.cpu.abilist]: [arm64-v8a]",
        "[ro.bench.virtual.emulated]: [1]",
        "[ro.bench.virtual.libc]: [glibc]",
    ):
        assert f"{line}\n" in told
    assert "CPU implementer\t: 0x41" in adb.out(phone, "cat /proc/cpuinfo")


@on_x86
@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_the_arm64_runner_computes_on_the_phone_what_the_host_computes(
    adb: Adb, phone: VirtualPhone, library: Path, tmp_path: Path, delegate: str
) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(tiny_models.conv_net())
    for name, file in (("r", RUNNER), ("lib.so", library), ("net.tflite", model)):
        assert adb.run("-s", phone.serial, "push", str(file), f"{TMP}/x/{name}").returncode == 0
    given = arguments(f"{TMP}/x/net.tflite", library=f"{TMP}/x/lib.so", delegate=delegate)
    done = adb.shell(phone, f"echo $$ >&2;exec {TMP}/x/r {' '.join(given)}")
    assert done.returncode == 0, done
    told = document(done)
    here = run(tiny_models.conv_net(), tmp_path, delegate=delegate)
    assert told["abi"] == "arm64-v8a"
    assert told["inputs"] == here["inputs"]
    assert told["outputs"][0]["sum"] == pytest.approx(here["outputs"][0]["sum"], rel=1e-5)


@on_x86
def test_the_hosts_programs_run_beside_the_emulated_ones(adb: Adb, phone: VirtualPhone) -> None:
    adb.run("-s", phone.serial, "push", str(RUNNER), f"{TMP}/x/again")
    done = adb.shell(phone, f"FOO=1 taskset 1 {TMP}/x/again --contract=0 | wc -l; true")
    assert (done.stdout.split(), done.returncode) == ([b"1"], 0)


@on_x86
def test_a_phone_without_an_abi_runs_the_hosts_programs_by_itself(adb: Adb) -> None:
    with virtual.booted("small") as plain:
        assert (plain.abi, plain.emulated) == ("x86_64", False)


def test_what_emulation_lacks_is_named_with_the_packages_that_bring_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        emulation.choose(
            "arm64-v8a", machine="x86_64", path=str(tmp_path), libraries=str(tmp_path / "lib")
        )
    assert "qemu-aarch64-static" in refused.value.what
    assert "libstdc++.so.6" in refused.value.what
    for package in ("qemu-user-static", "libc6-arm64-cross", "libstdc++6-arm64-cross"):
        assert package in str(refused.value.next_step)


@pytest.mark.parametrize(
    ("machine", "abi", "message"),
    [
        ("x86_64", "armeabi-v7a", "x86_64 or arm64-v8a, not armeabi-v7a"),
        ("aarch64", "x86_64", "is arm64-v8a, not x86_64"),
    ],
)
def test_an_abi_that_cannot_be_run_is_refused(machine: str, abi: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        emulation.choose(abi, machine=machine)


@pytest.mark.parametrize(
    ("version", "cpu"),
    [
        ("6.2.0 (Debian 1:6.2+dfsg-2ubuntu6)", None),
        ("7.2.22 (Debian 1:7.2+dfsg-7)", "max,sme=off"),
        ("10.0.2", "max,sme=off"),
    ],
)
def test_a_qemu_plays_a_processor_without_the_instructions_that_it_gets_wrong(
    version: str, cpu: str | None, tmp_path: Path
) -> None:
    qemu = tmp_path / "qemu-aarch64-static"
    qemu.write_text(f"#!/bin/sh\necho 'qemu-aarch64 version {version}'\n")
    qemu.chmod(0o755)
    for name in emulation._NEEDED:
        (tmp_path / name).touch()
    found = emulation.choose(
        "arm64-v8a", machine="x86_64", path=str(tmp_path), libraries=str(tmp_path)
    )
    assert found is not None
    assert found.environment().get("QEMU_CPU") == cpu


def test_the_hosts_own_abi_needs_no_emulator(tmp_path: Path) -> None:
    for machine, abi in emulation.ABIS.items():
        assert emulation.choose(abi, machine=machine, path=str(tmp_path)) is None


@pytest.mark.parametrize(
    ("command", "led"),
    [
        ("@/r --a=@/r", "qemu @/r --a=@/r"),
        ("echo n $$ >&2;exec @/r", "echo n $$ >&2;exec qemu @/r"),
        ("A=1 B=@/x taskset 3 @/r; @/r|cat", "A=1 B=@/x taskset 3 qemu @/r; qemu @/r|cat"),
        ("ls @/r && cat @/r", "ls @/r && cat @/r"),
        ("@/script; @/missing; @/r.so.bak", "@/script; @/missing; @/r.so.bak"),
    ],
)
def test_an_emulator_is_put_before_programs_that_need_it_and_only_there(
    tmp_path: Path, command: str, led: str
) -> None:
    (tmp_path / "r").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\xb7\0more")
    (tmp_path / "script").write_bytes(b"#!/bin/sh\n")
    emulator = emulation.Emulator("arm64-v8a", "qemu", "/none")
    here = str(tmp_path)
    assert emulator.put_before_programs(command.replace("@", here)) == led.replace("@", here)
