"""The records that everything else passes around, and their form on disk.

All are frozen and refuse nonsense when made; `None` means "not told", zero is zero.
Raw samples are the truth: no record holds a statistic. Units stand in the names:
`_us` microseconds, `_s` seconds, `_kb` 1024 bytes, `_c` degrees Celsius, `_khz`.

Schema history (`SCHEMA` is written into every plan and trial):
    1  first form.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

import msgspec

from bench.errors import StoreError

SCHEMA = 1

Quantization = Literal[
    "float32", "float16", "dynamic_int8", "weight_int8", "int8", "int16x8", "int4"
]
Delegate = Literal["xnnpack", "none", "gpu", "nnapi", "npu"]
RunnerName = Literal["bench-runner", "benchmark_model"]
Delegation = Literal["full", "partial", "none"]
Status = Literal["ok", "failed", "skipped"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all records: frozen, named fields only, unknown fields refused."""


class Cluster(Record, frozen=True, kw_only=True):
    """Cores that share one clock."""

    cpus: tuple[int, ...]
    max_khz: int | None = None


class Device(Record, frozen=True, kw_only=True):
    """A phone, or a virtual phone, as it describes itself."""

    serial: str
    identity: str | None = None  # ro.serialno: one phone keeps it under every serial
    virtual: bool
    fidelity: Literal["full", "reduced"] | None = None  # of a virtual phone's world
    emulated: bool = False  # another processor's programs: not even the host's latencies
    profile: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    android_release: str | None = None
    sdk: int | None = None
    fingerprint: str | None = None
    soc: str | None = None
    abis: tuple[str, ...] = ()
    libc: Literal["bionic", "glibc"] | None = None
    cores: int | None = None
    clusters: tuple[Cluster, ...] = ()
    mem_total_kb: int | None = None
    kernel: str | None = None

    def __post_init__(self) -> None:
        _require(bool(self.serial), "a device needs a serial")
        _require(
            self.virtual or (self.fidelity is None and self.profile is None),
            "only a virtual device has a fidelity and a profile",
        )


class DeviceState(Record, frozen=True, kw_only=True):
    """What a phone said about itself at one moment, before or after a trial."""

    taken_at: str  # host clock, UTC, ISO 8601
    battery_level: int | None = None  # percent
    battery_temp_c: float | None = None
    charging: bool | None = None
    thermal_status: int | None = None  # PowerManager: 0 none ... 6 shutdown
    temps_c: dict[str, float] = {}
    current_khz: dict[str, int] = {}  # by cpu number
    max_khz: dict[str, int] = {}  # scaling_max_freq by cpu number: a cap shows here
    governors: tuple[str, ...] = ()
    mem_available_kb: int | None = None
    load_1min: float | None = None
    screen_on: bool | None = None


class Published(Record, frozen=True, kw_only=True):
    """An accuracy that somebody printed, with where it stands."""

    top1_error_pct: float
    source: str  # paper and version, table
    macs_m: float | None = None  # complexity as printed beside it, million MACs
    label: str | None = None  # the model as the source calls it
    delta_pct: float | None = None  # how much lower the error is than that of ...
    paired_with: str | None = None  # ... the model that the source calls so

    def __post_init__(self) -> None:
        _require(0 <= self.top1_error_pct <= 100, "an error rate lies between 0 and 100 %")


class Measured(Record, frozen=True, kw_only=True):
    """An accuracy that a user measured of this very file; never the same as a published one."""

    top1_error_pct: float
    dataset: str  # and which part of it
    runtime: str  # that ran the model on it, and its version

    def __post_init__(self) -> None:
        _require(0 <= self.top1_error_pct <= 100, "an error rate lies between 0 and 100 %")
        for told in (self.dataset, self.runtime):
            _require(0 < len(told.strip()) <= 200, "dataset and runtime have 1 to 200 characters")


class Check(Record, frozen=True, kw_only=True):
    """A quantized model's outputs held against its float parent's, on the host."""

    runtime: str
    version: str | None = None
    reason: str | None = None  # what is wrong; None: nothing
    inputs: int = 0  # that both were given
    snr_db: float | None = None  # of the outputs; None: not told, or nothing differs
    top1_agreement: float | None = None  # share of the inputs with the same largest output

    @property
    def ok(self) -> bool:
        return self.reason is None


class Model(Record, frozen=True, kw_only=True):
    """A .tflite file and what is known of it."""

    name: str
    path: str  # on the host
    sha256: str
    size_bytes: int
    family: str | None = None  # None: a user's file
    alpha: float | None = None
    scale: float | None = None
    groups: int | None = None
    resolution: int | None = None
    quantization: str | None = None
    recipe: str | None = None  # how it was quantized, in words
    check: Check | None = None  # None: not quantized here, or not checked
    variant: str | None = None  # options that are not axes of the papers, "key=value,..."
    macs: int | None = None  # convolutions + fully connected; None: not countable
    macs_conv: int | None = None  # convolutions only
    params: int | None = None
    not_countable: str | None = None  # why macs is None
    published: tuple[Published, ...] = ()
    measured: Measured | None = None

    def __post_init__(self) -> None:
        _require(bool(self.name), "a model needs a name")
        _require(bool(re.fullmatch(r"[0-9a-f]{64}", self.sha256)), "sha256 is 64 hex digits")
        _require(self.size_bytes > 0, "a model file is not empty")


class ModelSpec(Record, frozen=True, kw_only=True):
    """One model that a sweep asks for, before it is made: a family with its axes, or a file."""

    family: str | None = None
    file: str | None = None
    axes: dict[str, bool | int | float | str] = {}  # alpha, scale, groups, resolution, ...
    quantization: str = "float32"
    seed: int = 1  # of the weights
    measured: Measured | None = None  # as the sweep file tells it
    line: int | None = None  # of the sweep file, for errors

    def __post_init__(self) -> None:
        _require(
            (self.family is None) != (self.file is None), "a model is a family or a file, not both"
        )


class Config(Record, frozen=True, kw_only=True):
    """How a model is run."""

    threads: int = 1
    delegate: Delegate = "xnnpack"
    affinity: str = "default"  # default, big, mid, little or mask:HEX
    xnnpack: str = "default"  # or fp16, weight_cache, flags:N, joined with +

    def __post_init__(self) -> None:
        option = "(fp16|weight_cache|flags:[0-9]{1,9})"
        _require(
            bool(re.fullmatch(rf"default|{option}(\+{option})*", self.xnnpack)),
            "xnnpack is default, or fp16, weight_cache and flags:N joined with +,"
            f" not {self.xnnpack!r}",
        )
        _require(1 <= self.threads <= 64, f"threads must be 1 to 64, not {self.threads}")
        _require(
            bool(re.fullmatch(r"default|big|mid|little|mask:[0-9a-f]{1,16}", self.affinity)),
            f"affinity is default, big, mid, little or mask:HEX, not {self.affinity!r}",
        )


class Precision(Record, frozen=True, kw_only=True):
    """When a trial has sampled enough."""

    interval: float = 0.01  # half-width of the median's 95 % interval / median; 0: run to a limit
    min_samples: int = 30
    max_samples: int = 100_000
    max_seconds: float = 20.0
    warmup_max_seconds: float = 2.0

    def __post_init__(self) -> None:
        _require(0 <= self.interval < 1, "interval is a share between 0 and 1")
        _require(1 <= self.min_samples <= self.max_samples, "1 <= min_samples <= max_samples")
        _require(self.max_samples <= 1_000_000, "max_samples is at most 1000000")
        _require(0 < self.max_seconds <= 3600, "max_seconds lies between 0 and 3600")
        _require(0 <= self.warmup_max_seconds <= 600, "warmup_max_seconds lies between 0 and 600")


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
    shard: bool = False
    prepare: tuple[str, ...] = ()  # settings of the phones that were changed meanwhile
    trials: tuple[PlannedTrial, ...]
    devices: tuple[str, ...]  # ids, see device_id
    versions: dict[str, str] = {}
    host: dict[str, str] = {}


class Output(Record, frozen=True, kw_only=True):
    """What a model's output held after the last inference."""

    name: str
    type: str
    bytes: int
    crc32: str  # of the raw bytes, 8 hex digits
    sum: float | None = None  # of the elements; None: not finite or not a number type


class Memory(Record, frozen=True, kw_only=True):
    """Peak resident set (VmHWM) of the runner's process at three moments."""

    before_load_kb: int | None = None
    after_compile_kb: int | None = None
    peak_kb: int | None = None


class Measurement(Record, frozen=True, kw_only=True):
    """What the runner measured in one process. Latencies in microseconds, in order."""

    init_us: float  # opening the library, the environment and the model file
    compile_us: float
    first_inference_us: float
    warmup_us: tuple[float, ...]
    samples_us: tuple[float, ...]
    clock: str
    stopped_by: Literal["interval", "max_seconds", "max_samples"]
    memory: Memory
    delegation: Delegation | None = None  # None: not told
    outputs: tuple[Output, ...]
    input_source: str = "seeded"  # seeded, or the sha256 of the input file
    affinity_mask: str | None = None  # obtained, hex

    def __post_init__(self) -> None:
        _require(len(self.samples_us) > 0, "a measurement holds at least one sample")
        _require(all(s > 0 for s in self.samples_us), "a latency is more than 0 us")


class Reported(Record, frozen=True, kw_only=True):
    """What a tool told of samples that it kept to itself. Latencies in microseconds."""

    tool: str  # benchmark_model
    count: int
    mean_us: float
    min_us: float | None = None
    max_us: float | None = None
    std_us: float | None = None
    median_us: float | None = None
    p5_us: float | None = None
    p95_us: float | None = None
    init_us: float | None = None
    first_inference_us: float | None = None
    warmup_count: int | None = None
    warmup_mean_us: float | None = None
    peak_kb: int | None = None  # as the tool means it: growth since its start
    delegation: Delegation | None = None

    def __post_init__(self) -> None:
        _require(self.count > 0, "a report speaks of at least one sample")
        _require(self.mean_us > 0, "a latency is more than 0 us")


class OpTime(Record, frozen=True, kw_only=True):
    """Time of one operator in one inference, from a profile in a process of its own."""

    index: int  # in the order that they ran
    op: str  # its type, as the runtime calls it
    name: str | None = None
    mean_us: float
    delegate: str | None = None  # who ran it; None: the builtin kernels, or not told

    def __post_init__(self) -> None:
        _require(self.mean_us >= 0, "a time is not negative")


class RunnerIdentity(Record, frozen=True, kw_only=True):
    """Which binaries ran."""

    name: RunnerName = "bench-runner"
    why: str | None = None  # what spoke against the other one
    contract: int | None = None  # of bench-runner
    version: str | None = None
    sha256: str
    abi: str
    library_sha256: str | None = None  # None: it is a part of the runner
    library_version: str | None = None


class Doubt(Record, frozen=True, kw_only=True):
    """A reason to distrust a trial, with its numbers and its cure."""

    kind: str  # a heading of docs/variance.md
    message: str
    cure: str
    numbers: dict[str, float] = {}


class Trial(Record, frozen=True, kw_only=True):
    """One planned trial on one phone, done: ok, failed or skipped."""

    schema: int = SCHEMA
    key: str
    index: int
    device: str  # id, see device_id
    virtual: bool
    model: str
    model_sha256: str
    config: Config
    precision: Precision
    repetition: int
    shared_by: int = 1  # identical phones that the plan was split over
    status: Status
    reason: str | None = None
    stage: str | None = None  # where it failed
    started_at: str
    duration_s: float
    argv: tuple[str, ...] = ()
    pushed_bytes: int = 0
    runner: RunnerIdentity | None = None
    measurement: Measurement | None = None
    reported: Reported | None = None  # in the place of a measurement, by a tool without samples
    ops: tuple[OpTime, ...] = ()
    state_before: DeviceState | None = None
    state_after: DeviceState | None = None
    doubts: tuple[Doubt, ...] = ()

    def __post_init__(self) -> None:
        ok = self.status == "ok"
        _require(ok == (self.reason is None), f"a {self.status} trial and its reason disagree")
        held = (self.measurement is not None) + (self.reported is not None)
        _require(held == ok, "an ok trial holds a measurement or a report, no other does")


R = TypeVar("R")


def encode(record: Record) -> bytes:
    """One line of JSON without a line end."""
    return msgspec.json.encode(record)


def decode(data: bytes | str, kind: type[R]) -> R:
    """The record in a JSON text; StoreError when it holds anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        name = getattr(kind, "__name__", str(kind))
        raise StoreError(f"not a {name} of schema {SCHEMA}: {error}") from error


def to_plain(record: Record) -> dict[str, Any]:
    """The record as plain dictionaries, lists and scalars."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def device_id(device: Device) -> str:
    """What tells one phone from another: its own serial number, else the one adb gave it."""
    return device.identity or device.serial


def device_title(device: Device) -> str:
    """How a device is called in headings, tables and plots; a virtual one says so."""
    name = device.model or device.serial
    if not device.virtual:
        return name
    told = ["virtual"]
    told += ["emulated, not a latency"] if device.emulated else []
    told += ["reduced fidelity"] if device.fidelity == "reduced" else []
    return f"{name} [{', '.join(told)}]"


def device_titles(devices: Iterable[Device]) -> dict[str, str]:
    """Titles by device id; devices of one name are told apart by their ids."""
    held = list(devices)
    often = Counter(device_title(device) for device in held)
    return {
        device_id(device): title if often[title] == 1 else f"{title} {device_id(device)}"
        for device in held
        for title in [device_title(device)]
    }


def trial_key(device: str, planned: PlannedTrial) -> str:
    """A name for a trial that is unique in its run and safe as a file name."""
    config = planned.config
    how = (config.threads, config.delegate, config.affinity, config.xnnpack)
    exact = "\0".join(map(str, (device, planned.model, *how, planned.repetition)))
    digest = hashlib.sha256(exact.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    readable = f"{planned.model}.t{config.threads}-{config.delegate}.r{planned.repetition}"
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "_", readable).strip("._-")[:80] or "trial"
    return f"{slug}.{digest}"


def _require(true: bool, message: str) -> None:
    if not true:
        raise ValueError(message)
