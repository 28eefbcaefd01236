"""The memory after each step: from a /proc of our own, and of LiteRT on this machine."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from runners import run, run_fake

STEPS = ["baseline", "load", "compile", "first", "steady"]

# One mapping in a kernel's smaps: names that look like the line that counts, and almost do.
MAPPING = """\
5581a000-5581b000 r-xp 00000000 fe:05 12 /data/local/tmp/{name} Pss: 5 kB
Size:                  4 kB
Rss:                   4 kB
Pss:            {pss:8} kB
Pss_Dirty:           100 kB
SwapPss:             100 kB
VmFlags: rd ex mr mw me dw
"""


def proc(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """FAKE_PROC with these files of the runner's own process."""
    (folder / "self").mkdir()
    for name, text in files.items():
        (folder / "self" / name).write_text(text)
    return {"FAKE_PROC": str(folder)}


def steps(told: dict[str, Any], which: str) -> list[int | None]:
    assert list(told["memory_pass"]) == STEPS
    return [told["memory_pass"][step][which] for step in STEPS]


# What is read


def test_each_step_reads_both_numbers_anew(tmp_path: Path) -> None:
    """The status is read for `memory` as well: first, after compiling, and last."""
    status = {f"status.{n}": f"Name:\tx\nVmHWM:\t{100 + n:8} kB\nVmRSS: 1\n" for n in range(1, 9)}
    rollup = {f"smaps_rollup.{n}": f"0-1 [rollup]\nPss: {50 + n} kB\n" for n in range(1, 6)}
    told = run_fake(proc(tmp_path, status | rollup), tmp_path, memory="3")
    assert steps(told, "peak_kb") == [102, 103, 105, 106, 107]
    assert steps(told, "pss_kb") == [51, 52, 53, 54, 55]
    assert list(told["memory"].values()) == [101, 104, 108]


def test_without_a_rollup_its_parts_are_added_up_wherever_a_reading_ends(tmp_path: Path) -> None:
    parts = [MAPPING.format(name="Pss:" * (n % 97), pss=n * 1000) for n in range(3000)]
    told = run_fake(proc(tmp_path, {"smaps": "".join(parts)}), tmp_path, memory="1")
    assert steps(told, "pss_kb") == [sum(range(3000)) * 1000] * 5


@pytest.mark.parametrize(
    "text", ["", "0-1 [rollup]\nRss: 5 kB\n", "Pss:\n", "Pss: kB\n", "pss: 5\n"]
)
def test_a_sum_that_is_not_there_is_null(text: str, tmp_path: Path) -> None:
    told = run_fake(proc(tmp_path, {"smaps_rollup": text, "smaps": text}), tmp_path, memory="1")
    assert steps(told, "pss_kb") == [None] * 5


def test_a_kernel_that_shows_nothing_tells_nothing(tmp_path: Path) -> None:
    told = run_fake(proc(tmp_path, {}), tmp_path, memory="1")
    assert told["status"] == "ok"
    assert steps(told, "pss_kb") == steps(told, "peak_kb") == [None] * 5


# What is run


def test_the_samples_are_the_inferences_that_it_took_to_be_steady(tmp_path: Path) -> None:
    given = {"FAKE_LATENCIES_NS": "7000,5000,4000,3000"}
    told = run_fake(given, tmp_path, memory="3", warmup_max_seconds="5", interval="0.5")
    assert told["first_inference_us"] == 7
    assert (told["warmup_us"], told["samples_us"]) == ([], [5, 4, 3])
    assert told["stopped_by"] == "max_samples"


def test_a_slow_model_is_steady_when_the_time_is_up(tmp_path: Path) -> None:
    given = {"FAKE_LATENCIES_NS": "1000000000"}
    told = run_fake(given, tmp_path, memory="10000", max_seconds="4")
    assert (len(told["samples_us"]), told["stopped_by"]) == (4, "max_seconds")


def test_without_a_memory_pass_there_is_none(tmp_path: Path) -> None:
    assert "memory_pass" not in run_fake({}, tmp_path)


# What LiteRT takes


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A memory pass over a model that needs 12 MB for the largest of its tensors."""
    model = tiny_models.conv_net(size=224, channels=64, layers=4)
    return run(model, tmp_path_factory.mktemp("model"), memory="5")


def test_memory_grows_with_every_step_until_it_is_steady(told: dict[str, Any]) -> None:
    peak, pss = steps(told, "peak_kb"), steps(told, "pss_kb")
    for numbers in (peak, pss):
        baseline, load, compiled, first, steady = numbers
        assert baseline < load < compiled < first
        assert abs(steady - first) < first / 10
    assert pss[2] - pss[1] > 224 * 224 * 64 * 4 / 1024


def test_a_share_is_no_more_than_the_whole(told: dict[str, Any]) -> None:
    batch_kb = 64 * mmap.PAGESIZE // 1024  # the kernel counts what is resident in batches
    for peak, pss in zip(steps(told, "peak_kb"), steps(told, "pss_kb"), strict=True):
        assert 0 < pss <= peak + 2 * batch_kb


def test_the_runner_by_itself_takes_little_and_shares_some_of_it(told: dict[str, Any]) -> None:
    assert steps(told, "pss_kb")[0] < steps(told, "peak_kb")[0] < 4096


def test_the_rollup_and_the_sum_of_its_parts_agree(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "self").mkdir(parents=True)
    for name in ("status", "smaps"):
        (hidden / "self" / name).symlink_to(f"/proc/self/{name}")
    rolled = run_fake({}, tmp_path, memory="1")
    summed = run_fake({"FAKE_PROC": str(hidden)}, tmp_path, memory="1")
    for one, other in zip(steps(rolled, "pss_kb"), steps(summed, "pss_kb"), strict=True):
        assert one == pytest.approx(other, abs=300)
