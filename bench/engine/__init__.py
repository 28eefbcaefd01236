"""A whole plan over all phones: one worker a phone, retry, resume, progress."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine.choose import MayFetch
from bench.engine.events import (
    Event,
    ModelReady,
    Outcome,
    PhoneDone,
    PhoneFit,
    PhoneMissing,
    PhoneNoted,
    PhoneStopped,
    PhoneUnfit,
    PhoneWaited,
    Share,
    SweepStarted,
    TrialEnded,
    TrialRepeated,
    TrialStarted,
)
from bench.engine.prepare import (
    Connect,
    host_check_of,
    make_models,
    model_cache,
    open_run,
    plan_of,
    reach_phones,
    skips,
)
from bench.engine.work import PATIENCE, Patience, run_all, shares_of, workers_of
from bench.records import device_id
from bench.sweep import Sweep

if TYPE_CHECKING:
    from bench.zoo.host import HostRuntime

__all__ = [
    "Connect",
    "Event",
    "ModelReady",
    "Outcome",
    "Patience",
    "PhoneDone",
    "PhoneFit",
    "PhoneMissing",
    "PhoneNoted",
    "PhoneStopped",
    "PhoneUnfit",
    "PhoneWaited",
    "Share",
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
    host_runtime: HostRuntime | None = "ai-edge-litert",
    patience: Patience = PATIENCE,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Run every trial of a sweep that is not yet final, on every phone; keep what is measured.

    With `resume` the newest run of this sweep goes on, else a new run begins. A LiteRT library
    that a phone needs is downloaded if `may_fetch` says so of its ABI, else RuntimeMissing.
    The host runtime is what quantized models are checked with before anything is measured, and
    what the outputs of phones are held against; None: neither.
    Ctrl-C (KeyboardInterrupt) stops the phones and returns with `interrupted` set.
    """
    models = make_models(sweep, host_runtime, on_event)
    host = host_check_of(sweep, models, host_runtime, on_event)
    with contextlib.ExitStack() as until:
        phones = reach_phones(targets, connect, sweep.runner, may_fetch, patience.poll_s, until)
        plan = plan_of(sweep, models, phones.devices)
        run = open_run(sweep, plan, phones.devices, models, results, resume)
        until.callback(run.writer.close)
        present = [device_id(device) for device in phones.devices]
        shares = shares_of(run.devices, present, plan, run.done)
        on_event(
            SweepStarted(
                run.writer.path,
                tuple(station.device for station in phones.stations),
                tuple(station.runners[0].identity for station in phones.stations),
                models,
                plan,
                shares,
                skips(phones.stations, plan),
            )
        )
        for target, missing in phones.missing.items():
            on_event(PhoneMissing(target, missing))
        for device, error in phones.busy.values():
            on_event(PhoneStopped(device, error))
        stations = [station._replace(host=host) for station in phones.stations]
        workers = workers_of(
            stations, phones.holds, shares, plan, models, run.done, connect, patience
        )
        busy = {one: error for one, (_, error) in phones.busy.items()}
        # A phone that is missing may be any of the run's that are not here.
        all_of_it = [device_id(device) for device in run.devices] if phones.missing else present
        planned = shares_of(run.devices, all_of_it, plan, run.done)
        left = sum(share.total - share.done for share in planned)
        not_begun = {**phones.missing, **busy}
        return run_all(workers, not_begun, run.writer, on_event, left, run.tried)
