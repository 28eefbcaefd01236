"""When the runner warms up, and when it stops: on a fake LiteRT under a fake clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from runners import run_fake

from bench import stats

Series = Callable[[random.Random], list[int]]
MS = 1_000_000
FREE = {"min-samples": "30", "max-samples": "100000"}


def fake(latencies_ns: list[int], cycle: bool = False) -> dict[str, str]:
    given = {"FAKE_LATENCIES_NS": ",".join(map(str, latencies_ns))}
    return given | ({"FAKE_CYCLE": "1"} if cycle else {})


def flattens_after(latencies_ns: list[int], max_ns: int) -> int:
    """Jetpack's warm-up rule, written once more."""
    fast = slow = 0.0
    elapsed = close = 0
    for count, latency in enumerate(latencies_ns, 1):
        fast = latency if count == 1 else 0.1 * latency + 0.9 * fast
        slow = latency if count == 1 else 0.005 * latency + 0.995 * slow
        close = close + 1 if 0.96 < fast / slow < 1.04 else 0
        elapsed += latency
        if elapsed >= max_ns or (count >= 30 and elapsed >= 250 * MS and close > 40):
            return count
    raise AssertionError("the list is too short")


def first_narrow_look(samples: list[float], interval: float, at_least: int) -> int:
    """Where the host's own statistics would stop; all samples if nowhere."""
    look = at_least
    while look <= len(samples):
        half_width = stats.half_width_share(samples[:look])
        long_enough = sum(samples[:look]) >= 500_000
        if long_enough and half_width is not None and half_width <= interval:
            return look
        look += look // 10 + 1
    return len(samples)


def independent(rng: random.Random) -> list[int]:
    return [int(10 * MS * rng.lognormvariate(0, 0.15)) for _ in range(6000)]


def autoregressive(rng: random.Random) -> list[int]:
    """Each sample remembers 80 % of the one before."""
    state, out = 0.0, []
    for _ in range(14_000):
        state = 0.8 * state + rng.gauss(0, 0.6)
        out.append(int(10 * MS * math.exp(0.05 * state)))
    return out


def coarse(rng: random.Random) -> list[int]:
    """Few values, many of them at the median, in bursts."""
    out: list[int] = []
    while len(out) < 5000:
        out += [10 * MS + rng.choice([-200_000, 0, 0, 0, 200_000])] * rng.randint(1, 9)
    return out


def test_the_first_inference_is_timed_apart(tmp_path: Path) -> None:
    told = run_fake(fake([7 * MS, 5 * MS, 3 * MS, 2 * MS]), tmp_path)
    assert told["first_inference_us"] == 7000
    assert told["warmup_us"] == []
    assert told["samples_us"] == [5000, 3000, 2000]


def test_latencies_keep_their_nanoseconds(tmp_path: Path) -> None:
    told = run_fake(fake([1, 1_234_567, 1_000_001, 999]), tmp_path)
    assert told["first_inference_us"] == 0.001
    assert told["samples_us"] == [1234.567, 1000.001, 0.999]


def test_no_warm_up_where_none_is_asked(tmp_path: Path) -> None:
    assert run_fake({}, tmp_path, warmup_max_seconds="0")["warmup_us"] == []


def test_warm_up_ends_when_the_latency_has_flattened(tmp_path: Path) -> None:
    falling = [int(MS * (1 + 4 * 0.97**i)) for i in range(1000)]
    told = run_fake(fake(falling), tmp_path, warmup_max_seconds="60")
    assert len(told["warmup_us"]) == flattens_after(falling[1:], 60_000 * MS)
    assert 100 < len(told["warmup_us"]) < 1000
    assert told["samples_us"][0] == falling[len(told["warmup_us"]) + 1] / 1000


def test_a_flat_latency_is_warm_after_250_ms(tmp_path: Path) -> None:
    told = run_fake(fake([2 * MS]), tmp_path, warmup_max_seconds="60")
    assert len(told["warmup_us"]) == 125


def test_a_latency_that_keeps_swinging_is_warmed_until_the_time_is_up(tmp_path: Path) -> None:
    swinging = ([MS] * 30 + [3 * MS] * 30) * 30
    told = run_fake(fake(swinging), tmp_path, warmup_max_seconds="1.5")
    assert len(told["warmup_us"]) == flattens_after(swinging[1:], 1500 * MS)
    assert sum(told["warmup_us"]) >= 1_500_000


def test_sampling_stops_at_the_first_look_when_all_agree(tmp_path: Path) -> None:
    told = run_fake(fake([20 * MS]), tmp_path, **FREE)
    assert told["stopped_by"] == "interval"
    assert len(told["samples_us"]) == 30


def test_sampling_goes_on_for_half_a_second_however_well_all_agree(tmp_path: Path) -> None:
    told = run_fake(fake([MS]), tmp_path, **FREE)
    assert told["stopped_by"] == "interval"
    assert 500 <= len(told["samples_us"]) < 550


@pytest.mark.parametrize("interval", [0.05, 0.02, 0.01])
@pytest.mark.parametrize("at_least", [1, 30])
@pytest.mark.parametrize("series", [independent, autoregressive, coarse])
@pytest.mark.parametrize("seed", range(2))
def test_sampling_stops_where_the_hosts_statistics_call_the_median_known(
    interval: float, at_least: int, series: Series, seed: int, tmp_path: Path
) -> None:
    latencies = series(random.Random(seed))
    most = len(latencies) - 1
    told = run_fake(
        fake(latencies),
        tmp_path,
        interval=str(interval),
        min_samples=str(at_least),
        max_samples=str(most),
        max_seconds="3600",
    )
    samples = [latency / 1000 for latency in latencies[1:]]
    assert len(told["samples_us"]) == first_narrow_look(samples, interval, at_least)
    assert (told["stopped_by"] == "interval") == (len(told["samples_us"]) < most)


def test_samples_that_drift_are_not_taken_for_precise(tmp_path: Path) -> None:
    drifting = [MS + 400 * n for n in range(1001)]  # 40 % in all
    told = run_fake(fake(drifting), tmp_path, min_samples="200", max_samples="1000")
    assert told["stopped_by"] == "max_samples"
    shuffled = random.Random(1).sample(drifting, len(drifting))
    assert stats.half_width_share([latency / 1000 for latency in drifting]) > 0.15
    assert stats.half_width_share([latency / 1000 for latency in shuffled]) < 0.02


def test_bursts_take_longer_than_as_many_scattered_samples(tmp_path: Path) -> None:
    rng = random.Random(5)
    bursts: list[int] = []
    while len(bursts) < 5000:
        level = rng.gauss(0, 0.05)
        bursts += [int(10 * MS * math.exp(level + rng.gauss(0, 0.01))) for _ in range(20)]
    scattered = rng.sample(bursts, len(bursts))
    taken = [
        len(run_fake(fake(series), tmp_path, max_samples="5000", max_seconds="600",
                     min_samples="30")["samples_us"])
        for series in (bursts, scattered)
    ]  # fmt: skip
    assert taken[0] > 4 * taken[1]


def test_two_modes_far_apart_never_count_as_narrow(tmp_path: Path) -> None:
    told = run_fake(fake([MS, 2 * MS], cycle=True), tmp_path, min_samples="10", max_samples="500")
    assert told["stopped_by"] == "max_samples"
    assert len(told["samples_us"]) == 500


def test_an_interval_of_zero_runs_to_the_limit(tmp_path: Path) -> None:
    told = run_fake(fake([MS]), tmp_path, interval="0", min_samples="1", max_samples="77")
    assert told["stopped_by"] == "max_samples"
    assert len(told["samples_us"]) == 77


def test_sampling_stops_when_the_time_is_up(tmp_path: Path) -> None:
    told = run_fake(fake([MS, 2 * MS], cycle=True), tmp_path, max_seconds="0.3", **FREE)
    assert told["stopped_by"] == "max_seconds"
    assert len(told["samples_us"]) == 200


def test_one_sample_is_taken_however_little_time_there_is(tmp_path: Path) -> None:
    told = run_fake(fake([MS]), tmp_path, max_seconds="0.000000001", **FREE)
    assert told["stopped_by"] == "max_seconds"
    assert len(told["samples_us"]) == 1


def test_a_million_samples_are_printed_whole(tmp_path: Path) -> None:
    told = run_fake(fake([MS]), tmp_path, interval="0", max_seconds="3600", max_samples="1000000")
    assert len(told["samples_us"]) == 1_000_000
    assert told["memory"]["peak_kb"] < 8 * 1_000_000 / 1024 + 4096


@pytest.mark.parametrize(
    ("events", "told"), [("8,2", "partial"), ("2,1", "none"), ("8", "partial")]
)
def test_a_profile_tells_partial_delegation_from_none(
    events: str, told: str, tmp_path: Path
) -> None:
    assert run_fake({"FAKE_DELEGATION": events}, tmp_path)["delegation"] == told


@pytest.mark.parametrize("fault", ["StartProfiler:fail", "StartProfiler:abort"])
def test_a_profile_that_cannot_be_taken_leaves_delegation_untold(
    fault: str, tmp_path: Path
) -> None:
    told = run_fake({"FAKE_DELEGATION": "2", "FAKE_FAULT": fault}, tmp_path)
    assert told["status"] == "ok"
    assert told["delegation"] is None
