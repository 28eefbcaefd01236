"""The page of a run that is still going on: who waits is given, and nobody waits for real."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fabricated as made
import pytest

from bench import store
from bench.records import Plan, Precision, Trial, device_id
from bench.report.watch import watch_report
from bench.store import is_being_written

PHONE = made.phone()
TRIALS = made.grid([PHONE], made.MOBILENETS)
LIVE = "data-reload-s="


class Sweep:
    """A run that somebody else writes, one step whenever the watcher waits."""

    def __init__(self, results: Path) -> None:
        plan = Plan(
            name="live", seed=1, created_at=made.STARTED, repetitions=1, precision=Precision(),
            trials=tuple(made._planned(TRIALS, None)), devices=(device_id(PHONE),),
        )  # fmt: skip
        models = {net.name: net for net in made.MOBILENETS}
        self.writer = store.create_run(results, "", plan, {device_id(PHONE): PHONE}, models)
        self.path = self.writer.path
        self.pages: list[str] = []
        self.told: list[tuple[int, int]] = []
        self.waits: list[float] = []

    def watched(self, steps: Iterator[object], clock: Callable[[], float] = lambda: 0.0) -> Path:
        def wait(seconds: float) -> None:
            self.waits.append(seconds)
            next(steps)

        def tell(page: Path, done: int, planned: int) -> None:
            self.pages.append(page.read_text(encoding="utf-8"))
            self.told.append((done, planned))

        return watch_report(self.path, tell=tell, wait=wait, clock=clock)

    def append(self, *trials: Trial) -> Iterator[None]:
        for trial in trials:
            self.writer.append(trial)
            yield

    def close(self) -> Iterator[None]:
        if is_being_written(self.path):
            self.writer.close()
        yield


def chained(*parts: Iterator[object]) -> Iterator[object]:
    for part in parts:
        yield from part


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    sweep = Sweep(tmp_path)
    yield sweep
    list(sweep.close())


def test_each_trial_is_rendered_and_the_last_page_stands_still(sweep: Sweep) -> None:
    page = sweep.watched(chained(sweep.append(*TRIALS), sweep.close()))
    assert sweep.told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]
    assert [LIVE in html for html in sweep.pages] == [True] * 5 + [False]
    assert page == sweep.path / "report.html"
    assert page.read_text(encoding="utf-8") == sweep.pages[-1]


def test_all_trials_there_is_not_the_end_while_somebody_writes(sweep: Sweep) -> None:
    list(sweep.append(*TRIALS))
    assert is_being_written(sweep.path)
    sweep.watched(sweep.close())
    assert sweep.told == [(4, 4), (4, 4)]
    assert not is_being_written(sweep.path)


def test_who_asks_whether_a_run_is_written_keeps_nobody_from_writing(sweep: Sweep) -> None:
    list(sweep.close())
    with (sweep.path / ".lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.02, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        sweep.writer = store.resume_run(sweep.path)
    assert is_being_written(sweep.path)


def test_a_run_that_was_left_in_the_middle_is_waited_for(sweep: Sweep) -> None:
    list(chained(sweep.append(TRIALS[0]), sweep.close()))

    def resumed() -> Iterator[None]:
        yield
        yield
        sweep.writer = store.resume_run(sweep.path)
        yield from sweep.append(*TRIALS[1:])
        yield from sweep.close()

    sweep.watched(resumed())
    assert sweep.told[0] == (1, 4)
    assert sweep.told[-1] == (4, 4)


def test_nothing_new_renders_nothing(sweep: Sweep) -> None:
    def idle() -> Iterator[None]:
        yield
        yield
        yield from sweep.append(*TRIALS)
        yield from sweep.close()

    sweep.watched(idle())
    assert [done for done, _ in sweep.told] == [0, 1, 2, 3, 4, 4]


def test_a_half_written_line_is_no_error_and_no_trial(sweep: Sweep) -> None:
    whole = sweep.path / "trials.jsonl"

    def halves() -> Iterator[None]:
        line = store.encode(TRIALS[0]) + b"\n"
        with whole.open("ab") as file:
            file.write(line[:200])
        yield
        with whole.open("ab") as file:
            file.write(line[200:])
        yield
        yield from sweep.append(*TRIALS[1:])
        yield from sweep.close()

    sweep.watched(halves())
    assert [done for done, _ in sweep.told] == [0, 0, 1, 2, 3, 4, 4]


def test_an_interrupt_leaves_a_page_that_stands_still(sweep: Sweep) -> None:
    def interrupted() -> Iterator[None]:
        yield from sweep.append(TRIALS[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.watched(interrupted())
    html = (sweep.path / "report.html").read_text(encoding="utf-8")
    assert LIVE not in html
    assert "3 planned, not done" in html


def test_rendering_takes_a_tenth_of_the_time_at_most(sweep: Sweep) -> None:
    """A page that takes five seconds to make is made every fifty."""
    hands = iter(range(0, 1000, 5))
    sweep.watched(chained(sweep.append(*TRIALS), sweep.close()), clock=lambda: float(next(hands)))
    assert sweep.waits
    assert all(pause >= 45 for pause in sweep.waits)


def test_bench_report_watch_tells_of_each_page_and_ends_on_ctrl_c(sweep: Sweep) -> None:
    list(sweep.append(*TRIALS[:2]))
    program = "from bench.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "report", str(sweep.path), "--watch"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"MPLBACKEND": "agg"},
    ) as watching:  # fmt: skip
        assert watching.stdout is not None
        late = threading.Timer(90, watching.kill)  # a page that never comes ends the test
        late.start()
        try:
            first = watching.stdout.readline()
            watching.send_signal(signal.SIGINT)
            _, complaint = watching.communicate()
        finally:
            late.cancel()
    assert first == f"Report:  {sweep.path / 'report.html'}  2 of 4 trials\n"
    assert watching.returncode == 130
    assert "Traceback" not in complaint
    assert LIVE not in (sweep.path / "report.html").read_text(encoding="utf-8")
