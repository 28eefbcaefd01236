"""What came of a trial. Raw samples are the truth: no record holds a statistic."""

from __future__ import annotations

from typing import Literal

from bench.records.base import SCHEMA, Record, require
from bench.records.device import DeviceState, Moment
from bench.records.model import Check
from bench.records.plan import Config, Precision, RunnerName

LEAST_US = 1e-6  # a thousandth of what clocks count in; shares of less may be infinite
Delegation = Literal["full", "partial", "none"]
Status = Literal["ok", "failed", "skipped"]
# Each is a heading of docs/variance.md.
DoubtKind = Literal[
    "few samples",
    "wide",
    "drifting",
    "bimodal",
    "first-run outlier",
    "timer too coarse",
    "reported only",
    "partial delegation",
    "pass failed",
    "throttled",
    "hot start",
    "hot cores",
    "capped clocks",
    "background load",
    "low battery",
    "charging",
    "screen off",
    "low memory",
    "repetitions differ",
    "outputs differ",
    "outputs differ from host",
    "virtual",
    "emulated",
    "emulator",
    "engineering build",
]


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


class MemoryAt(Record, frozen=True, kw_only=True):
    """Memory of the runner's process at one moment."""

    peak_kb: int | None = None  # highest resident set so far (VmHWM)
    pss_kb: int | None = None  # resident now, shared pages divided among who shares them


class MemoryPass(Record, frozen=True, kw_only=True):
    """Memory after each step, from a process of its own."""

    baseline: MemoryAt  # the runner by itself, before the library is loaded
    load: MemoryAt  # library and model file
    compile: MemoryAt
    first: MemoryAt  # inference
    steady: MemoryAt  # after more inferences


class Usage(Record, frozen=True, kw_only=True):
    """Who used the processor while the runner sampled."""

    wall_us: float
    own_us: float  # CPU time of the runner, all threads
    busy_us: float  # CPU time of everything, by the kernel's count of ticks

    def __post_init__(self) -> None:
        require(self.wall_us > 0, "sampling took some time")
        require(self.own_us >= 0 and self.busy_us >= 0, "a CPU time is not negative")


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
    usage: Usage | None = None  # None: not told

    def __post_init__(self) -> None:
        require(len(self.samples_us) > 0, "a measurement holds at least one sample")
        require(all(s >= LEAST_US for s in self.samples_us), "a latency is more than 0 us")


class Energy(Record, frozen=True, kw_only=True):
    """The battery's current and voltage, idle and under load, from a process of its own."""

    source: Literal["power_supply", "dumpsys"] | None = None
    not_told: str | None = None  # why no energy can be told; None: it can
    idle: tuple[Moment, ...] = ()
    busy: tuple[Moment, ...] = ()
    inferences: int = 0  # while busy
    busy_s: float = 0.0

    def __post_init__(self) -> None:
        told = self.source is not None and self.inferences > 0 and self.busy_s > 0
        require(told or self.not_told is not None, "energy is told, or why it is not")


class Sustained(Record, frozen=True, kw_only=True):
    """A run that went on for long, in a process of its own."""

    samples_us: tuple[float, ...]
    series: tuple[Moment, ...] = ()

    def __post_init__(self) -> None:
        require(len(self.samples_us) > 0, "a sustained run holds at least one sample")
        require(all(s >= LEAST_US for s in self.samples_us), "a latency is more than 0 us")


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
        require(self.count > 0, "a report speaks of at least one sample")
        require(self.mean_us > 0, "a latency is more than 0 us")


class OpTime(Record, frozen=True, kw_only=True):
    """Time of one operator in one inference, from a profile in a process of its own."""

    index: int  # in the order that they ran
    op: str  # its type, as the runtime calls it
    name: str | None = None
    mean_us: float
    delegate: str | None = None  # who ran it; None: the builtin kernels, or not told

    def __post_init__(self) -> None:
        require(self.mean_us >= 0, "a time is not negative")


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

    kind: DoubtKind
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
    waited_s: float = 0.0  # until the phone was fit, before all tries
    waited_for: tuple[DoubtKind, ...] = ()
    tries: int = 1  # starts it took; the earlier ones are in tries.jsonl
    started_at: str
    duration_s: float
    argv: tuple[str, ...] = ()
    pushed_bytes: int = 0
    runner: RunnerIdentity | None = None
    measurement: Measurement | None = None
    reported: Reported | None = None  # in the place of a measurement, by a tool without samples
    ops: tuple[OpTime, ...] = ()
    memory: MemoryPass | None = None
    energy: Energy | None = None
    sustained: Sustained | None = None
    check: Check | None = None  # of the outputs, against the host's
    series: tuple[Moment, ...] = ()  # clocks and temperatures while it ran
    state_before: DeviceState | None = None
    state_after: DeviceState | None = None
    doubts: tuple[Doubt, ...] = ()

    def __post_init__(self) -> None:
        ok = self.status == "ok"
        require(
            self.waited_s >= 0 and self.tries >= 1, "waited_s is not negative, tries at least 1"
        )
        require(ok == (self.reason is None), f"a {self.status} trial and its reason disagree")
        held = (self.measurement is not None) + (self.reported is not None)
        require(held == ok, "an ok trial holds a measurement or a report, no other does")
