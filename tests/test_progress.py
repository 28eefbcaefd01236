"""What a sweep says while it runs: counts, time left, why it waits; and how little with --quiet."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_phone import FakePhone, well
from rich.console import Console
from rich.file_proxy import FileProxy
from tiny_models import conv_net

from bench import engine
from bench import sweep as sweeps
from bench.cli.events import print_event
from bench.cli.progress import Screen, _progress, _Share
from bench.device import Finished
from bench.errors import DeviceLost

SWEEP = """\
name = "s"
repetitions = 5
{more}
[[models]]
files = "net.tflite"
[fitness]
max_wait_s = 0
{end}
"""


def sweep(
    folder: Path, phones: dict[str, FakePhone], show, more: str = "", end: str = "", **options
):
    (folder / "net.tflite").write_bytes(conv_net())
    (folder / "s.toml").write_text(SWEEP.format(more=more, end=end))
    return engine.run_sweep(
        sweeps.load(folder / "s.toml"),
        list(phones),
        connect=phones.__getitem__,
        results=folder / "results",
        patience=engine.Patience(return_within_s=5, poll_s=0.01),
        on_event=show,
        **options,
    )


def twins(count: int) -> dict[str, FakePhone]:
    made = {f"TWIN{number}": FakePhone(f"TWIN{number}") for number in range(count)}
    for phone in made.values():
        phone.model, phone.fingerprint = "Twin", "twin/build"
    return made


def counts(text: str) -> list[str]:
    return re.findall(r"^\[ *(\d+/\d+)\]", text, re.M)


def test_each_phone_counts_its_own_trials(tmp_path: Path, capsys) -> None:
    phones = {"ONE": FakePhone("ONE"), "TWO": FakePhone("TWO")}
    with Screen(quiet=False) as screen:
        sweep(tmp_path, phones, screen.show)
    told = capsys.readouterr().out
    assert "2 phones · 1 model · 1 config · 5 repetitions = 10 trials" in told
    for serial in phones:
        mine = "\n".join(line for line in told.splitlines() if f"Fake {serial}" in line)
        assert counts(mine) == ["1/5", "2/5", "3/5", "4/5", "5/5"]


def test_phones_that_split_a_plan_count_it_together(tmp_path: Path, capsys) -> None:
    with Screen(quiet=False) as screen:
        sweep(tmp_path, twins(3), screen.show, "shard = true")
    told = capsys.readouterr().out
    assert "= 5 trials" in told
    assert counts(told) == ["1/5", "2/5", "3/5", "4/5", "5/5"]


def test_a_resumed_sweep_counts_on_from_what_is_done(tmp_path: Path, capsys) -> None:
    def stop_after_two(event: engine.Event) -> None:
        ended.append(isinstance(event, engine.TrialEnded))
        if sum(ended) == 2 and ended[-1]:
            raise KeyboardInterrupt

    def slow_third(argv) -> Finished:
        if len(phones["TWIN0"].started) == 3:
            phones["TWIN0"].wait_until_interrupted()
        return well(argv)

    ended: list[bool] = []
    phones = twins(1)
    phones["TWIN0"].runner = slow_third
    kept = sweep(tmp_path, phones, stop_after_two).ok
    assert 2 <= kept < 5
    with Screen(quiet=False) as screen:
        sweep(tmp_path, twins(1), screen.show, resume=True)
    told = capsys.readouterr().out
    assert f"{kept} trials measured before; going on." in told
    assert counts(told) == [f"{number}/5" for number in range(kept + 1, 6)]


def test_a_resumed_sweep_that_was_done_says_that_none_is_left(tmp_path: Path, capsys) -> None:
    sweep(tmp_path, twins(1), lambda event: None)
    with Screen(quiet=False) as screen:
        sweep(tmp_path, twins(1), screen.show, resume=True)
    assert "5 trials measured before; none is left." in capsys.readouterr().out
    assert screen.done_before == 5


@pytest.mark.parametrize("width", [40, 80, 130])
def test_a_narrow_terminal_shows_every_count_and_cuts_names(width: int, capsys) -> None:
    progress = _progress(Console(width=width))
    fields = {"left": "89 min left", "now": "mobilenet_v1_0.25_224_float32" * 2}
    progress.add_task("Virtual Flagship " * 3, total=24, completed=5, **fields)
    progress.console.print(progress.get_renderable())
    (line,) = capsys.readouterr().out.splitlines()
    assert re.search(r"Virtua.*… .* ?5/24 89 min left mobile.*…$", line), line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_question_is_seen_before_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    with Screen(quiet=False) as screen:
        with screen.paused():
            print("Download it? [y/N]: ", end="")
            assert "Download it?" in terminal.getvalue()
        assert isinstance(sys.stdout, FileProxy)  # the live lines are back


def look_at_the_clock_every_100_s(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 100))
    clock = SimpleNamespace(monotonic=lambda: next(now))
    monkeypatch.setattr("bench.cli.progress.time", clock)


def test_the_time_left_is_what_trials_took_times_those_to_come_by_phones_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    look_at_the_clock_every_100_s(monkeypatch)
    with Screen(quiet=False) as screen:
        sweep(tmp_path, twins(1), screen.show)
    told = capsys.readouterr().out
    assert re.findall(r"(\d+ min) left", told) == ["7 min", "5 min", "3 min", "2 min"]


def test_the_time_left_counts_the_long_runs_that_come_with_the_last_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    look_at_the_clock_every_100_s(monkeypatch)
    with Screen(quiet=False) as screen:
        sweep(tmp_path, twins(1), screen.show, "sustained_s = 300")
    told = capsys.readouterr().out
    assert re.findall(r"(\d+ min) left", told) == ["12 min", "10 min", "8 min", "7 min"]


def test_the_time_left_takes_later_trials_by_those_without_the_first_ones_passes() -> None:
    share = _Share(total=6, repetitions=3)  # two cells
    left = []
    for repetition, took_s in ((0, 40.0), (0, 40.0), (1, 4.0), (1, 4.0), (2, 4.0), (2, 4.0)):
        share.end(repetition, took_s)
        left.append(share.time_left_s())
    assert left[0] == 200.0  # nothing else is known yet
    assert left[3:] == [8.0, 4.0, 0.0]


def test_the_time_left_takes_nothing_for_trials_that_are_skipped() -> None:
    share = _Share(total=6, skips=3)
    left = []
    for took_s, skipped in ((0.0, True), (10.0, False), (0.0, True), (10.0, False)):
        share.end(0, took_s, skipped=skipped)
        left.append(share.time_left_s())
    assert left == [0.0, 20.0, 20.0, 10.0]  # of the first nothing is known


def test_a_throttled_try_is_told_with_the_cool_down_that_follows(tmp_path: Path, capsys) -> None:
    phones = twins(1)
    status = "IsStatusOverride: false\nThermal Status: {}\n"
    phones["TWIN0"].states = [{"thermalservice": status.format(n)} for n in (0, 2, 0)]
    with Screen(quiet=False) as screen:
        sweep(tmp_path, phones, screen.show, end="cool_down_s = 0.25")
    told = capsys.readouterr().out
    again = "  Twin [virtual]: net will be tried again: throttled, after a cool-down of 0 s"
    assert [line for line in told.splitlines() if "again" in line] == [again]


def test_a_phone_that_went_away_is_told_on_stderr_and_counted_once(tmp_path: Path, capsys) -> None:
    starts = iter(range(100))

    def lost_once(argv) -> Finished:
        if next(starts) == 2:
            what = "'ONE' was lost while it ran bench-runner: closed."
            raise DeviceLost(what, next_step="Run the command again.")
        return well(argv)

    with Screen(quiet=True) as screen:
        outcome = sweep(tmp_path, {"ONE": FakePhone("ONE", lost_once)}, screen.show)
    told = capsys.readouterr()
    assert outcome.ok == 5
    assert told.out == ""  # --quiet
    assert told.err == (
        "Warning: Fake ONE [virtual]: 'ONE' was lost while it ran bench-runner: closed."
        " Waiting for it to come back.\n"
    )


def test_events_are_one_object_a_line_with_all_that_the_screen_knows(
    tmp_path: Path, capsys
) -> None:
    sweep(tmp_path, twins(2), print_event, "shard = true")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (began,) = [event for event in events if event["event"] == "sweep_started"]
    assert began["shares"] == [{"devices": ["TWIN0", "TWIN1"], "total": 5, "done": 0}]
    kinds = [event["event"] for event in events]
    assert kinds.count("trial_started") == kinds.count("trial_ended") == 5
    assert kinds.count("phone_done") == 2
