"""Invented outputs of benchmark_model, one in the layout of each generation.

Each holds the same figures, so that a test can say what every generation must give.
"""

from __future__ import annotations

import struct

MODEL = "/data/local/tmp/cat_96.tflite"
COUNT = 64
MEAN_US = 8077.25
INIT_US = 3412
FIRST_US = 19877

WARMUP = "count=3 first=19877 curr=8301 min=8301 max=19877 avg=12199.7 std=5432"
STEADY = "count=64 first=8123 curr=8010 min=7954 max=9321 avg=8077.25 std=143"
WARMUP_P = WARMUP + " p5=8301 median=8421 p95=19877"
STEADY_P = STEADY + " p5=7961 median=8044 p95=8410"
SUMMARY = (
    "Inference timings in us: Init: 3412, First inference: 19877, Warmup (avg): 12199.7, "
    "Inference (avg): 8077.25"
)
OLD_SUMMARY = "Average inference timings in us: Warmup: 12199.7, Init: 3412, no stats: 8077.25"
NOTE = (
    "Note: as the benchmark tool itself affects memory footprint, the following is only "
    "APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at "
    "your discretion."
)
DELTA = "Memory footprint delta from the start of the tool (MB): init=2.5 overall=7.26953"
GROWTH_KB = 7444

WARMUP_HEAD = (
    "Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if "
    "exceeding 20 seconds."
)
STEADY_HEAD = WARMUP_HEAD.replace("1 iterations", "64 iterations")
XNNPACK_FULL = [
    "XNNPACK delegate created.",
    "Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the "
    "delegate.",
]
XNNPACK_CREATED = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"

_OLD_HEAD = [
    "STARTING!",
    "Inter-run delay (seconds): [-1]",
    "Num threads: [2]",
    "Benchmark name: []",
    "Output prefix: []",
    f"Graph: [{MODEL}]",
    "Input layers: [input]",
    "Input shapes: [1,96,96,3]",
    "Use nnapi : [0]",
    f"Loaded model {MODEL}",
    "resolved reporter",
    "Initialized session in 3.412ms",
]
_HEAD = [
    "STARTING!",
    "Log parameter values verbosely: [0]",
    "Min num runs: [64]",
    "Num threads: [2]",
    f"Graph: [{MODEL}]",
    "#threads used for CPU inference: [2]",
]
_LOADED = [
    f"Loaded model {MODEL}",
    "The input model file size (MB): 1.40625",
    "Initialized session in 3.412ms.",
]


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def marked(lines: list[str]) -> list[str]:
    """With the level that newer versions print before their own lines."""
    levels = ("ERROR: ", "WARN: ", "VERBOSE: ")
    return [line if not line or line.startswith(levels) else f"INFO: {line}" for line in lines]


def measured(warmup: str, steady: str, *, end: str = SUMMARY) -> list[str]:
    return [WARMUP_HEAD, warmup, "", STEADY_HEAD, steady, "", end]


def current(
    *,
    switches: tuple[str, ...] = ("Use xnnpack: [1]",),
    delegates: list[str] | None = None,
    after: list[str] | None = None,
) -> list[str]:
    """A run of a present version, up to the memory line, without what follows it."""
    loaded = [_LOADED[0], *(XNNPACK_FULL if delegates is None else delegates), *_LOADED[1:]]
    body = [*_HEAD, *switches, *loaded, *measured(WARMUP_P, STEADY_P), NOTE, DELTA]
    return marked(body) + (after or [])


def litert_block() -> list[str]:
    at = "INFO: [./litert/tools/benchmark_litert_model.h:"
    return [
        f"{at}81] ",
        "========== BENCHMARK RESULTS ==========",
        f"{at}82] Model initialization: 3.41 ms",
        f"{at}84] Warmup (first):       19.88 ms",
        f"{at}86] Warmup (avg):         12.20 ms (3 runs)",
        f"{at}88] Inference (avg):      8.08 ms (64 runs)",
        f"{at}92] Inference (min):      7.95 ms",
        f"{at}94] Inference (max):      9.32 ms",
        f"{at}96] Inference (std):      0.14",
        f"{at}103] Throughput:           13.05 MB/s",
        f"{at}112] ",
        "Memory Usage:",
        f"{at}114] Init footprint:       2.50 MB",
        f"{at}116] Overall footprint:    7.27 MB",
        f"{at}123] Peak memory usage not available. (peak_mem_mb <= 0)",
        f"{at}126] ======================================",
        "",
    ]


_G1 = [
    *_OLD_HEAD[:1],
    "Num runs: [64]",
    *_OLD_HEAD[1:5],
    "Warmup runs: [3]",
    *_OLD_HEAD[5:],
    "Running benchmark for 3 iterations ",
    WARMUP,
    "",
    "Running benchmark for 64 iterations ",
    STEADY,
    "",
    OLD_SUMMARY,
]
_G2 = [
    _OLD_HEAD[0],
    "Min num runs: [64]",
    "Min runs duration (seconds): [1]",
    "Max runs duration (seconds): [20]",
    *_OLD_HEAD[1:],
    *measured(WARMUP, STEADY, end=OLD_SUMMARY),
]
_G2B = [
    *_G2[:-7],
    "[Init Phase] - Memory usage: max resident set size = 2.5 MB, total malloc-ed size = 0 MB",
    *_G2[-7:-1],
    "[Overall] - Memory usage: max resident set size = 7.26953 MB, total malloc-ed size = 0.5 MB",
    OLD_SUMMARY,
]
_G3 = [
    "STARTING!",
    "Duplicate flags: num_threads",
    "Min num runs: [64]",
    *_HEAD[3:],
    "Use gpu : [0]",
    "Use xnnpack : [1]",
    _LOADED[0],
    "Applied XNNPACK delegate, and the model graph will be completely executed w/ the delegate.",
    *_LOADED[1:],
    *measured(WARMUP, STEADY),
    NOTE,
    "Peak memory footprint (MB): init=2.5 overall=7.26953",
]
_G4 = [
    *_HEAD,
    "Use xnnpack: [1]",
    _LOADED[0],
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    *XNNPACK_FULL,
    *_LOADED[1:],
    *measured(WARMUP, STEADY),
    NOTE,
    DELTA,
]
_G5 = marked(
    [
        *_HEAD,
        "Use xnnpack: [1]",
        _LOADED[0],
        *XNNPACK_FULL,
        *_LOADED[1:],
        *measured(WARMUP, STEADY),
        NOTE,
        DELTA,
        "Overall peak memory footprint (MB) via periodic monitoring: 21.5",
        "Memory status at the end of exeution:",
        "- VmRSS              : 21 MB",
        "+ RssAnnon           : 9 MB",
        "+ RssFile + RssShmem : 12 MB",
    ]
)
_G7 = [
    *marked(_HEAD[:4]),
    f"INFO: [litert/tools/benchmark_litert_model.cc:137] Loading model from: {MODEL}",
    "WARNING: [litert/runtime/accelerators/auto_registration.cc:46] NPU accelerator could not be "
    "loaded and registered: kLiteRtStatusErrorInvalidArgument.",
    "I0000 00:00:1758455104.504065   62590 accelerator_registry.cc:51] RegisterAccelerator: "
    "ptr=0x5d0, name=CpuAccelerator",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "VERBOSE: Replacing 31 out of 31 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding "
    "1 partitions for subgraph 0.",
    *marked(_LOADED[1:]),
    *marked(measured(WARMUP_P, STEADY_P)[:-1]),
    *litert_block(),
]


def logcat(lines: list[str], *, pid: int = 4711, minute: int = 10) -> list[str]:
    """As `adb logcat` prints it by default; the runtime's level takes the place of a prefix."""
    return [
        f"06-21 09:{minute:02}:{i % 60:02}.{i:03}  {pid}  {pid + 3} I tflite  : "
        + line.removeprefix("INFO: ").removeprefix("VERBOSE: ")
        for i, line in enumerate(lines)
    ]


_G8 = logcat(
    [
        *_HEAD[1:],
        "Use xnnpack: [1]",
        _LOADED[0],
        "Initialized TensorFlow Lite runtime.",
        *XNNPACK_FULL,
        "Replacing 31 out of 31 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 "
        "partitions for subgraph 0.",
        *_LOADED[1:],
        *measured(WARMUP_P, STEADY_P),
        NOTE,
        DELTA,
    ]
)

LOGS: dict[str, bytes] = {
    "G1": text(_G1),
    "G2": text(_G2),
    "G2b": text(_G2B),
    "G3": text(_G3),
    "G4": text(_G4),
    "G5": text(_G5),
    "G6": text(current()),
    "G7": text(_G7),
    "G8": text(_G8),
}
WITHOUT_XNNPACK = ("G1", "G2", "G2b")  # versions that had none yet


def delegate_of(generation: str) -> str:
    return "none" if generation in WITHOUT_XNNPACK else "xnnpack"


def floats(**fields: float) -> bytes:
    """Fields f1=..., f2=... of a protobuf message, single precision."""
    return b"".join(
        bytes([int(name[1:]) << 3 | 5]) + struct.pack("<f", value) for name, value in fields.items()
    )


def varint(number: int, value: int) -> bytes:
    out = bytearray([number << 3])
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def part(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


LATENCY = {
    "f1": 8.07725,
    "f2": 7.954,
    "f3": 9.321,
    "f4": 0.143,
    "f5": 8.044,
    "f6": 7.961,
    "f7": 8.41,
    "f8": 3.412,
    "f9": 19.877,
    "f10": 12.1997,
}


def result_file(*, runs: int = COUNT, growth_kb: int = GROWTH_KB, **changed: float) -> bytes:
    """What the tool writes for the figures above."""
    misc = floats(f1=1.40625) + varint(2, runs) + varint(3, 3) + floats(f4=13.05)
    memory = varint(1, 2560) + varint(2, growth_kb)
    return part(2, floats(**(LATENCY | changed))) + part(3, memory) + part(4, misc)
