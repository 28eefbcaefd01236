"""A sweep's progress: live lines on a terminal, plain ones elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bench.cli.screen import console, milliseconds, printable, seconds, warn
from bench.records import Device, PlannedTrial, Trial, device_id, device_title

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bench.engine import Event

NAME_LIMIT = 60  # characters of a model's name on a line


class Screen:
    """Shows the events of a sweep as they come; a context that puts the terminal right again."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Progress | None = None
        self._phones: dict[str, _Phone] = {}
        self._total = 0

    def __enter__(self) -> Screen:
        if sys.stdout.isatty() and not self._quiet:
            self._live = _progress()
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: Event) -> None:
        """Show one event of `bench.engine`."""
        from bench import engine

        match event:
            case engine.SweepStarted():
                self._begin(event.devices, len(event.models), event.plan, event.done)
            case engine.TrialStarted(device, planned):
                self._phone(device).begin(planned)
            case engine.TrialEnded(device, trial):
                self._phone(device).end(trial)
                self._line(device, trial)
            case engine.PhoneWaited(device, reason):
                warn(f"{device_title(device)}: {reason} Waiting for it to come back.")
            case engine.PhoneStopped(device, _):
                self._phone(device).stop("given up")
            case engine.PhoneDone(device):
                self._phone(device).stop("done")

    def _begin(self, devices: tuple[Device, ...], models: int, plan: Any, done: int) -> None:
        self._total = len(plan.trials)
        for device in devices:
            self._phones[device_id(device)] = _Phone(device, self._total, self._live)
        configs = len({trial.config for trial in plan.trials})
        parts = [
            _count(len(devices), "phone"),
            _count(models, "model"),
            _count(configs, "config"),
            _count(plan.repetitions, "repetition"),
        ]
        self._print(f"{' · '.join(parts)} = {_count(self._total * len(devices), 'trial')}")
        for device in devices:
            self._print(f"  {device_title(device)}  {_facts(device)}")
        if any(device.virtual for device in devices):
            self._print("  A virtual phone runs on this computer: its latencies are not a phone's.")
        if done:
            self._print(f"  {_count(done, 'trial')} measured before; going on.")
        self._print("")

    def _phone(self, device: Device) -> _Phone:
        return self._phones[device_id(device)]

    def _line(self, device: Device, trial: Trial) -> None:
        phone = self._phone(device)
        config = trial.config
        parts = [
            f"[{phone.done}/{self._total}]",
            device_title(device),
            printable(trial.model, NAME_LIMIT),
            f"{config.delegate} {_count(config.threads, 'thread')}",
        ]
        if config.affinity != "default":
            parts.append(config.affinity)
        parts.append(_result(trial))
        left = phone.time_left_s()
        if self._live is None and left:
            parts.append(f"({seconds(left)} left)")
        self._print("  ".join(parts))
        for doubt in trial.doubts:
            self._print(f"        doubt: {doubt.message}; {doubt.cure}")

    def _print(self, text: str) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(printable(text))
        else:
            print(printable(text), flush=True)


class _Phone:
    """Counts and times one phone's trials."""

    def __init__(self, device: Device, total: int, live: Progress | None) -> None:
        self.done = 0
        self._total = total
        self._measured_s = 0.0
        self._measured = 0
        self._live = live
        self._task: TaskID | None = None
        if live is not None:
            self._task = live.add_task(device_title(device), total=total, now="", left="")

    def begin(self, planned: PlannedTrial) -> None:
        self.done = planned.index
        self._show(now=printable(planned.model, NAME_LIMIT), completed=self.done)

    def end(self, trial: Trial) -> None:
        self.done = trial.index + 1
        self._measured += 1
        self._measured_s += trial.duration_s
        left = self.time_left_s()
        self._show(completed=self.done, left=f"{seconds(left)} left" if left else "")

    def stop(self, why: str) -> None:
        self._show(now=why, left="")

    def time_left_s(self) -> float:
        """What the trials so far took on average, times those to come."""
        return self._measured_s / max(self._measured, 1) * (self._total - self.done)

    def _show(self, **fields: Any) -> None:
        if self._live is not None and self._task is not None:
            self._live.update(self._task, **fields)


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[now]}", markup=False),
        console=console(),
    )


def _result(trial: Trial) -> str:
    if trial.measurement is None:
        return f"{trial.status}: {trial.reason}"
    from bench import stats

    samples = trial.measurement.samples_us
    share = stats.half_width_share(samples)
    spread = f" ±{share:.1%}" if share is not None else ""
    return (
        f"median {milliseconds(stats.median(samples))} ms{spread}  {_count(len(samples), 'sample')}"
    )


def _facts(device: Device) -> str:
    facts = [
        f"Android {device.android_release}" if device.android_release else None,
        device.soc,
        device.abis[0] if device.abis else None,
        device.serial,
    ]
    return printable(", ".join(fact for fact in facts if fact))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
