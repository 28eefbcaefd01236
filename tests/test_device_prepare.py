"""A phone is left as it was found, whatever ends the work and whatever its settings hold."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from folder_phone import SHELLS, TOOLS, FolderPhone
from hypothesis import given
from hypothesis import strategies as st

from bench.device import Finished, read_state
from bench.device.owner import life_of
from bench.device.parse.report import parse_owner, parse_report
from bench.device.phone import SAVED, WORK_DIR
from bench.device.prepare import (
    Preparation,
    clean,
    prepared,
    remove_leftovers,
    restore_leftovers,
)
from bench.errors import DeviceError, DeviceLost

T = TypeVar("T")

EVERYTHING = Preparation(
    stay_awake=True,
    animations_off=True,
    fixed_performance=True,
    performance_governor=True,
    airplane_mode=True,
)
USUAL = {
    "stay_on_while_plugged_in": "0",
    "window_animation_scale": "1.0",
    "animator_duration_scale": "null",  # stored, not missing; transition_... is missing
    "adb_enabled": "1",
}
FIXED = "set-fixed-performance-mode-enabled"
PREPARED = {
    "global/stay_on_while_plugged_in": b"7",
    "global/window_animation_scale": b"0",
    "global/transition_animation_scale": b"0",
    "global/animator_duration_scale": b"0",
    "airplane": b"enabled\n",
    "fixed-performance": b"true\n",
    "cpu/cpufreq/policy0/scaling_governor": b"performance\n",
    "cpu/cpufreq/policy4/scaling_governor": b"performance\n",
    "global/adb_enabled": b"1",
}


def phone_with(root: Path, shell: str = "sh", **settings: str) -> FolderPhone:
    phone = FolderPhone(root, shell=shell)
    phone.add_settings(**(settings or USUAL))
    phone.add_governors("schedutil", "walt")
    return phone


def saved(phone: FolderPhone) -> Path:
    return phone.here(SAVED)


# --- the plain way ------------------------------------------------------------------------


def test_nothing_is_changed_unless_it_is_asked_for(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    with prepared(phone, Preparation()) as applied:
        assert (applied.changed, applied.refused) == ((), ())
        assert phone.snapshot() == before
    assert phone.runs == []


@pytest.mark.parametrize("shell", SHELLS)
def test_everything_is_changed_and_put_back(tmp_path: Path, shell: str) -> None:
    phone = phone_with(tmp_path, shell)
    before = phone.snapshot()
    with prepared(phone, EVERYTHING) as applied:
        assert phone.snapshot() == PREPARED
        assert applied.refused == ()
        assert applied.changed == (
            "stay_on_while_plugged_in: changed, was '0'",
            "window_animation_scale: changed, was '1.0'",
            "transition_animation_scale: changed, was 'null'",
            "animator_duration_scale: changed, was 'null'",
            "fixed-performance: changed, was 'false'",
            "governor/policy0: changed, was 'schedutil'",
            "governor/policy4: changed, was 'walt'",
            "airplane: changed, was 'disabled'",
        )
    assert phone.snapshot() == before
    assert applied.left == ()
    assert not saved(phone).exists()


def test_one_thing_asked_for_is_one_thing_changed(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    with prepared(phone, Preparation(airplane_mode=True)):
        assert phone.snapshot() == before | {"airplane": b"enabled\n"}
    assert phone.snapshot() == before


def test_old_values_are_on_the_phone_before_the_first_change(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    settings = (phone.bin / "settings").read_text()
    phone.add_tool("settings", f"[ $1 = put ] && cat {saved(phone)} >>{tmp_path}/seen; {settings}")
    with prepared(phone, Preparation(stay_awake=True)):
        owner, line = (tmp_path / "seen").read_text().splitlines()
    assert line == "global/stay_on_while_plugged_in\tset\t7\t0"
    assert parse_owner(f"{owner}\n") is not None


HOSTILE = [
    "a=b:c",
    "$(touch {0}/x); `id` \"' \\n \\",
    " two  spaces and a tab\t\t ",
    "",
    "-e",
    "é\udcff\x1b[1m",
    "null ",
    "\r",
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", HOSTILE)
def test_any_value_of_one_line_comes_back_as_it_was(tmp_path: Path, value: str, shell: str) -> None:
    settings = {"stay_on_while_plugged_in": value, "window_animation_scale": value}
    phone = phone_with(tmp_path, shell, **settings)
    before = phone.snapshot()
    with prepared(phone, Preparation(stay_awake=True, animations_off=True)) as applied:
        assert phone.snapshot() != before
    assert phone.snapshot() == before
    assert (applied.refused, applied.left) == ((), ())


def test_a_value_of_several_lines_is_not_touched(tmp_path: Path) -> None:
    phone = phone_with(tmp_path, stay_on_while_plugged_in="0\nglobal/adb_enabled\tset\t1\t0")
    before = phone.snapshot()
    with prepared(phone, Preparation(stay_awake=True)) as applied:
        assert phone.snapshot() == before
    assert applied.refused == (
        "stay_on_while_plugged_in: not changed, its value has more than one line",
    )


def test_what_the_phone_refuses_is_said_and_its_reason_is_on_one_line(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    (tmp_path / "refuse").touch()
    with prepared(phone, Preparation(stay_awake=True)) as applied:
        assert not saved(phone).exists(), "nothing was changed, so nothing has to be kept"
    assert applied.refused == (
        "stay_on_while_plugged_in: not changed, Exception occurred while executing 'put': "
        "java.lang.SecurityException: no",
    )
    assert phone.snapshot() == before


@pytest.mark.parametrize(
    "reply", ["echo 'Unknown command: set-fixed-performance-mode-enabled'", "exit 20"]
)
def test_a_phone_without_a_command_says_so_also_with_exit_code_0(
    tmp_path: Path, reply: str
) -> None:
    phone = phone_with(tmp_path)
    phone.add_tool("cmd", reply)
    before = phone.snapshot()
    with prepared(phone, Preparation(fixed_performance=True, airplane_mode=True)) as applied:
        assert phone.snapshot() == before
    assert [sentence.split(":")[0] for sentence in applied.refused] == [
        "fixed-performance",
        "airplane",
    ]
    assert not saved(phone).exists()


def test_a_phone_without_any_of_it_is_left_alone(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)
    with prepared(phone, EVERYTHING) as applied:
        assert applied.changed == ()
    assert len(applied.refused) == 7


@pytest.mark.parametrize(
    ("serial", "over_the_air"),
    [
        ("192.168.1.7:5555", True),
        ("adb-R58M-x._adb-tls-connect._tcp", True),
        ("lab:5037/10.0.0.2:41231", True),
        ("lab:5037/R58M123ABC", False),
        ("R58M123ABC", False),
        ("emulator-5554", False),
        ("127.0.0.1:6555", False),
    ],
)
def test_airplane_mode_never_cuts_the_own_connection(
    tmp_path: Path, serial: str, over_the_air: bool
) -> None:
    phone = phone_with(tmp_path)
    phone.serial = serial  # type: ignore[misc]
    with prepared(phone, Preparation(airplane_mode=True)) as applied:
        assert bool(applied.refused) is over_the_air
        assert (phone.snapshot()["airplane"] == b"disabled\n") is over_the_air


# --- endings ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ValueError, DeviceLost])
def test_an_error_in_the_block_restores_and_goes_on(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    with pytest.raises(kind), prepared(phone, EVERYTHING):
        raise kind("now")
    assert phone.snapshot() == before
    assert not saved(phone).exists()


class Dying(FolderPhone):
    """A phone whose host is killed at the Nth thing that it does, before or after it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.last = 10**9
        self.after = False
        self.done = 0

    def run(self, argv: Sequence[str], *, deadline_s: float) -> Finished:
        return self._do(lambda: FolderPhone.run(self, argv, deadline_s=deadline_s))

    def push(self, local: Path, remote: str, *, mode: int = 0o644) -> int:
        return self._do(lambda: FolderPhone.push(self, local, remote, mode=mode))

    def _do(self, action: Callable[[], T]) -> T:
        self.done += 1
        if self.done > self.last or (self.done == self.last and not self.after):
            raise DeviceLost("the host is dead")
        result = action()
        if self.done == self.last:
            raise DeviceLost("the host is dead")
        return result


def test_a_host_that_dies_at_any_of_its_steps_is_restored_by_the_next(tmp_path: Path) -> None:
    whole = dying_phone(tmp_path / "whole")
    with prepared(whole, EVERYTHING):
        measure(whole)
    assert whole.done > 15
    for step in range(1, whole.done + 1):
        for after in (False, True):
            phone = dying_phone(tmp_path / f"{step}-{after}")
            before = phone.snapshot()
            phone.last, phone.after = step, after
            with pytest.raises(DeviceError), prepared(phone, EVERYTHING):
                measure(phone)
            phone.last = 10**9
            restore_leftovers(phone)
            assert phone.snapshot() == before, (step, after)
            assert restore_leftovers(phone) == ()
            assert not saved(phone).exists()


def measure(phone: FolderPhone) -> None:
    """What a trial does with a phone: it reads its state, and starts something."""
    read_state(phone)
    phone.run(["sh", "-c", "exit 0"], deadline_s=10)
    read_state(phone)


def dying_phone(root: Path) -> Dying:
    phone = Dying(root)
    phone.add_settings(**USUAL)
    phone.add_governors("schedutil", "walt")
    return phone


KEEPING = ("mv", "rm", "sync")  # what old values are put on the disk and taken off it with


def test_a_script_that_is_killed_at_any_step_is_restored_by_the_next(tmp_path: Path) -> None:
    """A phone that goes away hangs up on prepare.sh and restore.sh, wherever they are."""
    asked = Preparation(stay_awake=True, fixed_performance=True, performance_governor=True)
    for step, when in itertools.product(range(1, 200), ("before", "after")):
        phone = stepping_phone(tmp_path / f"{step}-{when}")
        before = phone.snapshot()
        phone.kill_at(f"{when}-{step}")
        try:
            with prepared(phone, asked):
                pass
            killed = False
        except DeviceError:
            killed = True
        phone.kill_at(None)
        restore_leftovers(phone)
        assert phone.snapshot() == before, (step, when)
        assert not saved(phone).exists()
        if not killed and when == "after":
            break
    assert 20 < step < 199, "all steps were tried, and there are some"


def test_a_restoring_that_is_killed_at_any_step_is_finished_by_the_next(tmp_path: Path) -> None:
    for step in range(1, 200):
        phone = stepping_phone(tmp_path / str(step))
        before = phone.snapshot()
        left_behind(phone)
        assert phone.snapshot() == PREPARED
        phone.kill_at(f"before-{step}")
        try:
            restore_leftovers(phone)
            killed = False
        except DeviceError:
            killed = True
        phone.kill_at(None)
        restore_leftovers(phone)
        assert phone.snapshot() == before, step
        assert restore_leftovers(phone) == ()
        assert not saved(phone).exists()
        if not killed:
            break
    assert 15 < step < 199, "all steps were tried, and there are some"


def test_a_second_host_that_dies_as_it_restores_is_followed_by_a_third(tmp_path: Path) -> None:
    for step in range(1, 20):
        phone = dying_phone(tmp_path / str(step))
        before = phone.snapshot()
        left_behind(phone)
        phone.done, phone.last = 0, step
        try:
            restore_leftovers(phone)
            died = False
        except DeviceError:
            died = True
        phone.last = 10**9
        restore_leftovers(phone)
        assert phone.snapshot() == before, step
        assert not saved(phone).exists()
        if not died:
            break
    assert 2 < step < 19


def stepping_phone(root: Path) -> FolderPhone:
    phone = phone_with(root)
    phone.count_steps_of(*KEEPING)
    (phone.bin / "fsync").unlink()  # so that sync is called, which is a step
    return phone


def gone_at_the_end(phone: Dying, error: Exception | None) -> None:
    with prepared(phone, Preparation(stay_awake=True)):
        phone.last = phone.done
        if error is not None:
            raise error


def test_a_phone_that_is_gone_at_the_end_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="still changed: the host is dead") as caught:
        gone_at_the_end(dying_phone(tmp_path), None)
    assert "bench devices --restore" in str(caught.value)


def test_the_first_error_is_the_one_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the first") as caught:
        gone_at_the_end(dying_phone(tmp_path), ValueError("the first"))
    assert "still changed" in caught.value.__notes__[0]


def test_a_script_that_is_hung_up_on_changes_nothing_more(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    settings = (phone.bin / "settings").read_text()
    # The first change comes with a hang-up, as adbd sends it to the shell alone.
    phone.add_tool("settings", f"[ $1 = put ] && kill -HUP $(cat {tmp_path}/shell); {settings}")
    phone.add_tool("fsync", f"[ -f {tmp_path}/shell ] || echo $PPID >{tmp_path}/shell")
    left_behind(phone)
    assert phone.snapshot() == before | {"global/stay_on_while_plugged_in": b"7"}
    restore_leftovers(phone)
    assert phone.snapshot() == before


@pytest.mark.parametrize("shell", SHELLS)
def test_a_change_that_comes_after_its_command_was_hung_up_on_is_put_back(
    tmp_path: Path, shell: str
) -> None:
    """Android makes a change in a process of its own, whether or not somebody waits for it."""
    phone = phone_with(tmp_path, shell)
    before = phone.snapshot()
    changes = {"settings": "put global stay_on_while_plugged_in 7", "cmd": f"power {FIXED} true"}
    for name, words in changes.items():
        tool = (phone.bin / name).read_text()
        (phone.bin / f"late-{name}").write_text(tool)
        (phone.bin / f"late-{name}").chmod(0o755)
        hang_up = f"kill -HUP $(cat {tmp_path}/shell); touch {tmp_path}/late-{name}; exit 129"
        phone.add_tool(name, f'if [ "$*" = "{words}" ]; then {hang_up}; fi; {tool}')
    phone.add_tool("fsync", f"[ -f {tmp_path}/shell ] || echo $PPID >{tmp_path}/shell")
    for one in (Preparation(stay_awake=True), Preparation(fixed_performance=True)):
        (tmp_path / "shell").unlink(missing_ok=True)
        left_behind(phone, one)
        assert phone.snapshot() == before
        assert saved(phone).exists()
        for late in tmp_path.glob("late-*"):
            late.unlink()
            name = late.name.removeprefix("late-")
            phone.run([late.name, *changes[name].split()], deadline_s=10)
        assert phone.snapshot() != before
        restore_leftovers(phone)
        assert phone.snapshot() == before
        assert not saved(phone).exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_change_that_can_not_be_read_back_is_put_back_all_the_same(
    tmp_path: Path, shell: str
) -> None:
    phone = phone_with(tmp_path, shell)
    before = phone.snapshot()
    settings = (phone.bin / "settings").read_text()
    # A hang-up ends what runs just then, as well.
    phone.add_tool("settings", f"[ $1 = get ] && [ -f {tmp_path}/put ] && exit 129; {settings}")
    phone.add_tool("fsync", f"touch {tmp_path}/put")
    left_behind(phone, Preparation(stay_awake=True))
    assert phone.snapshot() == before | {"global/stay_on_while_plugged_in": b"7"}
    phone.add_tool("settings", settings)
    assert len(restore_leftovers(phone)) == 1
    assert phone.snapshot() == before


# --- restoring ----------------------------------------------------------------------------


def left_behind(phone: FolderPhone, preparation: Preparation = EVERYTHING) -> None:
    """Prepare a phone from a host that dies before it can restore."""

    def dead(*_: object, **__: object) -> Finished:
        raise DeviceLost("the host is dead")

    with pytest.raises(DeviceError), prepared(phone, preparation):
        phone.run = dead  # type: ignore[method-assign]
    del phone.run  # type: ignore[method-assign]


def test_restoring_twice_is_harmless(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    left_behind(phone)
    assert phone.snapshot() == PREPARED
    assert len(restore_leftovers(phone)) == 8
    assert phone.snapshot() == before
    assert restore_leftovers(phone) == ()
    assert phone.snapshot() == before


@pytest.mark.parametrize("shell", SHELLS)
def test_what_somebody_else_changed_meanwhile_is_left_and_said(tmp_path: Path, shell: str) -> None:
    phone = phone_with(tmp_path, shell)
    before = phone.snapshot()
    left_behind(phone)
    (tmp_path / "global" / "window_animation_scale").write_text("0.5")
    (tmp_path / "global" / "transition_animation_scale").unlink()
    (tmp_path / "airplane").write_text("disabled\n")
    said = restore_leftovers(phone)
    assert "window_animation_scale: left at '0.5', which somebody else gave it meanwhile" in said
    assert phone.snapshot() == before | {"global/window_animation_scale": b"0.5"}
    assert not any(sentence.startswith(("airplane", "transition")) for sentence in said)
    assert restore_leftovers(phone) == ()


def test_what_can_not_be_put_back_stays_for_the_next_time(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    left_behind(phone, Preparation(stay_awake=True, airplane_mode=True))
    (tmp_path / "refuse").touch()
    said = restore_leftovers(phone)
    assert [sentence.split(",")[0] for sentence in said] == [
        "stay_on_while_plugged_in: could not be put back",
        "airplane: put back to 'disabled'",
    ]
    with pytest.raises(DeviceError, match="can't be put back: stay_on"):
        clean(phone)
    with (
        pytest.raises(DeviceError, match="can't be put back: stay_on"),
        prepared(phone, Preparation(animations_off=True)),
    ):
        pass
    assert saved(phone).exists()
    (tmp_path / "refuse").unlink()
    assert restore_leftovers(phone) == ("stay_on_while_plugged_in: put back to '0'",)
    assert phone.snapshot() == before


@pytest.mark.parametrize(
    "text", ["", "owner\tnobody\n", "\0\xff", "global/adb_enabled\tset\t1\t0", "x\ty\n" * 1000]
)
def test_a_spoilt_file_of_old_values_changes_nothing_and_goes(tmp_path: Path, text: str) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    phone.run(["mkdir", "-p", WORK_DIR], deadline_s=5)
    saved(phone).write_text(text)
    restore_leftovers(phone)
    assert phone.snapshot() == before
    assert not saved(phone).exists()


def test_a_file_that_names_other_settings_than_ours_is_not_obeyed(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    phone.run(["mkdir", "-p", WORK_DIR], deadline_s=5)
    saved(phone).write_text(
        "global/adb_enabled;id\tset\t1\t0\nglobal/adb_enabled\tset\t1\t0\ngovernor/../../x\tset\ta\tb\nsecure/x\tset\ta\tb\n"
    )
    assert restore_leftovers(phone) == ()
    assert phone.snapshot() == before


# --- whose it is --------------------------------------------------------------------------


def test_a_living_process_keeps_what_it_prepared(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    with prepared(phone, EVERYTHING):
        assert restore_leftovers(phone) == ()
        assert phone.snapshot() == PREPARED
        with pytest.raises(DeviceError, match=f"prepared by process {os.getpid()}"):
            clean(phone)
        with pytest.raises(DeviceError, match="is prepared by process"):  # noqa: SIM117
            with prepared(phone, Preparation(stay_awake=True)):
                pass
        assert phone.snapshot() == PREPARED
        assert len(restore_leftovers(phone, by_force=True)) == 8


def test_what_another_computer_prepared_is_left_and_said(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    left_behind(phone)
    text = saved(phone).read_text().split("\n", 1)[1]
    saved(phone).write_text(f"owner\t0123456789ab:1:2:{'0' * 16}\n{text}")
    (said,) = restore_leftovers(phone)
    assert "another computer" in said
    assert phone.snapshot() == PREPARED
    with pytest.raises(DeviceError, match="another computer"):
        clean(phone)
    assert len(restore_leftovers(phone, by_force=True)) == 8


def test_a_process_lives_until_it_is_killed_and_also_unburied_it_is_dead() -> None:
    code = (
        "import time\nfrom bench.device.owner import owned\n"
        "with owned() as o: print(o, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        owner = child.stdout.readline().strip()
        assert life_of(owner) == "lives"
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert life_of(owner) == "dead"
        child.wait()
        assert life_of(owner) == "dead"


@pytest.mark.parametrize("owner", [None, "", "a:b:c:d", ":::", "x" * 100, "a:99999999999:0:x"])
def test_who_is_nobody_is_dead(owner: str | None) -> None:
    assert life_of(owner) == "dead"


# --- leftovers ----------------------------------------------------------------------------


def test_processes_of_ours_are_ended_and_no_others(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    phone.run(["mkdir", "-p", WORK_DIR], deadline_s=5)
    runner = phone.here(f"{WORK_DIR}/runner-abc")
    runner.symlink_to("/bin/sleep")
    ours = subprocess.Popen([runner, "60"])
    other = subprocess.Popen(["/bin/sh", "-c", "read -r line", str(runner)], stdin=subprocess.PIPE)
    assert other.stdin is not None
    try:
        said = remove_leftovers(phone)
        assert said == (f"process {ours.pid}: ended",)
        assert ours.wait(10) == -9
        assert other.poll() is None
    finally:
        other.stdin.close()
        for child in (ours, other):
            child.kill()
            child.wait()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_runner_under_an_emulator_is_ended_and_other_emulators_are_not(
    tmp_path: Path, shell: str
) -> None:
    phone = FolderPhone(tmp_path, (*TOOLS, "tr"), shell=shell)
    phone.run(["mkdir", "-p", WORK_DIR], deadline_s=5)
    runner = phone.here(f"{WORK_DIR}/runner-abc")
    other = tmp_path / "other"
    for script in (runner, other):
        script.write_text("read -r line\n")
    commands = [
        ["/usr/bin/qemu-aarch64-static", runner, "--contract=1"],
        ["/usr/bin/qemu-aarch64-static", other, runner],
        ["/bin/sh", runner, "/usr/bin/qemu-aarch64-static"],
    ]
    children = [
        subprocess.Popen(command, executable="/bin/sh", stdin=subprocess.PIPE)
        for command in commands
    ]
    try:
        assert remove_leftovers(phone) == (f"process {children[0].pid}: ended",)
        assert children[0].wait(10) == -9
        assert [child.poll() for child in children[1:]] == [None, None]
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_files_that_nobody_used_for_long_go_and_old_values_stay(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    left_behind(phone, Preparation(stay_awake=True))
    old, new = (
        phone.here(f"{WORK_DIR}/model-old.tflite"),
        phone.here(f"{WORK_DIR}/model-new.tflite"),
    )
    for path in (old, new):
        path.touch()
    for path in (old, saved(phone)):
        os.utime(path, (0, 0))
    (said,) = remove_leftovers(phone)
    assert "model-old.tflite: removed" in said
    assert new.exists()
    assert saved(phone).exists()
    assert not old.exists()


def test_a_lock_does_not_go_because_a_clock_was_put_forward(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    phone.run(["mkdir", "-p", f"{WORK_DIR}/lock"], deadline_s=5)
    held = phone.here(f"{WORK_DIR}/lock/owner")
    held.touch()
    os.utime(held, (0, 0))
    assert remove_leftovers(phone) == ()
    assert held.exists()


def test_the_id_of_a_watch_that_was_killed_goes(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    phone.run(["mkdir", "-p", WORK_DIR], deadline_s=5)
    phone.here(f"{WORK_DIR}/watch-0123abcd.pid").touch()
    assert remove_leftovers(phone) == ()
    assert not phone.here(f"{WORK_DIR}/watch-0123abcd.pid").exists()


def test_cleaning_restores_and_removes_all(tmp_path: Path) -> None:
    phone = phone_with(tmp_path)
    before = phone.snapshot()
    left_behind(phone)
    said = clean(phone)
    assert len(said) == 9
    assert phone.snapshot() == before
    assert not phone.work.exists()
    clean(phone)
    assert not phone.work.exists()


# --- parsing ------------------------------------------------------------------------------


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=16, max_size=16))
def test_any_text_is_a_report_without_an_end(text: str, nonce: str) -> None:
    assert parse_report(text, nonce) == ([], False)
    parse_owner(text)
