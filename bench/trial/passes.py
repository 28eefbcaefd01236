"""What is looked at in processes of its own, because it disturbs the latency."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from bench.device import watched
from bench.errors import DeviceTimeout, RunnerError
from bench.records import Doubt, Precision, Sustained
from bench.trial.attempt import Attempt
from bench.trial.energy import take_energy
from bench.trial.process import Process

T = TypeVar("T")

MOST_SAMPLES = 1_000_000  # the runner's limit


class Passes(NamedTuple):
    """Which of them a trial has."""

    profile: bool = False  # times of the operators
    memory: bool = False  # after each step
    energy: bool = False
    sustained_s: float = 0.0  # a run that goes on for so long; 0: none


LATENCY_ALONE = Passes()


def take(passes: Passes, latency: Process, attempt: Attempt) -> None:
    """Take the passes that were asked for; one that fails is a doubt, and leaves the rest."""
    if passes.profile:
        tried("profile", lambda: _profile(latency, attempt), attempt)
    if passes.memory:
        tried("memory", lambda: _memory(latency, attempt), attempt)
    if passes.energy:
        tried("energy", lambda: take_energy(latency, attempt), attempt)
    if passes.sustained_s:
        tried("sustained", lambda: _sustain(latency, passes.sustained_s, attempt), attempt)


def _profile(latency: Process, attempt: Attempt) -> None:
    process = latency._replace(start=latency.start._replace(profile=True))
    attempt.adds(ops=process.run(attempt).ops)


def _memory(latency: Process, attempt: Attempt) -> None:
    process = latency._replace(start=latency.start._replace(memory=True))
    memory = process.run(attempt).memory
    if memory is None:
        raise RunnerError("The runner told nothing of its memory.", stage="memory")
    attempt.adds(memory=memory)


def _sustain(latency: Process, seconds: float, attempt: Attempt) -> None:
    precision = Precision(
        interval=0,
        min_samples=1,
        max_samples=MOST_SAMPLES,
        max_seconds=seconds,
        warmup_max_seconds=0,  # how the latency rises from the first second on is the question
    )
    process = latency._replace(start=latency.start._replace(precision=precision))
    with watched(latency.phone) as series:
        measured = process.run(attempt).measurement
    if measured is None:
        raise RunnerError(
            f"{latency.runner.identity.name} keeps its samples to itself.", stage="sustained"
        )
    attempt.adds(sustained=Sustained(samples_us=measured.samples_us, series=tuple(series)))
    if measured.stopped_by == "max_samples":
        told_s = sum(measured.samples_us) / 1e6
        attempt.doubted(
            Doubt(
                kind="pass failed",
                message=f"sustained: it ended after {told_s:.0f} of {seconds:.0f} s, with"
                f" {len(measured.samples_us)} samples, the most that a process keeps",
                cure="let a larger model, or a larger batch, go on for so long",
                numbers={"told_s": told_s, "sustained_s": seconds},
            )
        )


def tried(name: str, run: Callable[[], T], attempt: Attempt) -> T | None:
    """What a pass gave; a doubt in its place when it failed."""
    try:
        return run()
    except (RunnerError, DeviceTimeout) as error:
        attempt.doubted(
            Doubt(
                kind="pass failed",
                message=f"{name}: {error}",
                cure="none needed for the latency; the log holds what the runner said",
            )
        )
        return None
