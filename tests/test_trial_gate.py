"""A phone is waited for while that helps, no longer, and every try of a trial is kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from fake_phone import FakePhone

from bench.device import describe
from bench.records import Doubt, Fitness
from bench.trial import Gate, gate

CAP = "/sys/devices/system/cpu/cpufreq/policy4/{}"
TOPOLOGY = f"{CAP.format('related_cpus')}: 4 5 6 7\n"


def thermal(status: int) -> dict[str, str]:
    return {"thermalservice": f"IsStatusOverride: false\nThermal Status: {status}\n"}


def capped(khz: int) -> dict[str, str]:
    return {"cpus": f"{TOPOLOGY}{CAP.format('scaling_max_freq')}: {khz}\n"}


class Rig:
    """A gate before a phone, under a clock that only waiting moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.phone = FakePhone()
        self.now = 100.0
        self.told: list[list[str]] = []
        self.ended = 0  # waits
        monkeypatch.setattr(gate.time, "monotonic", lambda: self.now)
        self.gate = Gate(Fitness(max_wait_s=60), pause=self.pause, on_wait=self.waits)

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def waits(self, doubts: Sequence[Doubt]) -> None:
        if doubts:
            self.told.append([doubt.kind for doubt in doubts])
        else:
            self.ended += 1

    def open(self, *states: dict[str, str]) -> gate.Opened:
        self.phone.states = list(states)
        return self.gate.open(self.phone, describe(self.phone))


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def kinds(opened: gate.Opened) -> list[str]:
    return [doubt.kind for doubt in opened.doubts]


def test_a_fit_phone_is_not_waited_for(rig: Rig) -> None:
    opened = rig.open(thermal(0))
    assert (opened.waited_s, opened.waited_for, kinds(opened)) == (0.0, (), ["virtual"])
    assert (rig.told, rig.ended) == ([], 0)


def test_a_throttled_phone_is_waited_for_until_it_has_cooled(rig: Rig) -> None:
    opened = rig.open(thermal(2), thermal(1), thermal(1), thermal(0))
    assert opened.waited_for == ("throttled",)
    assert opened.waited_s == 1 + 2 + 4
    assert kinds(opened) == ["virtual"]
    assert rig.told == [["throttled"]]
    assert rig.ended == 1


def test_a_wait_is_bounded_and_what_is_left_is_a_doubt(rig: Rig) -> None:
    opened = rig.open(thermal(3))
    assert rig.ended == 1
    assert opened.waited_s == 60
    assert kinds(opened) == ["virtual", "throttled"]


def test_another_reason_that_turns_up_is_told_and_kept(rig: Rig) -> None:
    rig.open(capped(2_800_000))
    opened = rig.open(
        thermal(1), thermal(1) | capped(1_000_000), capped(1_000_000), capped(2_800_000)
    )
    assert opened.waited_for == ("throttled", "capped clocks")
    assert rig.told == [["throttled"], ["throttled", "capped clocks"]]


def test_what_waiting_did_not_cure_is_not_waited_for_again(rig: Rig) -> None:
    assert rig.open(thermal(1)).waited_s == 60
    again = rig.open(thermal(1))
    assert (again.waited_s, kinds(again)) == (0.0, ["virtual", "throttled"])


def test_it_is_waited_for_again_once_it_was_seen_gone(rig: Rig) -> None:
    rig.open(thermal(1))
    rig.open(thermal(0))
    assert rig.open(thermal(1)).waited_s == 60


def test_clocks_that_were_capped_from_the_start_are_doubted_and_not_waited_for(rig: Rig) -> None:
    opened = rig.open(capped(1_000_000))
    assert (opened.waited_s, kinds(opened)) == (0.0, ["virtual", "capped clocks"])


def test_clocks_that_were_free_before_are_waited_for(rig: Rig) -> None:
    rig.open(capped(2_800_000))
    assert rig.open(capped(1_000_000), capped(2_800_000)).waited_for == ("capped clocks",)


def test_one_reason_in_vain_does_not_hide_another(rig: Rig) -> None:
    rig.open(capped(1_000_000))
    opened = rig.open(capped(1_000_000) | thermal(1), capped(1_000_000) | thermal(0))
    assert opened.waited_for == ("throttled",)


def test_nothing_is_waited_for_where_none_is_wanted(rig: Rig) -> None:
    rig.gate = Gate(Fitness(max_wait_s=0), pause=rig.pause, on_wait=rig.waits)
    opened = rig.open(thermal(2))
    assert (opened.waited_s, rig.told, kinds(opened)) == (0.0, [], ["virtual", "throttled"])


def cores(temp_c: float) -> dict[str, str]:
    sensor = f"Temperature{{mValue={temp_c}, mType=0, mName=cpu-0-0, mStatus=0}}"
    return {"thermalservice": f"Current temperatures from HAL:\n\t{sensor}\n"}


def test_cores_are_waited_for_while_they_cool(rig: Rig) -> None:
    opened = rig.open(cores(61), cores(50), cores(43), cores(39))
    assert (opened.waited_s, opened.waited_for) == (1 + 2 + 4, ("hot cores",))
    assert kinds(opened) == ["virtual"]


def test_cores_that_are_warm_at_rest_are_soon_not_waited_for(rig: Rig) -> None:
    opened = rig.open(cores(61), cores(44), cores(43.8))
    assert opened.waited_s == 1 + 2
    assert kinds(opened) == ["virtual", "hot cores"]
    assert rig.open(cores(43.8)).waited_s == 0


def test_what_a_wait_can_not_change_is_not_waited_for(rig: Rig) -> None:
    flat = {"battery": "Current Battery Service state:\n  level: 9\n  scale: 100\n"}
    opened = rig.open(flat)
    assert (opened.waited_s, kinds(opened)) == (0.0, ["virtual", "low battery"])


@pytest.mark.parametrize(("virtual", "looks"), [(False, 3), (True, 1)])
def test_the_load_is_looked_at_first_and_after_a_disturbed_trial(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, virtual: bool, looks: int
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(gate, "read_load", lambda phone, seconds: looked.append(phone.serial))
    device = msgspec.structs.replace(describe(rig.phone), virtual=virtual, fidelity=None)
    for kinds in ({"wide"}, {"background load"}, {"background load"}, set()):
        rig.gate.open(rig.phone, device)
        rig.gate.repeats(kinds, 1)
    rig.gate.open(rig.phone, device)
    assert len(looked) == looks


def test_a_throttled_try_is_repeated_at_most_twice(rig: Rig) -> None:
    assert [rig.gate.repeats({"throttled"}, tries) for tries in (1, 2, 3)] == [True, True, False]


def test_a_phone_that_stays_throttled_is_not_cooled_down_for_each_trial(rig: Rig) -> None:
    assert not rig.gate.repeats({"throttled"}, 3)
    assert not rig.gate.repeats({"throttled"}, 1)
    assert not rig.gate.repeats({"wide"}, 1)  # not throttled: cooling may help again
    assert rig.gate.repeats({"throttled"}, 1)


def test_a_cool_down_takes_as_long_as_asked(rig: Rig) -> None:
    assert rig.gate.cool_down() == Fitness().cool_down_s
