"""Samples and series of some trials as frames, as far as plots ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bench.frame.cells import Cell, Done
from bench.frame.series import Readings
from bench.records import Moment


def samples_frame(
    cell: Cell, done: Done, titles: dict[str, str], samples_us: Sequence[float]
) -> pd.DataFrame:
    """Samples of a trial as `bench.load_samples` would tell them."""
    return pd.DataFrame(
        {
            **start_of(done),
            "device": titles[cell.device_id],
            "device_id": cell.device_id,
            "virtual": cell.virtual,
            "model": cell.model.name,
            "threads": cell.config.threads,
            "delegate": cell.config.delegate,
            "affinity": cell.config.affinity,
            "xnnpack": cell.config.xnnpack,
            "repetition": done.trial.repetition,
            "phase": "sample",
            "latency_us": samples_us,
        }
    )


def series_frame(told: Iterable[tuple[Done, Sequence[Moment]]]) -> pd.DataFrame:
    """What was read during some starts, as `bench.load_series` would tell it."""
    read = Readings()
    starts = [start_of(done) for done, series in told if read.add([series])]
    return read.frame(pd.DataFrame(starts, columns=["sweep", "run", "key", "tries"]))


def start_of(done: Done) -> dict[str, Any]:
    """What names a start."""
    trial = done.trial
    return {"sweep": "", "run": str(done.run), "key": trial.key, "tries": trial.tries}
