"""Which binaries are found for which phone: the wheel, the cache, the user's own."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from runners import HOST_ABI, ROOT, host_binaries
from tiny_elf import tiny_elf

from bench import runtime
from bench.errors import RuntimeMissing
from bench.runtime import binaries
from bench.runtime.examine import RUNNER_NEEDS
from bench.runtime.official import OFFICIAL

LIBRARY = tiny_elf("arm64-v8a", content=bytes(5000))
TOOL = tiny_elf(
    interpreter="/system/bin/linker64", soname=None, exports=(), content=b"num_runs warmup_runs"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def runners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runners for every kind of phone."""
    folder = tmp_path / "bin"
    for target in binaries._FOLDERS.values():
        path = folder / target / "bench-runner"
        path.parent.mkdir(parents=True)
        path.write_bytes(f"runner for {target}".encode())
    monkeypatch.setattr(binaries, "RUNNERS", folder)
    return folder


def keep(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "some file"
    file.write_bytes(content)
    (kept,) = runtime.add(file)
    return Path(kept.path)


def test_a_glibc_phone_of_this_processor_gets_the_library_of_the_wheel() -> None:
    found = host_binaries()
    assert found.library.name == "libLiteRt.so"
    assert found.library.parent.name == "ai_edge_litert"
    assert found.library_sha256 == hashlib.sha256(found.library.read_bytes()).hexdigest()
    assert found.runner_sha256 == hashlib.sha256(found.runner.read_bytes()).hexdigest()
    assert found.library_version is not None
    assert found.identity.abi == HOST_ABI
    assert found.identity.sha256 == found.runner_sha256


def test_the_wheel_is_found_without_importing_litert() -> None:
    code = (
        "import sys; from bench import runtime; "
        f"runtime.find(({HOST_ABI!r},), 'glibc'); runtime.list_available(); "
        "assert not [m for m in sys.modules if m.startswith(('ai_edge_litert', 'numpy'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_functions_that_are_looked_for_are_those_that_the_runner_calls() -> None:
    header = (ROOT / "device_scripts" / "runner" / "litert.h").read_text()
    needed = header[: header.index("#define LITERT_FUNCTIONS_OF_PROFILES")]
    called = re.findall(r"X\(LiteRtStatus, (\w+),", needed)
    assert {f"LiteRt{name}" for name in called} == set(RUNNER_NEEDS)


def test_a_phone_that_does_not_tell_its_c_library_is_an_android_one(runners: Path) -> None:
    with pytest.raises(RuntimeMissing, match=r"arm64-v8a \(Android\)"):
        runtime.find(("arm64-v8a",), None)


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86_64"])
def test_what_lacks_for_android_is_named_with_address_hash_and_commands(
    abi: str, runners: Path
) -> None:
    with pytest.raises(RuntimeMissing) as caught:
        runtime.find((abi, "armeabi"), "bionic")
    message = str(caught.value)
    assert message.startswith(f"No libLiteRt.so for {abi} (Android) is at hand.")
    assert f"bench runtime fetch {abi}." in message
    assert "bench runtime add FILE" in message
    official = OFFICIAL["library", abi, "bionic"]
    assert official.address in message
    assert official.sha256 is not None
    assert official.sha256 in message


def test_a_linux_phone_of_another_processor_is_told_how_to_get_its_library(
    runners: Path,
) -> None:
    other = {"x86_64": "arm64-v8a", "arm64-v8a": "x86_64"}[HOST_ABI]
    with pytest.raises(RuntimeMissing, match=f"bench runtime fetch {other} --libc glibc"):
        runtime.find((other,), "glibc")


def test_where_nothing_official_is_known_the_user_is_asked_for_a_file(runners: Path) -> None:
    with pytest.raises(RuntimeMissing, match="Keep one of your own with: bench runtime add FILE"):
        runtime.find(("x86",), "bionic")
    with pytest.raises(RuntimeMissing, match=r"No benchmark_model for x86_64 \(Android\)"):
        runtime.find_benchmark_model(("x86_64",), "bionic")


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"])
def test_an_added_library_is_found(abi: str, runners: Path, tmp_path: Path) -> None:
    content = tiny_elf(abi)
    kept = keep(tmp_path, content)
    found = runtime.find((abi,), "bionic")
    assert (found.library, found.abi) == (kept, abi)
    assert found.identity.library_sha256 == hashlib.sha256(content).hexdigest()
    assert (found.library_source, found.library_version) == ("added", None)
    assert found.runner.parent.name.endswith("-linux-android")


def test_an_added_library_for_glibc_goes_before_the_wheels(tmp_path: Path) -> None:
    kept = keep(tmp_path, tiny_elf(HOST_ABI, needed=("libc.so.6",)))
    assert runtime.find((HOST_ABI,), "glibc").library == kept


def test_only_the_abi_of_the_phones_own_processor_is_measured(
    runners: Path, tmp_path: Path
) -> None:
    """What follows in the list runs in translation or with half the bits."""
    keep(tmp_path, tiny_elf("armeabi-v7a"))
    with pytest.raises(RuntimeMissing, match="arm64-v8a"):
        runtime.find(("arm64-v8a", "armeabi-v7a"), "bionic")
    assert runtime.find(("armeabi-v7a", "armeabi"), "bionic").abi == "armeabi-v7a"
    assert runtime.find(("mips", "armeabi-v7a"), "bionic").abi == "armeabi-v7a"


@pytest.mark.parametrize("abis", [(), ("armeabi", "mips64")])
def test_a_phone_without_a_known_abi_has_no_runner(abis: tuple[str, ...]) -> None:
    known = r"arm64-v8a, armeabi-v7a, x86_64, x86\."
    with pytest.raises(RuntimeMissing, match=rf"bench has runners for: {known}"):
        runtime.find(abis, "bionic")


def test_no_runner_is_for_32_bits_with_glibc() -> None:
    with pytest.raises(RuntimeMissing, match=r"With glibc bench has .*: arm64-v8a, x86_64\."):
        runtime.find(("armeabi-v7a",), "glibc")


def test_a_runner_that_is_not_built_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "RUNNERS", tmp_path)
    with pytest.raises(RuntimeMissing, match=r"python hatch_build\.py"):
        runtime.find((HOST_ABI,), "glibc")


def test_a_runner_of_another_version_is_told_before_it_reaches_a_phone(
    runners: Path, tmp_path: Path
) -> None:
    keep(tmp_path, LIBRARY)
    record = runners / "aarch64-linux-android" / "build.json"
    record.write_text(json.dumps({"version": "0.0.1", "sha256": "any"}))
    with pytest.raises(RuntimeMissing, match=r"was built from bench 0\.0\.1, this is") as caught:
        runtime.find(("arm64-v8a",), "bionic")
    assert "python hatch_build.py" in str(caught.value)
    record.write_text("{")
    assert runtime.find(("arm64-v8a",), "bionic").abi == "arm64-v8a"


def test_a_damaged_cache_counts_as_none(runners: Path, tmp_path: Path) -> None:
    kept = keep(tmp_path, LIBRARY)
    kept.write_bytes(LIBRARY[:-1])
    with pytest.raises(RuntimeMissing):
        runtime.find(("arm64-v8a",), "bionic")
    kept.write_bytes(LIBRARY)
    (kept.parent / "libLiteRt.so.json").write_text("{")
    with pytest.raises(RuntimeMissing):
        runtime.find(("arm64-v8a",), "bionic")


def test_benchmark_model_is_found_beside_the_library(runners: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeMissing, match="bench runtime fetch arm64-v8a --tool benchmark_model"
    ):
        runtime.find_benchmark_model(("arm64-v8a",), None)
    tool, library = keep(tmp_path, TOOL), keep(tmp_path, LIBRARY)
    found = runtime.find_benchmark_model(("arm64-v8a", "armeabi-v7a"), None)
    assert (Path(found.path), found.source) == (tool, "added")
    assert found.sha256 == hashlib.sha256(TOOL).hexdigest()
    assert tool.stat().st_mode & 0o111
    assert runtime.find(("arm64-v8a",), "bionic").library == library


def test_the_list_names_every_kind_of_phone(runners: Path, tmp_path: Path) -> None:
    keep(tmp_path, LIBRARY)
    keep(tmp_path, TOOL)
    keep(tmp_path, tiny_elf("x86_64", align=4096))
    rows = {(row.abi, row.libc): row for row in runtime.list_available()}
    assert len(rows) == 8
    arm64 = rows["arm64-v8a", "bionic"]
    assert (arm64.source, arm64.library_version, arm64.library_at_least) == ("added", None, "2.2.0")
    assert (arm64.benchmark_model_source, arm64.library_16k_pages) == ("added", True)
    assert rows["x86_64", "bionic"].library_16k_pages is False
    assert rows["x86", "bionic"].library is None
    assert rows[HOST_ABI, "glibc"].source == "wheel"
    assert {key for key, row in rows.items() if row.runner is None} == {
        ("armeabi-v7a", "glibc"),
        ("x86", "glibc"),
    }
    assert {key for key, row in rows.items() if not row.library_official} == {
        ("x86", "bionic"),
        ("x86", "glibc"),
        ("armeabi-v7a", "glibc"),
    }
