"""What a sweep asks for: how models are run, how precisely, and in which order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from bench.records.base import SCHEMA, Record, require
from bench.records.device import Device, device_id

Delegate = Literal["xnnpack", "none", "gpu", "nnapi", "npu"]
RunnerName = Literal["bench-runner", "benchmark_model"]


class Config(Record, frozen=True, kw_only=True):
    """How a model is run."""

    threads: int = 1
    delegate: Delegate = "xnnpack"
    affinity: str = "default"  # default, big, mid, little or mask:HEX
    xnnpack: str = "default"  # or fp16, weight_cache, flags:N, joined with +

    def __post_init__(self) -> None:
        option = "(fp16|weight_cache|flags:[0-9]{1,9})"
        require(
            bool(re.fullmatch(rf"default|{option}(\+{option})*", self.xnnpack)),
            "xnnpack is default, or fp16, weight_cache and flags:N joined with +,"
            f" not {self.xnnpack!r}",
        )
        require(1 <= self.threads <= 64, f"threads must be 1 to 64, not {self.threads}")
        require(
            bool(re.fullmatch(r"default|big|mid|little|mask:(?!0+$)[0-9a-f]{1,16}", self.affinity)),
            "affinity is default, big, mid, little or mask:HEX with a core in it,"
            f" not {self.affinity!r}",
        )


class Precision(Record, frozen=True, kw_only=True):
    """When a trial has sampled enough."""

    interval: float = 0.01  # half-width of the median's 95 % interval / median; 0: run to a limit
    min_samples: int = 30
    max_samples: int = 100_000
    max_seconds: float = 20.0
    warmup_max_seconds: float = 2.0

    def __post_init__(self) -> None:
        require(0 <= self.interval < 1, "interval is a share between 0 and 1")
        require(1 <= self.min_samples <= self.max_samples, "1 <= min_samples <= max_samples")
        require(self.max_samples <= 1_000_000, "max_samples is at most 1000000")
        require(0 < self.max_seconds <= 3600, "max_seconds lies between 0 and 3600")
        require(0 <= self.warmup_max_seconds <= 600, "warmup_max_seconds lies between 0 and 600")


class Fitness(Record, frozen=True, kw_only=True):
    """How long a phone is waited for that is hot, throttled, capped or busy."""

    max_wait_s: float = 180.0  # before a trial; 0: never
    cool_down_s: float = 90.0  # before a throttled trial is tried again (androidx Arguments.kt)
    max_tries: int = 3  # of a throttled trial; 1: it is never repeated

    def __post_init__(self) -> None:
        require(0 <= self.max_wait_s <= 86_400, "max_wait_s lies between 0 and 86400")
        require(0 <= self.cool_down_s <= 86_400, "cool_down_s lies between 0 and 86400")
        require(1 <= self.max_tries <= 10, "max_tries lies between 1 and 10")


class PlannedTrial(Record, frozen=True, kw_only=True):
    """One start of the runner that a sweep asks of every phone."""

    index: int
    model: str
    config: Config
    repetition: int


class Plan(Record, frozen=True, kw_only=True):
    """What a sweep run set out to do: the same trials on every device, in this order."""

    schema: int = SCHEMA
    name: str
    seed: int
    created_at: str
    repetitions: int
    precision: Precision
    runner: RunnerName | Literal["auto"] = "auto"
    profile: bool = False
    memory: bool = False
    energy: bool = False
    sustained_s: float = 0.0
    fitness: Fitness = Fitness()
    shard: bool = False
    prepare: tuple[str, ...] = ()  # settings of the phones that were changed meanwhile
    trials: tuple[PlannedTrial, ...]
    devices: tuple[str, ...]  # ids, see device_id
    versions: dict[str, str] = {}
    host: dict[str, str] = {}


def sharers(plan: Plan, devices: Iterable[Device]) -> list[list[str]]:
    """The ids of those that do a plan together: each by itself, or all of one build of one model.

    Each of these groups does every trial of the plan once.
    """
    groups: dict[object, list[str]] = {}
    for number, device in enumerate(devices):
        known = plan.shard and device.fingerprint
        identical = (device.fingerprint, device.model) if known else number
        groups.setdefault(identical, []).append(device_id(device))
    return list(groups.values())


def trial_key(device: str, planned: PlannedTrial) -> str:
    """A name for a trial that is unique in its run and safe as a file name."""
    config = planned.config
    how = (config.threads, config.delegate, config.affinity, config.xnnpack)
    exact = "\0".join(map(str, (device, planned.model, *how, planned.repetition)))
    digest = hashlib.sha256(exact.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    readable = f"{planned.model}.t{config.threads}-{config.delegate}.r{planned.repetition}"
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "_", readable).strip("._-")[:80] or "trial"
    return f"{slug}.{digest}"
