"""Who used the processor while the runner sampled, from a /proc/stat and a clock of our own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from runners import arguments, document, run, run_fake, start

from bench.runtime import parse_document

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest")
A_SECOND = {"min_samples": "1", "max_samples": "100", "interval": "0"}  # of 10 ms
TEN_MS = {"FAKE_LATENCIES_NS": "10000000", "FAKE_CORES": "0.25"}


def stat(**ticks: int) -> str:
    values = " ".join(str(1000 + ticks.get(column, 0)) for column in COLUMNS)
    return f"cpu  {values} 0\ncpu0 {values} 0\nintr 12345\n"


def told_of(before: str, after: str, folder: Path, **fakes: str) -> Any:
    (folder / "stat.1").write_text(before)
    (folder / "stat.2").write_text(after)
    given = TEN_MS | {"FAKE_PROC": str(folder)} | fakes
    return run_fake(given, folder, usage="1", **A_SECOND)["usage"]


def test_the_time_of_sampling_is_told_by_three_clocks(tmp_path: Path) -> None:
    assert told_of(stat(), stat(user=50), tmp_path) == {
        "wall_us": 1e6,
        "own_us": 0.25e6,
        "busy_us": 50 * TICK_US,
    }


@pytest.mark.parametrize("column", COLUMNS)
def test_waiting_and_what_a_hypervisor_took_are_not_busy(column: str, tmp_path: Path) -> None:
    busy = told_of(stat(), stat(**{column: 90}), tmp_path)["busy_us"]
    assert busy == (
        90 * TICK_US if column in ("user", "nice", "system", "irq", "softirq") else 0.25e6
    )


@pytest.mark.parametrize("ticks", [0, 24, -500])
def test_everything_is_never_told_to_be_less_than_the_runner_itself(
    ticks: int, tmp_path: Path
) -> None:
    told = told_of(stat(), stat(user=ticks), tmp_path)
    assert told["busy_us"] == told["own_us"] == 0.25e6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cpu",
        "cpu  1 2 3\n",
        "cpu  1 2 3 4 x 6 7\n",
        "cpu0 1 2 3 4 5 6 7\n",
        "cpu  " + "9" * 500,
    ],
)
@pytest.mark.parametrize("which", ["before", "after"])
def test_counts_that_cannot_be_read_are_not_told(text: str, which: str, tmp_path: Path) -> None:
    before, after = (text, stat()) if which == "before" else (stat(), text)
    assert told_of(before, after, tmp_path) is None


def test_a_kernel_that_shows_no_counts_tells_none(tmp_path: Path) -> None:
    given = TEN_MS | {"FAKE_PROC": str(tmp_path)}
    assert run_fake(given, tmp_path, usage="1", **A_SECOND)["usage"] is None


def test_counts_of_less_than_half_a_second_are_not_told(tmp_path: Path) -> None:
    for latency, told in (("4990000", False), ("5000000", True)):
        usage = told_of(stat(), stat(user=99), tmp_path, FAKE_LATENCIES_NS=latency)
        assert (usage is not None) == told


def test_the_samples_are_the_same_with_and_without_it(tmp_path: Path) -> None:
    latencies = ",".join(str(10_000_000 + 7919 * n % 50_000) for n in range(300))
    given = {"FAKE_LATENCIES_NS": latencies}
    with_it, without = (
        run_fake(given, tmp_path, min_samples="30", max_samples="1000", usage=usage)
        for usage in "10"
    )
    assert with_it["samples_us"] == without["samples_us"]
    assert "usage" in with_it
    assert "usage" not in without


def test_of_a_real_run_the_runner_used_about_a_core(tmp_path: Path) -> None:
    more = {"interval": "0", "max_samples": "1000000", "max_seconds": "0.6"}
    usage = run(tiny_models.conv_net(), tmp_path, usage="1", **more)["usage"]
    assert usage["wall_us"] >= 600_000
    assert 0 < usage["own_us"] <= 1.05 * usage["wall_us"]
    assert usage["own_us"] <= usage["busy_us"] <= (os.cpu_count() or 1) * 1.05 * usage["wall_us"]


def test_it_becomes_a_part_of_the_measurement(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(tiny_models.conv_net())
    more = {"interval": "0", "max_samples": "1000000", "max_seconds": "0.6"}
    done = start(arguments(model, usage="1", **more))
    usage = parse_document(done.stdout, done.stderr, done.returncode).measurement.usage
    assert usage is not None
    assert usage.wall_us == document(done)["usage"]["wall_us"]
    assert usage.busy_us >= usage.own_us
