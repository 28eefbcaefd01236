"""A whole plan over all phones: one worker a phone, retry, resume, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine.choose import MayFetch
from bench.engine.events import (
    Event,
    Outcome,
    PhoneDone,
    PhoneNoted,
    PhoneStopped,
    PhoneUnfit,
    PhoneWaited,
    SweepStarted,
    TrialEnded,
    TrialRepeated,
    TrialStarted,
)
from bench.engine.prepare import (
    Connect,
    make_models,
    model_cache,
    open_run,
    plan_of,
    skips,
    stations_of,
)
from bench.engine.work import PATIENCE, Patience, groups_of, run_all, workers_of
from bench.sweep import Sweep

if TYPE_CHECKING:
    from bench.zoo.host import HostRuntime

__all__ = [
    "Connect",
    "Event",
    "Outcome",
    "Patience",
    "PhoneDone",
    "PhoneNoted",
    "PhoneStopped",
    "PhoneUnfit",
    "PhoneWaited",
    "SweepStarted",
    "TrialEnded",
    "TrialRepeated",
    "TrialStarted",
    "make_models",
    "model_cache",
    "run_sweep",
]


def run_sweep(
    sweep: Sweep,
    targets: Sequence[str],
    *,
    connect: Connect,
    results: Path = Path("results"),
    resume: bool = False,
    may_fetch: MayFetch = lambda abi: False,
    host_runtime: HostRuntime = "ai-edge-litert",
    patience: Patience = PATIENCE,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Run every trial of a sweep that is not yet final, on every phone; keep what is measured.

    With `resume` the newest run of this sweep goes on, else a new run begins. A LiteRT library
    that a phone needs is downloaded if `may_fetch` says so of its ABI, else RuntimeMissing.
    The host runtime is what quantized models are checked with before anything is measured.
    Ctrl-C (KeyboardInterrupt) stops the phones and returns with `interrupted` set.
    """
    models = make_models(sweep, host_runtime)
    stations = stations_of(targets, connect, sweep.runner, may_fetch)
    plan = plan_of(sweep, models, stations)
    writer, done = open_run(sweep, plan, stations, models, results, resume)
    try:
        devices = tuple(station.device for station in stations)
        runners = tuple(station.runners[0].identity for station in stations)
        trials = len(plan.trials) * len(groups_of(stations, shard=plan.shard))
        measured = sum(len(keys) for keys in done.values())
        on_event(
            SweepStarted(
                writer.path, devices, runners, models, plan, trials, measured, skips(stations, plan)
            )
        )
        workers = workers_of(stations, plan, models, done, connect, patience)
        return run_all(workers, writer, on_event)
    finally:
        writer.close()
