"""A virtual phone that gets hot in the middle of a sweep, through the real adb."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_models import conv_net

from bench import device, engine, store, virtual
from bench import sweep as sweeps
from bench.device import AdbPhone, AdbServer, Finished
from bench.records import Trial
from bench.virtual import VirtualPhone

SWEEP = """\
name = "heat"
[[models]]
files = "net.tflite"
[config]
threads = [1, 2]
[precision]
max_seconds = 0.7
[fitness]
max_wait_s = 30
cool_down_s = 0.5
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with pytest.MonkeyPatch.context() as patch, device.private_server() as running:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield running


@pytest.fixture
def phone(server: AdbServer) -> Iterator[VirtualPhone]:
    with virtual.booted("midrange") as booted:
        server.connect_tcp(booted.serial)
        yield booted


class Watched:
    """A phone that tells when a runner is about to be started on it."""

    def __init__(self, phone: AdbPhone, on_start: Callable[[], None]) -> None:
        self._phone = phone
        self._on_start = on_start

    def __getattr__(self, name: str) -> Any:
        return getattr(self._phone, name)

    def run(self, argv: Sequence[str], **how: Any) -> Finished:
        if any(word.startswith("--max-seconds=") for word in argv):
            self._on_start()
        return self._phone.run(argv, **how)


def run(
    phone: VirtualPhone,
    server: AdbServer,
    folder: Path,
    on_event: Callable[[engine.Event], None] = lambda event: None,
    on_start: Callable[[], None] = lambda: None,
) -> tuple[list[Trial], list[Trial], list[engine.Event]]:
    (folder / "net.tflite").write_bytes(conv_net())
    (folder / "heat.toml").write_text(SWEEP)
    events: list[engine.Event] = []

    def hear(event: engine.Event) -> None:
        events.append(event)
        on_event(event)

    outcome = engine.run_sweep(
        sweeps.load(folder / "heat.toml"),
        [phone.serial],
        connect=lambda serial: Watched(device.connect(serial, server), on_start),
        results=folder / "results",
        on_event=hear,
    )
    path = outcome.path
    return list(store.read_trials(path)), list(store.read_tries(path)), events


def test_a_phone_that_throttles_in_a_trial_cools_down_and_tries_again(
    phone: VirtualPhone, server: AdbServer, tmp_path: Path
) -> None:
    starts = iter(["self-test", "first try"])

    def heat_the_first_try() -> None:
        if next(starts, None) == "first try":
            virtual.fault(phone, "heat", over_ms=0)

    def cool(event: engine.Event) -> None:
        if isinstance(event, engine.TrialRepeated):
            virtual.fault(phone, "clear")

    trials, tries, _ = run(phone, server, tmp_path, cool, heat_the_first_try)
    assert [trial.status for trial in trials] == ["ok", "ok"]
    assert [trial.tries for trial in trials] == [2, 1]
    (hot,) = tries
    assert hot.key == trials[0].key
    assert "throttled" in {doubt.kind for doubt in hot.doubts}
    assert "throttled" not in {doubt.kind for doubt in trials[0].doubts}
    assert trials[0].waited_s >= 0.5
    assert "throttled" in trials[0].waited_for


def test_a_hot_phone_is_waited_for_before_it_is_measured(
    phone: VirtualPhone, server: AdbServer, tmp_path: Path
) -> None:
    virtual.fault(phone, "heat", over_ms=0, for_ms=0)

    def cool_when_waited_for(event: engine.Event) -> None:
        if isinstance(event, engine.PhoneUnfit):
            virtual.fault(phone, "clear")

    trials, tries, events = run(phone, server, tmp_path, cool_when_waited_for)
    waited = {kind for trial in trials for kind in trial.waited_for}
    assert {"throttled", "hot start", "hot cores"} <= waited
    assert trials[0].waited_s > 0
    assert tries == []
    assert not {"throttled", "hot start"} & {d.kind for t in trials for d in t.doubts}
    told = {event.doubt.kind for event in events if isinstance(event, engine.PhoneUnfit)}
    assert {"throttled", "hot start"} <= told


def test_clocks_and_temperatures_are_kept_as_a_series(
    phone: VirtualPhone, server: AdbServer, tmp_path: Path
) -> None:
    (trial, _), _, _ = run(phone, server, tmp_path)
    assert len(trial.series) >= 1
    assert trial.series[0].at_s == 0
    for moment in trial.series:
        assert moment.current_khz
        assert moment.max_khz
        assert moment.temps_c
