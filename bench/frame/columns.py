"""What each column of a frame is: its name, its type and its meaning.

A missing value is NA, never zero. Units stand in the names. Categories that have an
order are ordered, so that a frame sorts the way a reader expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from bench.errors import StoreError

QUANTIZATIONS = ("float32", "float16", "dynamic_int8", "weight_int8", "int8", "int16x8", "int4")
STATUSES = ("ok", "failed", "skipped")
DELEGATIONS = ("none", "partial", "full")
FIDELITIES = ("reduced", "full")
PHASES = ("warm-up", "sample", "sustained")
READ_DURING = ("trial", "energy idle", "energy busy", "sustained")
STEPS = {  # of a memory pass
    "baseline": "before the library was loaded",
    "load": "after loading the model",
    "compile": "after compiling",
    "first": "after the first inference",
    "steady": "after more inferences",
}


class Column(NamedTuple):
    """A column of a frame."""

    name: str
    kind: str  # string, category, Int64, Float64, boolean, float64, int64 or time
    meaning: str
    order: tuple[str, ...] = ()  # of an ordered category

    @property
    def shown_kind(self) -> str:
        """The type as docs/formats.md tells it."""
        if self.order:
            return "category: " + " < ".join(self.order)
        return "datetime64, UTC" if self.kind == "time" else self.kind


RUN = (
    Column("sweep", "category", "name of the sweep"),
    Column("run", "category", "folder of the run: when it started, UTC"),
)
DEVICE = (
    Column("device", "category", "title of the device; a virtual one says so"),
    Column("device_id", "category", "the phone's own serial number, else adb's"),
    Column("device_model", "category", "model as the phone tells it"),
    Column("soc", "category", "system on a chip"),
    Column("android_release", "category", "version of Android"),
    Column("virtual", "boolean", "a virtual phone: not a phone's latency"),
    Column("fidelity", "category", "of a virtual phone's world", FIDELITIES),
    Column("emulated", "boolean", "runs another processor's programs: no latency at all"),
)
MODEL = (
    Column("model", "category", "name of the model"),
    Column("model_sha256", "category", "of the file that was measured"),
    Column("family", "category", "family of the zoo; NA for a user's file"),
    Column("alpha", "Float64", "width multiplier of MobileNet"),
    Column("scale", "Float64", "width factor of ShuffleNet"),
    Column("groups", "Int64", "groups of the pointwise convolutions"),
    Column("resolution", "Int64", "height and width of the input, pixels"),
    Column("quantization", "category", "scheme of the weights and activations", QUANTIZATIONS),
    Column("recipe", "category", "how it was quantized, in words"),
    Column("variant", "category", "options that are no axes of the papers"),
    Column("macs", "Int64", "multiply-accumulates of convolutions and fully connected layers"),
    Column("macs_conv", "Int64", "multiply-accumulates of the convolutions alone"),
    Column("params", "Int64", "parameters"),
    Column("size_bytes", "Int64", "size of the .tflite file"),
    Column(
        "published_top1_error_pct",
        "Float64",
        "top-1 error that others printed, percent; the report shows the same",
    ),
    Column("published_source", "category", "where it is printed"),
    Column("measured_top1_error_pct", "Float64", "top-1 error that the sweep file tells, percent"),
    Column("measured_dataset", "category", "data set that it was measured on"),
    Column("measured_runtime", "category", "runtime that it was measured with"),
    Column("check_snr_db", "Float64", "of a quantized model's outputs against its float parent's"),
    Column("check_top1_agreement", "Float64", "share of inputs on which both agree"),
    Column("check_reason", "category", "what is wrong with a quantized model's outputs"),
)
CONFIG = (
    Column("threads", "Int64", "threads asked for"),
    Column("delegate", "category", "delegate asked for"),
    Column("affinity", "category", "cores asked for"),
    Column("xnnpack", "category", "options of XNNPACK asked for"),
    Column("repetition", "Int64", "the same trial asked again, from 0"),
)
KEY = Column("key", "category", "name of the trial, unique in its run")
TRIES = Column("tries", "Int64", "starts that it took; tells the tries of one trial apart")
OUTCOME = (
    KEY,
    Column("index", "Int64", "place in the plan"),
    Column("status", "category", "how the trial ended", STATUSES),
    Column("stage", "category", "where it failed"),
    Column("reason", "string", "why it failed or was skipped"),
    Column("delegation", "category", "what the delegate took of the model", DELEGATIONS),
    Column("doubts", "string", "kinds of doubt, sorted, joined by a comma; empty: none"),
    TRIES,
    Column("final", "boolean", "how the trial ended; false: a try that another followed"),
    Column("waited_s", "Float64", "until the phone was fit, before all tries"),
    Column("waited_for", "string", "kinds of doubt that were waited for; empty: none"),
    Column("started_at", "time", "when its last try began, host clock"),
    Column("duration_s", "Float64", "the last try on the host, with its wait and all passes"),
    Column("pushed_bytes", "Int64", "sent to the phone for this trial"),
)
LATENCY = (
    Column("median_us", "Float64", "median of the samples"),
    Column("median_low_us", "Float64", "lower bound of the median's 95 % interval"),
    Column("median_high_us", "Float64", "upper bound of the median's 95 % interval"),
    Column("min_us", "Float64", "fastest sample"),
    Column("p90_us", "Float64", "90th percentile of the samples"),
    Column("p99_us", "Float64", "99th percentile of the samples"),
    Column("mad_us", "Float64", "median absolute deviation from the median, not scaled"),
    Column("samples", "Int64", "number of samples"),
)
PROCESS = (
    Column("warmups", "Int64", "number of warm-ups"),
    Column("first_inference_us", "Float64", "the first inference after compiling"),
    Column("init_us", "Float64", "opening the library, the environment and the model"),
    Column("compile_us", "Float64", "compiling the model"),
    Column("memory_before_load_kb", "Int64", "peak resident set before the library was loaded"),
    Column("memory_after_compile_kb", "Int64", "peak resident set after compiling"),
    Column("peak_memory_kb", "Int64", "peak resident set at the end"),
    Column("stopped_by", "category", "what ended the sampling"),
    Column("clock", "category", "clock of the samples"),
    Column("input_source", "category", "seeded, or the sha256 of an input file"),
    Column("affinity_mask", "category", "cores obtained, hexadecimal"),
    Column("background_busy_cores", "Float64", "kept busy by others while it sampled"),
)
HOST_CHECK = (
    Column("host_snr_db", "Float64", "of the outputs against the host's; NA: nothing differs, too"),
    Column("host_top1_agreement", "Float64", "share of inputs on which both agree"),
    Column("host_check_reason", "category", "what is wrong with the outputs"),
)
MEMORY = tuple(
    Column(f"memory_{step}_{short}_kb", "Int64", f"{what} {when}")
    for short, what in (("pss", "proportional set size"), ("peak", "peak resident set"))
    for step, when in STEPS.items()
)
ENERGY = (
    Column("energy_mj", "Float64", "of one inference, all that the phone drew"),
    Column("energy_low_mj", "Float64", "lower bound of its 95 % interval"),
    Column("energy_high_mj", "Float64", "upper bound of its 95 % interval"),
    Column("energy_net_mj", "Float64", "of one inference, beyond what it drew while idle"),
    Column("energy_net_low_mj", "Float64", "lower bound of its 95 % interval"),
    Column("energy_net_high_mj", "Float64", "upper bound of its 95 % interval"),
    Column("energy_source", "category", "power_supply or dumpsys"),
    Column("energy_not_told", "category", "why none can be told, though it was asked for"),
)
SUSTAINED = (
    Column("sustained_s", "Float64", "time in inferences of the run that went on"),
    Column(
        "sustained_first_minute_us", "Float64", "its median at first, see bench.stats.sustained"
    ),
    Column("sustained_last_minute_us", "Float64", "its median at last"),
    Column("sustained_ratio", "Float64", "last over first: above 1 it became slower"),
)
REPORTED = (
    Column("reported_by", "category", "tool that ran instead of the runner and kept its samples"),
    Column("reported_count", "Int64", "samples that it speaks of"),
    Column("reported_mean_us", "Float64", "their mean"),
    Column("reported_median_us", "Float64", "their median, from tools that tell it"),
    Column("reported_std_us", "Float64", "their standard deviation"),
)
STATE = (
    Column("thermal_status_before", "Int64", "0 none to 6 shutdown"),
    Column("thermal_status_after", "Int64", "0 none to 6 shutdown"),
    Column("battery_level_before", "Int64", "percent"),
    Column("battery_level_after", "Int64", "percent"),
    Column("battery_temp_before_c", "Float64", "degrees Celsius"),
    Column("battery_temp_after_c", "Float64", "degrees Celsius"),
    Column("charging_before", "boolean", "on a charger"),
    Column("load_before_1min", "Float64", "load average of one minute"),
)
BINARIES = (
    Column("runner", "category", "program that measured"),
    Column("runner_version", "category", "version of the runner"),
    Column("runner_sha256", "category", "of the runner's binary"),
    Column("library_version", "category", "version of the LiteRT library"),
    Column("library_sha256", "category", "of the LiteRT library; NA: a part of the runner"),
    Column("abi", "category", "ABI of both"),
)

TRIAL_COLUMNS = (
    *RUN, *DEVICE, *MODEL, *CONFIG, *OUTCOME, *LATENCY, *PROCESS, *REPORTED, *HOST_CHECK,
    *MEMORY, *ENERGY, *SUSTAINED, *STATE, *BINARIES,
)  # fmt: skip

CELL_COLUMNS = (
    *DEVICE,
    *MODEL,
    *CONFIG[:4],
    Column("trials", "Int64", "trials of this cell, however they ended"),
    Column("repetitions", "Int64", "of them ok: what the figures are of"),
    Column("median_us", "Float64", "median of the repetitions' medians"),
    Column("median_low_us", "Float64", "lower bound of its interval, see bench.stats.pool"),
    Column("median_high_us", "Float64", "upper bound of its interval, see bench.stats.pool"),
    Column("samples", "Int64", "number of samples in all repetitions"),
    Column("first_inference_us", "Float64", "median of the repetitions' first inferences"),
    Column("init_us", "Float64", "median over the repetitions"),
    Column("compile_us", "Float64", "median over the repetitions"),
    Column("peak_memory_kb", "Int64", "highest of the repetitions"),
    Column("memory_steady_pss_kb", "Int64", "highest of the repetitions"),
    Column("energy_mj", "Float64", "of one inference, median over the repetitions"),
    Column("energy_low_mj", "Float64", "lowest bound of any repetition's interval"),
    Column("energy_high_mj", "Float64", "highest bound of any repetition's interval"),
    Column("energy_net_mj", "Float64", "beyond what was drawn idle, median over the repetitions"),
    Column("sustained_ratio", "Float64", "median over the repetitions"),
    Column("delegation", "category", "the least that any repetition obtained", DELEGATIONS),
    Column("doubts", "string", "kinds of doubt of any repetition, or of all together; empty: none"),
)

SAMPLE_AXES = (
    "sweep", "run", "key", "device", "device_id", "virtual", "model", "family", "alpha", "scale",
    "groups", "resolution", "quantization", "macs", "threads", "delegate", "affinity", "xnnpack",
    "repetition", "tries",
)  # fmt: skip
SAMPLE_COLUMNS = (
    *(column for column in TRIAL_COLUMNS if column.name in SAMPLE_AXES),
    Column("phase", "category", "only those of phase sample are a trial's samples", PHASES),
    Column("index", "int64", "place within its phase, from 0"),
    Column("latency_us", "float64", "one timed inference"),
)


OP_COLUMNS = (
    *(
        column
        for column in TRIAL_COLUMNS
        if column.name in SAMPLE_AXES and column.name not in ("family", "macs", "tries")
    ),
    Column("index", "Int64", "in the order that they ran, from 0"),
    Column("op", "category", "type of the operator, as the runtime calls it"),
    Column("name", "category", "name of the operator"),
    Column("mean_us", "Float64", "its time in one inference"),
    Column("op_delegate", "category", "who ran it; NA: the builtin kernels, or not told"),
)


SERIES_COLUMNS = (
    *(column for column in TRIAL_COLUMNS if column.name in SAMPLE_AXES),
    Column("phase", "category", "what ran meanwhile, in a process of its own each", READ_DURING),
    Column("at_s", "float64", "since reading began, anew in each phase"),
    Column("source", "category", "core N, the first of its cluster; a sensor's name; or gauge"),
    Column("current_khz", "Int64", "clock, of a core"),
    Column("max_khz", "Int64", "highest clock allowed, of a core"),
    Column("temp_c", "Float64", "of a sensor"),
    Column("current_ma", "Float64", "out of the battery, by its gauge; negative: into it"),
    Column("voltage_mv", "Float64", "of the battery"),
)


VERDICTS = ("slower", "faster", "can't tell", "same")
METHODS = ("rank", "t")
PAIR_COLUMNS = (
    Column("model", "category", "name of the model"),
    Column("device_a", "category", "title of the device of the first side"),
    Column("device_b", "category", "title of the device of the second side"),
    Column("virtual", "boolean", "either is a virtual phone: not a phone's latency"),
    *CONFIG[:4],
    Column("median_a_us", "Float64", "of the first side, as in load_cells"),
    Column("median_b_us", "Float64", "of the second side"),
    Column("ratio", "Float64", "second over first: above 1 the second takes longer"),
    Column("ratio_low", "Float64", "lower bound of the ratio's 95 % interval"),
    Column("ratio_high", "Float64", "upper bound of the ratio's 95 % interval"),
    Column("method", "category", "what tells the interval and the verdict", METHODS),
    Column("repetitions_a", "Int64", "ok repetitions of the first side"),
    Column("repetitions_b", "Int64", "ok repetitions of the second side"),
    Column("verdict", "category", "of the second side, at the threshold", VERDICTS),
    Column("reason", "string", "why it can't be told"),
)


def series_of(column: Column, values: Sequence[Any]) -> Any:
    """A pandas array of the column's type; None becomes NA."""
    if column.kind == "category":
        return _category(column, values)
    if column.kind == "time":
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=True, errors="coerce",
                              format="ISO8601")  # fmt: skip
    dtype: Any = column.kind
    try:
        return pd.array(values, dtype=dtype)
    except OverflowError as error:
        raise StoreError(f"column {column.name} holds a number beyond 64 bits.") from error


def _category(column: Column, values: Sequence[Any]) -> Any:
    if not column.order:
        return pd.Categorical(values)
    beyond = sorted({v for v in values if v is not None} - set(column.order))
    return pd.Categorical(values, categories=[*column.order, *beyond], ordered=True)
