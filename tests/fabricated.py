"""Made-up runs, written by the store's own writer, for tests of what reads results."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench import store
from bench.records import (
    Cluster,
    Config,
    Device,
    DeviceState,
    Doubt,
    Energy,
    Measurement,
    Memory,
    MemoryAt,
    MemoryPass,
    Model,
    Moment,
    Output,
    Plan,
    PlannedTrial,
    Precision,
    Published,
    Reported,
    RunnerIdentity,
    Sustained,
    Trial,
    device_id,
    trial_key,
)

STARTED = "2026-11-24T07:00:00Z"
MOBILENET = "Howard et al., MobileNets, arXiv 1704.04861v1, table 6"
SHUFFLENET = "Zhang et al., ShuffleNet, arXiv 1707.01083v2, table 5"


def phone(serial: str = "R58M30", **told: Any) -> Device:
    """A phone that tells most of what a phone can tell."""
    facts: dict[str, Any] = {
        "identity": serial,
        "virtual": False,
        "manufacturer": "Acme",
        "model": "Acme One",
        "android_release": "14",
        "sdk": 34,
        "fingerprint": "acme/one/one:14/AP1A/1:user/release-keys",
        "soc": "AC8100",
        "abis": ("arm64-v8a", "armeabi-v7a"),
        "libc": "bionic",
        "cores": 8,
        "clusters": (
            Cluster(cpus=(0, 1, 2, 3), max_khz=1_800_000),
            Cluster(cpus=(4, 5, 6, 7), max_khz=2_800_000),
        ),
        "mem_total_kb": 7_800_000,
        "kernel": "5.10.157",
    }
    return Device(serial=serial, **(facts | told))


def virtual_phone(serial: str = "virtual-flagship", **told: Any) -> Device:
    """A virtual phone of full fidelity."""
    facts = {
        "virtual": True, "fidelity": "full", "profile": "flagship", "model": "Virtual Flagship",
        "fingerprint": "virtual/flagship/flagship:14/1:user/test-keys", "libc": "glibc",
        "abis": ("x86_64",), "manufacturer": "bench",
    }  # fmt: skip
    return phone(serial, **(facts | told))


def digest(text: str) -> str:
    """A sha256 that belongs to a name."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def model(name: str, **told: Any) -> Model:
    """A model of no family unless told."""
    facts: dict[str, Any] = {
        "path": f"{name}.tflite", "sha256": digest(name), "size_bytes": 4_000_000,
        "quantization": "float32", "macs": 100_000_000, "macs_conv": 99_000_000,
        "params": 1_000_000,
    }  # fmt: skip
    return Model(name=name, **(facts | told))


def mobilenet(alpha: float, macs_m: float, params_m: float, error_pct: float | None) -> Model:
    """A MobileNet v1 at 224 pixels with its published error."""
    published = () if error_pct is None else (
        Published(top1_error_pct=error_pct, source=MOBILENET, macs_m=macs_m),
    )  # fmt: skip
    return model(
        f"mobilenet_v1_{alpha:.2f}_224_float32", family="mobilenet_v1", alpha=alpha,
        resolution=224, macs=int(macs_m * 1e6), macs_conv=int(macs_m * 1e6),
        params=int(params_m * 1e6), size_bytes=int(params_m * 4e6), published=published,
    )  # fmt: skip


def shufflenet(scale: float, groups: int, macs_m: float, error_pct: float) -> Model:
    """A ShuffleNet v1 with its published error."""
    return model(
        f"shufflenet_v1_{scale:g}x_g{groups}_float32", family="shufflenet_v1", scale=scale,
        groups=groups, resolution=224, macs=int(macs_m * 1e6), params=int(macs_m * 9e3),
        size_bytes=int(macs_m * 4e4),
        published=(Published(top1_error_pct=error_pct, source=SHUFFLENET, macs_m=macs_m),),
    )  # fmt: skip


MOBILENETS = (
    mobilenet(1.0, 568.7, 4.23, 29.4),
    mobilenet(0.75, 325.4, 2.59, 31.6),
    mobilenet(0.5, 149.5, 1.33, 36.3),
    mobilenet(0.25, 41.0, 0.47, 49.4),
)
SHUFFLENETS = (
    shufflenet(2.0, 3, 524, 26.3),
    shufflenet(1.5, 3, 292, 28.5),
    shufflenet(1.0, 8, 140, 32.4),
    shufflenet(0.5, 4, 38, 41.6),
)
RUNNER = RunnerIdentity(
    contract=1, version="0.1.0", sha256=digest("runner"), abi="arm64-v8a",
    library_sha256=digest("library"), library_version="2.1.6",
)  # fmt: skip


def state(**told: Any) -> DeviceState:
    """A phone at rest."""
    facts: dict[str, Any] = {
        "taken_at": STARTED, "battery_level": 81, "battery_temp_c": 29.5, "charging": True,
        "thermal_status": 0, "temps_c": {"skin": 30.1, "cpu-0-0": 36.0},
        "current_khz": {"0": 1_800_000}, "max_khz": {"0": 1_800_000, "4": 2_800_000},
        "governors": ("schedutil",), "mem_available_kb": 3_100_000, "load_1min": 0.4,
        "screen_on": False,
    }  # fmt: skip
    return DeviceState(**(facts | told))


def measurement(samples_us: Sequence[float], **told: Any) -> Measurement:
    """What a runner tells of some samples."""
    first = samples_us[0] if samples_us else 1.0
    facts: dict[str, Any] = {
        "init_us": 3_100.0, "compile_us": 5_200.0, "first_inference_us": first * 1.4,
        "warmup_us": (first * 1.2, first * 1.1), "clock": "CLOCK_MONOTONIC_RAW",
        "stopped_by": "interval", "delegation": "full",
        "memory": Memory(before_load_kb=3_000, after_compile_kb=21_000, peak_kb=24_500),
        "outputs": (Output(name="probabilities", type="float32", bytes=4004, crc32="0badcafe",
                           sum=1.0),),
    }  # fmt: skip
    return Measurement(samples_us=tuple(samples_us), **(facts | told))


def samples_around(median_us: float, count: int = 30, seed: int = 1) -> list[float]:
    """Samples with a thin right tail, as a quiet phone shows them."""
    dice = random.Random(seed)
    return [median_us * (1 + dice.expovariate(60) - 0.0115) for _ in range(count)]


def trial(
    device: Device, measured: Model, *, config: Config | None = None, repetition: int = 1,
    index: int = 0, samples_us: Sequence[float] | None = None, **told: Any,
) -> Trial:  # fmt: skip
    """An ok trial; `status`, `reason` and the like make it another."""
    config = config or Config()
    planned = PlannedTrial(index=index, model=measured.name, config=config, repetition=repetition)
    facts: dict[str, Any] = {
        "key": trial_key(device_id(device), planned), "index": index, "device": device_id(device),
        "virtual": device.virtual, "model": measured.name, "model_sha256": measured.sha256,
        "config": config, "precision": Precision(), "repetition": repetition, "status": "ok",
        "started_at": STARTED, "duration_s": 2.5, "pushed_bytes": 0, "runner": RUNNER,
        "argv": ("runner", "--contract=1", f"--threads={config.threads}"),
        "state_before": state(), "state_after": state(battery_temp_c=30.5),
    }  # fmt: skip
    if told.get("status", "ok") == "ok":
        facts["measurement"] = measurement(samples_us or samples_around(10_000.0))
    return Trial(**(facts | told))


def failed(device: Device, measured: Model, **told: Any) -> Trial:
    """A trial that the runner refused."""
    facts: dict[str, Any] = {
        "status": "failed", "stage": "compile", "runner": None,
        "reason": "the runtime lacks the operator SEGMENT_SUM",
    }  # fmt: skip
    return trial(device, measured, **(facts | told))


def reported(device: Device, measured: Model, mean_us: float = 12_000.0, **told: Any) -> Trial:
    """An ok trial by a tool that keeps its samples to itself."""
    report = Reported(
        tool="benchmark_model", count=50, mean_us=mean_us, std_us=110.0, warmup_count=5,
        first_inference_us=1.5 * mean_us, init_us=9_000.0, delegation="full",
    )  # fmt: skip
    return trial(device, measured, measurement=None, reported=report, **told)


def series(seconds: float, count: int = 30, *, heats_by_c: float = 4.0, cap_khz: int = 2_800_000,
           **told: Any) -> tuple[Moment, ...]:  # fmt: skip
    """Readings of a phone that warms up; from the middle on its big cores get no more than a cap.

    `told` is of every reading, such as a current and a voltage.
    """
    found = []
    for number in range(count):
        share = number / max(count - 1, 1)
        big_khz = cap_khz if share > 0.5 else 2_800_000
        found.append(Moment(
            at_s=round(seconds * share, 3),
            current_khz={"0": 1_800_000 - 300_000 * (number % 2), "4": big_khz},
            max_khz={"0": 1_800_000, "4": big_khz},
            temps_c={"cpu-0-0": 36 + 3 * heats_by_c * share, "skin": 30 + heats_by_c * share},
            **told,
        ))  # fmt: skip
    return tuple(found)


def memory_pass(**told: Any) -> MemoryPass:
    """Memory that grows with each step."""
    steps = {
        step: MemoryAt(peak_kb=kb + kb // 5, pss_kb=kb)
        for step, kb in (("baseline", 1_500), ("load", 9_000), ("compile", 20_000),
                         ("first", 24_000), ("steady", 24_500))
    }  # fmt: skip
    return MemoryPass(**(steps | told))


def energy(idle_ma: float = 200.0, busy_ma: float = 700.0, **told: Any) -> Energy:
    """What a battery tells, 4 V, idle and under load: 1,000 inferences in 10 s."""
    facts: dict[str, Any] = {
        "source": "power_supply", "inferences": 1_000, "busy_s": 10.0,
        "idle": _currents(idle_ma), "busy": _currents(busy_ma),
    }  # fmt: skip
    return Energy(**(facts | told))


def _currents(ma: float) -> tuple[Moment, ...]:
    dice = random.Random(ma)
    return tuple(
        Moment(at_s=0.5 * n, current_ma=ma * dice.uniform(0.97, 1.03), voltage_mv=4_000)
        for n in range(20)
    )


def sustained(seconds: float = 180.0, us: float = 100_000.0, slower: float = 1.3) -> Sustained:
    """A run that loses speed from the middle on, as a cap of the clocks makes it."""
    count = int(seconds * 1e6 / us)
    samples = samples_around(us, count // 2) + samples_around(us * slower, count // 2)
    return Sustained(
        samples_us=tuple(samples),
        series=series(sum(samples) / 1e6, 60, heats_by_c=10.0, cap_khz=1_900_000),
    )


THROTTLED = Doubt(
    kind="throttled", message="the clock of core 4 was cut from 2800 to 1900 MHz while it ran",
    cure="let the phone cool down and repeat the trial",
    numbers={"first_cap_khz": 2_800_000, "lowest_cap_khz": 1_900_000},
)  # fmt: skip
WIDE = Doubt(
    kind="wide", message="the median is known to ±4.1% where ±1.0% was asked for",
    cure="quieten the phone, or raise max_seconds",
    numbers={"half_width_share": 0.041, "interval": 0.01},
)  # fmt: skip


def write_run(
    results: Path, devices: Iterable[Device], models: Iterable[Model], trials: Iterable[Trial],
    *, name: str = "widths", repetitions: int = 1, planned: int | None = None,
    tries: Iterable[Trial] = (), **asked: Any,
) -> Path:  # fmt: skip
    """A run on disk; `planned` trials a device where the run was cut short.

    `tries` are those that were followed by another, `asked` what else its plan holds.
    """
    told, known, done = list(devices), list(models), list(trials)
    plan = Plan(
        name=name, seed=1, created_at=STARTED, repetitions=repetitions, precision=Precision(),
        trials=tuple(_planned(done, planned)), devices=tuple(device_id(d) for d in told),
        versions={"bench": "0.1.0", "ai-edge-litert": "2.1.6"},
        host={"system": "Linux", "machine": "x86_64"}, **asked,
    )  # fmt: skip
    writer = store.create_run(
        results, f'name = "{name}"\n', plan,
        {device_id(d): d for d in told}, {m.name: m for m in known},
    )  # fmt: skip
    for each in tries:
        writer.append_try(each)
    for each in done:
        writer.append(each)
    writer.close()
    return writer.path


def _planned(trials: Sequence[Trial], at_least: int | None) -> list[PlannedTrial]:
    first = trials[0].device if trials else ""
    planned = [
        PlannedTrial(index=t.index, model=t.model, config=t.config, repetition=t.repetition)
        for t in trials
        if t.device == first
    ]
    while at_least is not None and len(planned) < at_least:
        planned.append(
            PlannedTrial(index=len(planned), model="later", config=Config(), repetition=1)
        )
    return planned


def grid(
    devices: Sequence[Device], models: Sequence[Model], configs: Sequence[Config] = (Config(),),
    *, repetitions: int = 1, samples: int = 30, us_per_mac: float = 4.4e-5,
) -> list[Trial]:  # fmt: skip
    """An ok trial for everything asked; latency grows with MACs and shrinks with threads."""
    done = []
    for number, device in enumerate(devices):
        for repetition in range(1, repetitions + 1):
            for index, (each, config) in enumerate((m, c) for m in models for c in configs):
                base = (each.macs or 50_000_000) * us_per_mac * (1 + number) + 900
                slow = 1.35 if each.family == "shufflenet_v1" else 1.0
                middle = base * slow / config.threads**0.8 * (1 + 0.004 * repetition)
                done.append(trial(
                    device, each, config=config, repetition=repetition, index=index,
                    samples_us=samples_around(middle, samples, seed=len(done)),
                ))  # fmt: skip
    return done
