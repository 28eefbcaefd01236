"""The records that everything else passes around, and their form on disk.

All are frozen and refuse nonsense when made; `None` means "not told", zero is zero.
Raw samples are the truth: no record holds a statistic. Units stand in the names:
`_us` microseconds, `_s` seconds, `_kb` 1024 bytes, `_c` degrees Celsius, `_khz`.

Schema history (`SCHEMA` is written into every plan and trial):
    1  first form.
"""

from bench.records.base import SCHEMA, Record, decode, encode, to_plain
from bench.records.device import (
    Cluster,
    Device,
    DeviceState,
    Moment,
    device_id,
    device_title,
    device_titles,
)
from bench.records.model import Check, Measured, Model, ModelSpec, Published
from bench.records.plan import (
    Config,
    Delegate,
    Fitness,
    Plan,
    PlannedTrial,
    Precision,
    RunnerName,
    sharers,
    trial_key,
)
from bench.records.trial import (
    Delegation,
    Doubt,
    DoubtKind,
    Energy,
    Measurement,
    Memory,
    MemoryAt,
    MemoryPass,
    OpTime,
    Output,
    Reported,
    RunnerIdentity,
    Status,
    Sustained,
    Trial,
    Usage,
)

__all__ = [
    "SCHEMA",
    "Check",
    "Cluster",
    "Config",
    "Delegate",
    "Delegation",
    "Device",
    "DeviceState",
    "Doubt",
    "DoubtKind",
    "Energy",
    "Fitness",
    "Measured",
    "Measurement",
    "Memory",
    "MemoryAt",
    "MemoryPass",
    "Model",
    "ModelSpec",
    "Moment",
    "OpTime",
    "Output",
    "Plan",
    "PlannedTrial",
    "Precision",
    "Published",
    "Record",
    "Reported",
    "RunnerIdentity",
    "RunnerName",
    "Status",
    "Sustained",
    "Trial",
    "Usage",
    "decode",
    "device_id",
    "device_title",
    "device_titles",
    "encode",
    "sharers",
    "to_plain",
    "trial_key",
]
