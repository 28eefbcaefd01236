"""Short sweeps over virtual phones through the real adb, and what must be true after each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tiny_models import conv_net

from bench import device, engine, store, virtual
from bench import sweep as sweeps
from bench.device import WORK_DIR, AdbPhone, AdbServer
from bench.device.adb_phone import Patience as Silence
from bench.records import Trial, device_id
from bench.virtual import VirtualPhone

SWEEP = """\
name = "faults"
repetitions = {repetitions}
prepare = ["stay_awake", "animations_off"]
[[models]]
files = "*.tflite"
[config]
threads = [1, 2]
[precision]
interval = 0
min_samples = 3
max_seconds = {seconds}
warmup_max_seconds = 0.01
[fitness]
max_wait_s = 0
max_tries = 1
"""

SOON = engine.Patience(return_within_s=20, poll_s=0.1)
_OURS = f"""
for file in /proc/[0-9]*/cmdline; do
  id=${{file#/proc/}}
  [ "${{id%/cmdline}}" = $$ ] && continue
  tr '\\0' ' ' <"$file" 2>/dev/null | grep '{WORK_DIR}/[a-z_]*-[0-9a-f]'
done
ls -d {WORK_DIR}/lock {WORK_DIR}/settings.saved 2>/dev/null
true
"""


class Rig:
    """A sweep over some phones, in a folder."""

    def __init__(
        self, folder: Path, server: AdbServer, phones: Sequence[VirtualPhone], repetitions: int = 2
    ) -> None:
        self.folder = folder
        self.server = server
        self.phones = phones
        self.events: list[engine.Event] = []
        self.before = {phone.port: virtual.snapshot(phone) for phone in phones}
        (folder / "net.tflite").write_bytes(conv_net())
        self.write(SWEEP.format(repetitions=repetitions, seconds=0.1))

    def write(self, text: str) -> None:
        (self.folder / "faults.toml").write_text(text)

    def connect(self, serial: str) -> AdbPhone:
        """A phone that counts as lost sooner than those of users."""
        phone = device.connect(serial, self.server)
        phone._patience = Silence(open_s=1.0, kill_s=1.0, silence_s=2.0)
        return phone

    def run(
        self,
        on_event: Callable[[engine.Event], None] = lambda event: None,
        *,
        resume: bool = False,
        patience: engine.Patience = SOON,
        connect: engine.Connect | None = None,
    ) -> engine.Outcome:
        def hear(event: engine.Event) -> None:
            self.events.append(event)
            on_event(event)

        return engine.run_sweep(
            sweeps.load(self.folder / "faults.toml"),
            [phone.serial for phone in self.phones],
            connect=connect or self.connect,
            results=self.folder / "results",
            resume=resume,
            patience=patience,
            on_event=hear,
        )

    @property
    def path(self) -> Path:
        """The newest run."""
        path = store.latest_run(self.folder / "results", "faults")
        assert path is not None
        return path

    def trials(self) -> list[Trial]:
        return list(store.read_trials(self.path))

    def plan_and_ends(self) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
        """What was planned, and the lines there are for it: how often each (device, trial)."""
        run = store.read_run(self.path)
        planned = Counter((one, trial.index) for one in run.devices for trial in run.plan.trials)
        return planned, Counter((trial.device, trial.index) for trial in self.trials())

    def is_complete(self) -> bool:
        """Every planned trial has one line, and the phones are as they were."""
        planned, ended = self.plan_and_ends()
        assert ended == planned
        return self.is_clean()

    def is_clean(self) -> bool:
        """No process, no lock and no changed setting is left on any phone; errors are lines."""
        for phone in self.phones:
            left = self.left_on(phone)
            assert not left, f"{phone.serial}: {left}"
            changed = virtual.snapshot(phone).items() ^ self.before[phone.port].items()
            assert not changed, f"{phone.serial}: {sorted(changed)}"
        told = [trial.reason for trial in self.trials() if trial.reason]
        told += [e.reason for e in self.events if isinstance(e, engine.PhoneWaited)]
        told += [str(e.error) for e in self.events if isinstance(e, engine.PhoneStopped)]
        assert not [text for text in told if re.search(r"[\x00-\x1f]|Traceback", text)]
        return True

    def left_on(self, phone: VirtualPhone) -> str:
        """Processes of ours on a phone, and the files that mean that somebody works with it."""
        done = self.connect(phone.serial).run(["sh", "-c", _OURS], deadline_s=20)
        return done.stdout.decode()


def at_trial(index: int, phone: VirtualPhone, do: Callable[[], None]) -> Callable[..., None]:
    """Do something once, when a phone begins a trial."""
    todo = [do]

    def hear(event: engine.Event) -> None:
        if (
            todo
            and isinstance(event, engine.TrialStarted)
            and event.planned.index == index
            and event.device.serial == phone.serial
        ):
            todo.pop()()

    return hear


def name_of(phone: VirtualPhone, rig: Rig) -> str:
    """A phone's id in the records."""
    return device_id(device.describe(rig.connect(phone.serial)))
