"""Long sweeps cost no more memory than short ones, and many phones no more time than one."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fake_phone import FakePhone, well
from tiny_models import conv_net

from bench import engine, store
from bench import sweep as sweeps
from bench.cli.progress import Screen
from bench.device import Finished
from bench.errors import DeviceLost

SWEEP = """\
name = "scale"
repetitions = {repetitions}
{more}
[[models]]
files = "net.tflite"
[fitness]
max_wait_s = 0
"""


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def run(
    folder: Path,
    phones: dict[str, FakePhone],
    repetitions: int,
    on_event: Callable[[engine.Event], object],
    more: str = "",
    *,
    resume: bool = False,
) -> engine.Outcome:
    (folder / "net.tflite").write_bytes(conv_net())
    (folder / "scale.toml").write_text(SWEEP.format(repetitions=repetitions, more=more))
    return engine.run_sweep(
        sweeps.load(folder / "scale.toml"),
        list(phones),
        connect=phones.__getitem__,
        results=folder / "results",
        resume=resume,
        patience=engine.Patience(return_within_s=0.1, poll_s=0.01),
        on_event=on_event,
    )


@pytest.mark.usefixtures("traced")
def test_memory_does_not_grow_with_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.store.os.fsync", lambda _: None)
    # What ended and is not yet written is held as well: it stays as little as on a phone.
    written = threading.Semaphore(3)

    def paced(argv: Sequence[str]) -> Finished:
        assert written.acquire(timeout=60)
        return well(argv)

    phone = FakePhone(runner=paced)
    phone.started = deque(maxlen=1)  # its own memory of all starts is not the host's
    held: dict[int, int] = {}
    ended = 0

    def hear(event: engine.Event) -> None:
        nonlocal ended
        screen.show(event)
        if isinstance(event, engine.TrialEnded):
            ended += 1
            written.release()
            if ended in (100, 1000):
                capsys.readouterr()  # nor is what was printed
                gc.collect()
                held[ended] = tracemalloc.get_traced_memory()[0]

    with Screen(quiet=False) as screen:
        assert run(tmp_path, {"FAKE1": phone}, 1000, hear).ok == 1000
    # 900 records of 40 samples would be several times what is held in all.
    assert held[1000] < 1.1 * held[100]


def test_a_phone_that_hangs_does_not_hold_up_the_others(tmp_path: Path) -> None:
    others_done = threading.Event()

    def hang(argv) -> Finished:
        assert others_done.wait(60)
        return well(argv)

    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.PhoneDone):
            done.append(event.device.serial)
            if len(done) == 2:
                others_done.set()

    done: list[str] = []
    phones = {
        "SLOW": FakePhone("SLOW", hang),
        "QUICK1": FakePhone("QUICK1"),
        "QUICK2": FakePhone("QUICK2"),
    }
    assert run(tmp_path, phones, 5, hear).ok == 15
    assert done[2] == "SLOW"


def test_what_an_absent_twin_has_done_is_not_done_again_on_resume(tmp_path: Path) -> None:
    def stop_when_both_have_one(event: engine.Event) -> None:
        if isinstance(event, engine.TrialEnded):
            by.add(event.trial.device)
            if len(by) == 2:
                by.add("once")
                raise KeyboardInterrupt

    by: set[str] = set()
    twins = {f"TWIN{number}": FakePhone(f"TWIN{number}") for number in range(2)}
    for phone in twins.values():
        phone.model, phone.fingerprint = "Twin", "twin/build"
    first = run(tmp_path, twins, 40, stop_when_both_have_one, "shard = true")
    assert first.interrupted
    again = run(tmp_path, {"TWIN0": twins["TWIN0"]}, 40, print, "shard = true", resume=True)
    assert (again.path, again.not_run) == (first.path, 0)
    assert sorted(trial.index for trial in store.read_trials(first.path)) == list(range(40))


def test_another_phone_at_the_address_of_a_lost_one_is_not_measured_for_it(tmp_path: Path) -> None:
    def lose(argv) -> Finished:
        phones["ONE"] = other
        raise DeviceLost("gone")

    other = FakePhone("OTHER")
    phones = {"ONE": FakePhone("ONE", lose)}
    outcome = run(tmp_path, phones, 5, print)
    (error,) = outcome.stopped.values()
    assert "'ONE' leads to another phone now, 'OTHER'" in str(error)
    assert (outcome.ok, outcome.not_run) == (0, 5)
    assert other.started == []
    assert other.owner is None  # and it is free again
