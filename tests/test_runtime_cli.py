"""bench runtime list, fetch and add, as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_elf import tiny_elf

from bench.runtime.official import SETTINGS


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and official addresses where nobody listens."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for setting in SETTINGS.values():
        monkeypatch.setenv(setting, "http://127.0.0.1:1/")
        monkeypatch.delenv("http_proxy", raising=False)


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from bench.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "runtime", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_list_says_what_is_at_hand_and_what_can_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "own.so").write_bytes(tiny_elf("x86_64"))
    assert bench("add", str(tmp_path / "own.so")).returncode == 0
    lines = bench("list").stdout.splitlines()
    assert lines[0].split() == ["ABI", "libc", "runner", "LiteRT", "benchmark_model", "kept", "in"]
    (arm64,) = [line for line in lines if line.startswith("arm64-v8a") and "bionic" in line]
    assert arm64.count("to be fetched") == 2
    (x86_64,) = [line for line in lines if line.startswith("x86_64") and "bionic" in line]
    assert "2.2.0 or newer (added)" in x86_64
    assert max(map(len, lines)) <= 130


def test_the_list_in_json_has_every_kind_of_phone() -> None:
    rows = json.loads(bench("list", "--json").stdout)
    assert len(rows) == 8
    assert {"abi", "libc", "runner", "library", "library_sha256", "source"} <= set(rows[0])


def test_several_files_are_kept_at_once_and_told(tmp_path: Path) -> None:
    for abi in ("arm64-v8a", "x86"):
        (tmp_path / abi).write_bytes(tiny_elf(abi))
    done = bench("add", "--json", str(tmp_path / "arm64-v8a"), str(tmp_path / "x86"))
    assert [row["abi"] for row in json.loads(done.stdout)] == ["arm64-v8a", "x86"]


def test_what_was_kept_before_a_refusal_is_told(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(tiny_elf())
    (tmp_path / "bad").write_bytes(b"junk")
    done = bench("add", str(tmp_path / "good"), str(tmp_path / "bad"))
    assert done.returncode == 1
    assert done.stdout.startswith("Kept: ")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("tool", "file"),
    [
        ("library", "libLiteRt.so"),
        ("benchmark_model", "benchmark_model"),
        ("all", "libLiteRt.so"),
    ],
)
def test_without_a_network_one_error_says_what_to_do_by_hand(tool: str, file: str) -> None:
    done = bench("fetch", "arm64-v8a", "--tool", tool)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"http://127.0.0.1:1/android_arm64/{file} was not fetched" in done.stderr
    assert "bench runtime add FILE" in done.stderr


def test_a_tool_that_is_none_is_refused() -> None:
    done = bench("fetch", "arm64-v8a", "--tool", "both")
    assert "--tool is library, benchmark_model or all, not 'both'" in done.stderr
    assert done.returncode != 0
