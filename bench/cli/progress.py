"""A sweep's progress: live lines on a terminal, plain ones elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.cli.screen import console, milliseconds, printable, seconds, warn
from bench.doubts import IN_TITLE
from bench.records import Device, PlannedTrial, Trial, device_id, device_titles

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from bench.engine import Event, ModelReady, SweepStarted

WORD_EVERY_S = 3.0  # while models are prepared
NAME_LIMIT = 60  # characters of a model's name on a line
COUNTS_WIDTH = 24  # characters: "1234/1234", "89 min left" and what is between
BAR_WIDTH = 24
BAR_FROM_WIDTH = 110  # of a terminal that has room for the names beside it
_Kind = tuple[bool, bool]  # of a trial: of its cell's first repetition, and of its last


class Screen:
    """Shows the events of a sweep as they come; a context that puts the terminal right again."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Progress | None = None
        self._phones: dict[str, _Phone] = {}
        self.doubtful = 0  # trials that were doubted
        self.done_before = 0  # trials that an earlier start of this run has measured
        self._cool_down_s = 0.0
        self._next_word_s = time.monotonic() + WORD_EVERY_S
        self._widths = (0, 0)  # of the devices' titles and of the models' names

    def __enter__(self) -> Screen:
        if sys.stdout.isatty() and not self._quiet:
            self._live = _progress(console())
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question, which live lines would wipe away."""
        if self._live is None:
            yield
            return
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def show(self, event: Event) -> None:
        """Show one event of `bench.engine`."""
        from bench import engine

        match event:
            case engine.ModelReady():
                self._prepare(event)
            case engine.SweepStarted():
                self._begin(event)
            case engine.TrialStarted(device, planned):
                self._phone(device).begin(planned)
            case engine.TrialEnded(device, trial):
                self._phone(device).end(trial.repetition, skipped=trial.status == "skipped")
                self._line(device, trial)
            case engine.TrialRepeated(device, trial, reason):
                if reason == "throttled":
                    reason += f", after a cool-down of {seconds(self._cool_down_s)}"
                self._print(
                    f"  {self._phone(device).title}: {printable(trial.model, NAME_LIMIT)} will be"
                    f" tried again: {reason}"
                )
                self._phone(device).waits(reason)
            case engine.PhoneUnfit(device, doubt, max_wait_s):
                self._print(
                    f"  {self._phone(device).title}: waiting, {doubt.kind}: {doubt.message}"
                    f" (at most {seconds(max_wait_s)})"
                )
                self._phone(device).waits(doubt.kind)
            case engine.PhoneFit(device):
                self._phone(device).goes_on()
            case engine.PhoneMissing(target, _):
                warn(f"{printable(target)} can't be reached; the sweep begins without it.")
            case engine.PhoneNoted(device, note):
                self._print(f"  {self._phone(device).title}: {note}")
            case engine.PhoneWaited(device, reason):
                warn(f"{self._phone(device).title}: {reason} Waiting for it to come back.")
                self._phone(device).waits("for the phone")
            case engine.PhoneStopped(device, _):
                self._phone(device).stop("given up")
            case engine.PhoneDone(device):
                self._phone(device).stop("done")

    def _prepare(self, event: ModelReady) -> None:
        """Models take seconds only where there are many that no sweep has had before."""
        told = f"  models {event.step}: {event.done} of {event.total}"
        if time.monotonic() >= self._next_word_s:
            self._next_word_s = time.monotonic() + WORD_EVERY_S
            self._print(told)

    def _begin(self, event: SweepStarted) -> None:
        devices, plan = event.devices, event.plan
        self._cool_down_s = plan.fitness.cool_down_s
        names = [printable(model.name, NAME_LIMIT) for model in event.models]
        titles = device_titles(devices)
        self._widths = (max(map(len, titles.values())), max(map(len, names)))
        skipped_share = sum(event.skips.values()) / max(event.trials, 1)
        for share in event.shares:
            skips = round(skipped_share * (share.total - share.done))
            counted = _Share(share.total, share.done, plan.repetitions, plan.sustained_s, skips)
            for one in share.devices:
                if one in titles:
                    title = printable(titles[one], NAME_LIMIT)
                    self._phones[one] = _Phone(title, counted, self._live)
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
        self.done_before = event.done
        if event.done:
            then = "going on" if event.done < event.trials else "none is left"
            self._print(f"  {_count(event.done, 'trial')} measured before; {then}.")
        if event.done < event.trials:
            self._print("")

    def _phone(self, device: Device) -> _Phone:
        """A phone that somebody else holds is none of those that the sweep began with."""
        one = device_id(device)
        if one not in self._phones:
            title = printable(device_titles([device])[one], NAME_LIMIT)
            self._phones[one] = _Phone(title, _Share(), self._live)
        return self._phones[one]

    def _line(self, device: Device, trial: Trial) -> None:
        phone = self._phone(device)
        config = trial.config
        total = str(phone.share.total)
        parts = [
            f"[{phone.share.done:{len(total)}}/{total}]",
            phone.title.ljust(self._widths[0]),
            printable(trial.model, NAME_LIMIT).ljust(self._widths[1]),
            f"{config.delegate} {_count(config.threads, 'thread')}",
        ]
        if config.affinity != "default":
            parts.append(config.affinity)
        if config.xnnpack != "default":
            parts.append(config.xnnpack)
        parts.append(_result(trial, emulated=device.emulated))
        left = phone.share.time_left_s()
        if trial.waited_s:
            parts.append(f"waited {seconds(trial.waited_s)}")
        if self._live is None and left:
            parts.append(f"{seconds(left)} left")
        kinds = [doubt.kind for doubt in trial.doubts if doubt.kind not in IN_TITLE]
        if kinds:
            parts.append(f"doubt: {', '.join(kinds)}")
            self.doubtful += 1
        self._print("  ".join(parts))

    def _print(self, text: str) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(printable(text))
        else:
            print(printable(text), flush=True)


class _Share:
    """Counts and times the trials of a plan, which identical phones may split."""

    def __init__(
        self,
        total: int = 0,
        done: int = 0,
        repetitions: int = 1,
        sustained_s: float = 0.0,
        skips: int = 0,
    ) -> None:
        self.total = total
        self.done = done
        self.phones: list[_Phone] = []  # that work at it
        self._repetitions = repetitions
        self._sustained_s = sustained_s
        self._skips = skips  # trials to come that take no time
        self._took: dict[_Kind, tuple[float, int]] = {}  # seconds, and trials

    def end(self, repetition: int, took_s: float, *, skipped: bool = False) -> None:
        self.done += 1
        if skipped:
            self._skips = max(self._skips - 1, 0)
            return
        before_s, ended = self._took.get(self._kind(repetition), (0.0, 0))
        self._took[self._kind(repetition)] = (before_s + took_s, ended + 1)

    def time_left_s(self) -> float:
        """What trials of each kind took on average, with all waiting, times those to come."""
        cells, left = self.total // self._repetitions, self.total - self.done
        if not self._took or not left:
            return 0.0
        first = max(cells - self.done, 0)
        last = min(left, cells) if self._repetitions > 1 else 0
        to_come = {
            self._kind(0): first,
            self._kind(1): left - first - last,
            self._kind(self._repetitions - 1): last or first,
        }
        left_s = sum(self._mean_s(kind) * count for kind, count in to_come.items() if count)
        left_s *= max(left - self._skips, 0) / left
        return left_s / max(len(self.phones), 1)

    def _kind(self, repetition: int) -> _Kind:
        """Passes follow the first repetition of a cell, and the longest one follows the last."""
        return repetition == 0, repetition == self._repetitions - 1

    def _mean_s(self, kind: _Kind) -> float:
        """Of a kind that there was none of yet it is what the one before took, and the long run."""
        known = kind in self._took
        took_s, ended = self._took[kind] if known else list(self._took.values())[-1]
        return took_s / ended + (self._sustained_s if kind[1] and not known else 0.0)


class _Phone:
    """Shows what one phone is at."""

    def __init__(self, title: str, share: _Share, live: Progress | None) -> None:
        self.title = title
        self.share = share
        self._now: PlannedTrial | None = None
        self._began = 0.0
        self._live = live
        self._task: TaskID | None = None
        share.phones.append(self)
        if live is not None:
            self._task = live.add_task(
                title, total=share.total, completed=share.done, now="", left=""
            )

    def begin(self, planned: PlannedTrial) -> None:
        if self._now != planned:  # else it is begun again, on a phone that came back
            self._now, self._began = planned, time.monotonic()
        self._show(now=printable(planned.model, NAME_LIMIT))

    def end(self, repetition: int, *, skipped: bool) -> None:
        self._now = None
        self.share.end(repetition, time.monotonic() - self._began, skipped=skipped)
        left = self.share.time_left_s()
        for phone in self.share.phones:
            phone._show(completed=self.share.done, left=f"{seconds(left)} left" if left else "")

    def waits(self, why: str) -> None:
        self._show(now=f"waiting: {why}")

    def goes_on(self) -> None:
        self._show(now=printable(self._now.model, NAME_LIMIT) if self._now else "")

    def stop(self, why: str) -> None:
        if self in self.share.phones:
            self.share.phones.remove(self)
        self._show(now=why, left="")

    def _show(self, **fields: Any) -> None:
        if self._live is not None and self._task is not None:
            self._live.update(self._task, **fields)


def _progress(screen: Console) -> Progress:
    """A line a phone; on a narrow terminal names are cut short, and no count is."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
    from rich.table import Column

    bar = [BarColumn(bar_width=BAR_WIDTH)] if screen.width >= BAR_FROM_WIDTH else []
    names_width = screen.width - COUNTS_WIDTH - (BAR_WIDTH + 1 if bar else 0)

    def name(field: str) -> TextColumn:
        column = Column(no_wrap=True, overflow="ellipsis", max_width=max(names_width // 2, 1))
        return TextColumn(field, markup=False, table_column=column)

    left = TextColumn("{task.fields[left]}", markup=False)
    columns: list[ProgressColumn] = [name("{task.description}"), *bar, MofNCompleteColumn(), left]
    return Progress(*columns, name("{task.fields[now]}"), console=screen)


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
