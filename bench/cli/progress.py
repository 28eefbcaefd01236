"""A sweep's progress: live lines on a terminal, plain ones elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bench.cli.screen import console, milliseconds, printable, seconds, warn
from bench.doubts import IN_TITLE
from bench.records import Device, PlannedTrial, Trial, device_id, device_titles

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bench.engine import Event, SweepStarted

NAME_LIMIT = 60  # characters of a model's name on a line


class Screen:
    """Shows the events of a sweep as they come; a context that puts the terminal right again."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Progress | None = None
        self._phones: dict[str, _Phone] = {}
        self._total = 0
        self._doubtful = 0
        self._widths = (0, 0)  # of the devices' titles and of the models' names

    def __enter__(self) -> Screen:
        if sys.stdout.isatty() and not self._quiet:
            self._live = _progress()
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def doubtful(self) -> int:
        """Trials that were doubted."""
        return self._doubtful

    def show(self, event: Event) -> None:
        """Show one event of `bench.engine`."""
        from bench import engine

        match event:
            case engine.SweepStarted():
                self._begin(event)
            case engine.TrialStarted(device, planned):
                self._phone(device).begin(planned)
            case engine.TrialEnded(device, trial):
                self._phone(device).end(trial)
                self._line(device, trial)
            case engine.TrialRepeated(device, trial, reason):
                self._print(
                    f"  {self._phone(device).title}: {printable(trial.model, NAME_LIMIT)} will be"
                    f" tried again, {reason}"
                )
                self._phone(device).waits(reason)
            case engine.PhoneUnfit(device, doubt, max_wait_s):
                self._print(
                    f"  {self._phone(device).title}: waiting, {doubt.kind}: {doubt.message}"
                    f" (at most {seconds(max_wait_s)})"
                )
                self._phone(device).waits(doubt.kind)
            case engine.PhoneNoted(device, note):
                self._print(f"  {self._phone(device).title}: {note}")
            case engine.PhoneWaited(device, reason):
                warn(f"{self._phone(device).title}: {reason} Waiting for it to come back.")
            case engine.PhoneStopped(device, _):
                self._phone(device).stop("given up")
            case engine.PhoneDone(device):
                self._phone(device).stop("done")

    def _begin(self, event: SweepStarted) -> None:
        devices, plan = event.devices, event.plan
        self._total = len(plan.trials)
        names = [printable(model.name, NAME_LIMIT) for model in event.models]
        titles = device_titles(devices)
        self._widths = (max(map(len, titles.values())), max(map(len, names)))
        for device in devices:
            title = printable(titles[device_id(device)], NAME_LIMIT)
            self._phones[device_id(device)] = _Phone(title, self._total, self._live)
        parts = [
            _count(len(devices), "phone"),
            _count(len(names), "model"),
            _count(len({trial.config for trial in plan.trials}), "config"),
            _count(plan.repetitions, "repetition"),
        ]
        self._print(f"{' · '.join(parts)} = {_count(event.trials, 'trial')}")
        for device, runner in zip(devices, event.runners, strict=True):
            self._print(f"  {self._phone(device).title}  {_facts(device)}")
            if runner.why is not None:
                self._print(f"    measured with {runner.name}: {runner.why}")
        if any(device.virtual for device in devices):
            self._print("  A virtual phone runs on this computer: its latencies are not a phone's.")
        for reason, count in event.skips.items():
            self._print(f"  {_count(count, 'trial')} will be skipped: {reason}")
        if event.done:
            self._print(f"  {_count(event.done, 'trial')} measured before; going on.")
        self._print("")

    def _phone(self, device: Device) -> _Phone:
        return self._phones[device_id(device)]

    def _line(self, device: Device, trial: Trial) -> None:
        phone = self._phone(device)
        config = trial.config
        total = str(self._total)
        parts = [
            f"[{phone.done:{len(total)}}/{total}]",
            phone.title.ljust(self._widths[0]),
            printable(trial.model, NAME_LIMIT).ljust(self._widths[1]),
            f"{config.delegate} {_count(config.threads, 'thread')}",
        ]
        if config.affinity != "default":
            parts.append(config.affinity)
        if config.xnnpack != "default":
            parts.append(config.xnnpack)
        parts.append(_result(trial, emulated=device.emulated))
        left = phone.time_left_s()
        if trial.waited_s:
            parts.append(f"waited {seconds(trial.waited_s)}")
        if self._live is None and left:
            parts.append(f"{seconds(left)} left")
        kinds = [doubt.kind for doubt in trial.doubts if doubt.kind not in IN_TITLE]
        if kinds:
            parts.append(f"doubt: {', '.join(kinds)}")
            self._doubtful += 1
        self._print("  ".join(parts))

    def _print(self, text: str) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(printable(text))
        else:
            print(printable(text), flush=True)


class _Phone:
    """Counts and times one phone's trials."""

    def __init__(self, title: str, total: int, live: Progress | None) -> None:
        self.title = title
        self.done = 0
        self._total = total
        self._measured_s = 0.0
        self._measured = 0
        self._shared_by = 1
        self._live = live
        self._task: TaskID | None = None
        if live is not None:
            self._task = live.add_task(title, total=total, now="", left="")

    def begin(self, planned: PlannedTrial) -> None:
        self.done = planned.index
        self._show(now=printable(planned.model, NAME_LIMIT), completed=self.done)

    def end(self, trial: Trial) -> None:
        self.done = trial.index + 1
        self._measured += 1
        self._measured_s += trial.duration_s
        self._shared_by = trial.shared_by
        left = self.time_left_s()
        self._show(completed=self.done, left=f"{seconds(left)} left" if left else "")

    def waits(self, why: str) -> None:
        self._show(now=f"waiting: {why}")

    def stop(self, why: str) -> None:
        self._show(now=why, left="")

    def time_left_s(self) -> float:
        """What the trials so far took on average, times those to come."""
        mean_s = self._measured_s / max(self._measured, 1)
        return mean_s * (self._total - self.done) / self._shared_by

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


def _result(trial: Trial, *, emulated: bool) -> str:
    if trial.reported is not None:
        told = trial.reported
        return f"mean {milliseconds(told.mean_us):>7} ms        {told.count:5} samples, reported"
    if trial.status == "skipped":
        return "skipped"
    if trial.measurement is None:
        return f"{trial.status}: {trial.reason}"
    from bench import stats

    samples = trial.measurement.samples_us
    if emulated:
        return f"{_count(len(samples), 'sample')}, emulated, not a latency"
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
