"""The energy of an inference: told where a phone's battery tells it, and else why not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_phone import FakePhone

from bench import stats
from bench.device import (
    AdbPhone,
    AdbServer,
    Finished,
    Phone,
    connect,
    describe,
    judge_power,
    private_server,
    read_power,
    why_no_power,
)
from bench.errors import DeviceLost, RunnerError
from bench.records import (
    Config,
    Device,
    Energy,
    Measurement,
    Memory,
    Model,
    Moment,
    PlannedTrial,
    Precision,
    RunnerIdentity,
)
from bench.trial.attempt import Attempt
from bench.trial.energy import take_energy, while_sampling
from bench.trial.passes import Passes, take
from bench.trial.process import Process
from bench.trial.runners import Result, Start
from bench.virtual import booted

UNPLUGGED = "  AC powered: false\n  USB powered: false\n  status: 3\n"
PRECISION = Precision(max_seconds=4)


def sections(*currents: int, battery: str = UNPLUGGED, voltage: int = 4_000_000) -> dict[str, str]:
    """What probe.sh prints of a series, one reading a second."""
    folder = "/sys/class/power_supply/battery"
    series = "".join(
        f"at: {second}.00\n{folder}/current_now: {current}\n{folder}/voltage_now: {voltage}\n"
        for second, current in enumerate(currents, start=100)
    )
    return {"clocks": "", "series": series, "battery": battery, "battery later": battery}


IDLE = sections(-300_000, -310_000, -300_000)
BUSY = sections(-900_000, -910_000, -900_000)


def test_readings_come_with_their_unit_and_without_a_sign() -> None:
    power = judge_power(IDLE, BUSY)
    assert (power.source, power.not_told) == ("power_supply", None)
    assert [moment.current_ma for moment in power.idle] == [300, 310, 300]
    assert power.busy[1] == Moment(at_s=1.0, current_ma=910, voltage_mv=4000)


def test_the_load_tells_the_unit_of_readings_that_alone_would_not() -> None:
    power = judge_power(sections(-7011, -7011), BUSY)
    assert [moment.current_ma for moment in power.idle] == [pytest.approx(7.011)] * 2


@pytest.mark.parametrize(
    ("idle", "busy", "reason"),
    [
        (IDLE, {}, "could not be watched"),
        (IDLE, {"series": "at: 1.0\n"}, "neither power_supply nor"),
        (IDLE, sections(1, battery="  AC powered: true"), "is on AC power"),
        (IDLE, BUSY | {"battery later": "  USB powered: true"}, "is on USB power"),
        (IDLE, sections(900_000, 910_000, 900_000), "changed its direction"),
        (IDLE, sections(-900_000, -900_000, -900_000), "showed 1 different currents in 3 s"),
        (IDLE, sections(-900_000, -900_000, -910_000), "showed 2 different currents in 3 s"),
        (sections(-300), sections(-9_000, -9_100, -9_000), "neither mA nor uA"),
        (IDLE, sections(-900_000, -910_000, -900_000, voltage=0), "was missing in some"),
        (IDLE, {**BUSY, "series": BUSY["series"] + "at: 104.00\n"}, "was missing in some"),
    ],
)
def test_what_can_not_be_believed_is_not_told_and_said_why(
    idle: dict[str, str], busy: dict[str, str], reason: str
) -> None:
    power = judge_power(idle, busy)
    assert power.source is None
    assert reason in str(power.not_told)


def test_a_change_of_who_tells_is_no_series() -> None:
    other = BUSY["series"].replace(
        "/sys/class/power_supply/battery/current_now", "dumpsys current now"
    )
    assert "source changed" in str(judge_power(IDLE, BUSY | {"series": other}).not_told)


def test_only_readings_that_surely_fell_among_the_samples_count() -> None:
    # Ended at 10.2 s, at most 0.7 s after the last sample; 5 s of samples before: 5.2 to 9.5 s.
    moments = tuple(Moment(at_s=at) for at in (4.0, 5.1, 5.2, 9.5, 9.6, 10.2))
    kept = while_sampling(moments, busy_s=5.0, after_s=0.7)
    assert [moment.at_s for moment in kept] == [5.2, 9.5]
    assert while_sampling((), 5.0, 0.7) == ()


# --- on phones ----------------------------------------------------------------------------


class Spinning:
    """A runner that keeps one core busy for so many seconds, and says that it sampled."""

    files = ()
    result_file = None
    identity = RunnerIdentity(sha256="00", abi="x")

    def __init__(self, seconds: int = 7, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error
        self.asked: list[Start] = []

    def cannot(self, config: Config, device: Device) -> str | None:
        return None

    def argv(self, start: Start) -> list[str]:
        self.asked.append(start)
        return ["timeout", str(self.seconds), "sh", "-c", "while :; do :; done"]

    def read(self, finished: Finished, start: Start, written: bytes | None = None) -> Result:
        if self.error is not None:
            raise self.error
        samples = tuple([1e5] * 10 * (self.seconds - 2))  # its first two seconds are a warm-up
        return Result(
            Measurement(
                init_us=1.0,
                compile_us=1.0,
                first_inference_us=1.0,
                warmup_us=(),
                samples_us=samples,
                clock="CLOCK_MONOTONIC",
                stopped_by="max_seconds",
                memory=Memory(),
                outputs=(),
            )
        )

    def has_another_way(self, failure: RunnerError) -> bool:
        return False


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with private_server() as running:
        yield running


def attempt_on(device: Device) -> Attempt:
    planned = PlannedTrial(index=0, model="m", config=Config(), repetition=0)
    model = Model(name="m", path="m.tflite", sha256="00" * 32, size_bytes=1)
    return Attempt(device, Spinning.identity, planned, model, PRECISION, 1)


def energy_on(phone: Phone, runner: Spinning, precision: Precision = PRECISION) -> Energy:
    attempt = attempt_on(Device(serial="S", virtual=False))
    take_energy(Process(phone, runner, Start("m", Config(), precision)), attempt)
    energy = attempt.failed("x", "y").trial.energy
    assert energy is not None
    return energy


def virtual_phone(server: AdbServer, serial: str) -> AdbPhone:
    server.connect_tcp(serial)
    return connect(serial, server)


def test_an_inference_costs_what_the_battery_gave_beyond_idling(server: AdbServer) -> None:
    runner = Spinning()
    with booted("small") as phone:
        energy = energy_on(virtual_phone(server, phone.serial), runner)
    assert (energy.source, energy.not_told) == ("power_supply", None)
    assert (energy.inferences, energy.busy_s) == (50, pytest.approx(5.0))
    assert len(energy.idle) >= 3
    assert len(energy.busy) >= 3
    asked = runner.asked[-1].precision
    assert (asked.interval, asked.max_seconds) == (0, 4), "no longer than the sweep allows"
    idle, busy = (
        [stats.power_mw(m.current_ma or 0, m.voltage_mv or 0) for m in half]
        for half in (energy.idle, energy.busy)
    )
    assert min(busy) > max(idle), "the current rises while a program computes"
    told = stats.inference_energy(busy, idle, energy.busy_s / energy.inferences)
    assert told.net_mj is not None
    assert 0 < told.net_mj.value < told.gross_mj.value


def test_a_phone_that_tells_its_current_by_dumpsys_alone_is_read_too(server: AdbServer) -> None:
    with booted("midrange") as phone:
        found = read_power(virtual_phone(server, phone.serial), 0)
    assert why_no_power(found) is None
    told = sections(-214, -216, -214)
    assert "dumpsys current now: -2" in found["series"]
    assert judge_power(found, found | {"series": found["series"]}).not_told is not None
    assert judge_power(told, sections(-474, -475, -474)).busy[0].current_ma == 474


def test_a_phone_on_a_cable_is_left_alone_and_says_how_it_could_be_told(
    server: AdbServer,
) -> None:
    runner = Spinning()
    with booted("flagship") as phone:
        energy = energy_on(virtual_phone(server, phone.serial), runner)
    assert energy.not_told == (
        "the phone is on USB power, not on its battery alone;"
        " unplug it and measure over Wi-Fi (`adb tcpip 5555`)"
    )
    assert runner.asked == [], "nothing was run for it"


def test_a_sweep_that_gives_no_time_for_readings_is_not_held_up(server: AdbServer) -> None:
    runner = Spinning()
    with booted("small") as phone:
        energy = energy_on(virtual_phone(server, phone.serial), runner, Precision(max_seconds=0.5))
    assert "max_seconds = 0.5 is too short" in str(energy.not_told)
    assert runner.asked == [], "nothing was run for it"


def test_a_phone_that_tells_nothing_says_so() -> None:
    energy = energy_on(FakePhone(), Spinning())
    assert energy.not_told == (
        "neither power_supply nor `dumpsys battery` tells this phone's current"
    )


def test_a_runner_that_fails_is_a_doubt_and_a_lost_phone_is_not(server: AdbServer) -> None:
    with booted("small") as phone:
        adb_phone = virtual_phone(server, phone.serial)
        attempt = attempt_on(describe(adb_phone))
        failing = Spinning(1, RunnerError("no", stage="run"))
        take(Passes(energy=True), Process(adb_phone, failing, start()), attempt)
        assert attempt.kinds == {"pass failed"}
    with pytest.raises(DeviceLost):
        take(Passes(energy=True), Process(adb_phone, Spinning(3), start()), attempt)


def start() -> Start:
    return Start("m", Config(), PRECISION)
