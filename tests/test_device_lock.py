"""One bench at a time on a phone: who holds it, who may take it over, and when."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from folder_phone import SHELLS, TOOLS, FolderPhone

from bench.device import Finished, break_hold, ensure, held, lock, remove_leftovers
from bench.device.lock import LEASE_S, Hold
from bench.device.phone import WORK_DIR
from bench.errors import DeviceBusy, DeviceError, DeviceLost

ELSEWHERE = "0123456789ab:4242:77:00ff"


class ClockedPhone(FolderPhone):
    """A phone whose uptime and boot are what the test says."""

    def __init__(self, root: Path, shell: str = "sh") -> None:
        super().__init__(root, (*TOOLS, "sleep"), shell)
        (root / "boot").write_text("first-boot\n")
        self.up(1000.25)

    def up(self, seconds: float | None) -> None:
        if seconds is None:
            (self.root / "uptime").unlink()
        else:
            (self.root / "uptime").write_text(f"{seconds} 99.9\n")

    def reboot(self, seconds: float) -> None:
        (self.root / "boot").write_text("second-boot\n")
        self.up(seconds)

    def run(self, argv: Sequence[str], *, deadline_s: float) -> Finished:
        places = {
            "/proc/uptime": str(self.root / "uptime"),
            "/proc/sys/kernel/random/boot_id": str(self.root / "boot"),
        }
        here = [places.get(word, word) for word in argv]
        return super().run(here, deadline_s=deadline_s)

    @property
    def lock(self) -> Path:
        return self.here(f"{WORK_DIR}/lock")

    def lock_for(self, owner: str, seen: str = "1000.25", boot: str = "first-boot") -> None:
        self.lock.mkdir(parents=True)
        (self.lock / "owner").write_text(f"{owner} {seen} {boot}\n")


@pytest.fixture(params=SHELLS)
def phone(request: pytest.FixtureRequest, tmp_path: Path) -> ClockedPhone:
    return ClockedPhone(tmp_path, request.param)


def test_a_phone_is_held_for_a_block_and_free_after(phone: ClockedPhone) -> None:
    with held(phone) as hold:
        assert (phone.lock / "owner").read_text() == f"{hold.owner} 1000.25 first-boot\n"
        hold.check()
    assert not phone.lock.exists()
    with held(phone):
        pass


def test_a_second_sweep_is_told_who_has_the_phone_and_what_to_do(phone: ClockedPhone) -> None:
    with held(phone) as hold:
        with (
            pytest.raises(
                DeviceBusy,
                match=rf"'FOLDER01' is in use by process {os.getpid()} on this computer\. Wait",
            ),
            held(phone),
        ):
            pass
        hold.confirm(phone)  # and did not lose it by that


def test_a_phone_that_was_away_at_the_end_is_freed_when_it_is_back(
    phone: ClockedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_S", 0.01)
    there = phone.run

    def away(argv: Sequence[str], **how: object) -> Finished:
        raise DeviceLost("gone")

    hold = Hold(phone, "us")
    monkeypatch.setattr(phone, "run", away)
    hold.release()
    assert phone.lock.exists()
    monkeypatch.setattr(phone, "run", there)
    for _ in range(1000):
        if not phone.lock.exists():
            break
        threading.Event().wait(0.01)
    assert not phone.lock.exists()


def test_a_renewal_that_comes_after_the_release_does_not_keep_the_phone(
    phone: ClockedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_S", 0.01)
    run, renewing, released = phone.run, threading.Event(), threading.Event()

    def late(argv: Sequence[str], **how: float) -> Finished:
        if "take" in argv:
            renewing.set()
            assert released.wait(20)
        return run(argv, **how)  # type: ignore[arg-type]

    hold = Hold(phone, "us")
    (renewal,) = (one for one in threading.enumerate() if one.name == "hold FOLDER01")
    monkeypatch.setattr(phone, "run", late)
    assert renewing.wait(20)
    hold.release()
    released.set()
    renewal.join(20)
    assert not renewal.is_alive()
    assert not phone.lock.exists()


def test_an_error_frees_the_phone(phone: ClockedPhone) -> None:
    def work() -> None:
        with held(phone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not phone.lock.exists()


def test_releasing_twice_does_not_free_what_is_somebody_elses(phone: ClockedPhone) -> None:
    with held(phone) as hold:
        hold.release()
        with held(phone):
            hold.release()
            assert phone.lock.exists()


def test_the_hold_of_a_process_that_was_killed_is_taken_over_at_once(phone: ClockedPhone) -> None:
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "from bench.device.owner import owned\nwith owned() as owner: print(owner)",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    phone.lock_for(killed.stdout.strip())
    with held(phone) as hold:
        assert (phone.lock / "owner").read_text().startswith(hold.owner)


def test_a_process_that_lives_on_this_computer_is_displaced_at_the_end_of_its_lease(
    phone: ClockedPhone,
) -> None:
    script = (
        "from bench.device.owner import owned\nwith owned() as o: print(o, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        phone.lock_for(other.stdout.readline().strip())
        phone.up(1000 + LEASE_S)
        with pytest.raises(DeviceBusy, match=f"process {other.pid} on this computer"):
            Hold(phone, "us")
        phone.up(1001 + LEASE_S)
        with held(phone):
            pass
        other.communicate("\n")


def test_a_hold_from_elsewhere_ends_when_its_lease_does_by_the_phones_uptime(
    phone: ClockedPhone,
) -> None:
    phone.lock_for(ELSEWHERE)
    phone.up(1000.25 + LEASE_S - 1)
    with pytest.raises(DeviceBusy, match="bench on another computer, last heard of 299 s ago"):
        Hold(phone, "us")
    phone.up(1000.25 + LEASE_S + 1)
    with held(phone) as hold:
        assert (phone.lock / "owner").read_text().startswith(hold.owner)


def test_after_a_reboot_the_lease_counts_from_it(phone: ClockedPhone) -> None:
    phone.lock_for(ELSEWHERE, seen="900000.5")
    phone.reboot(LEASE_S - 1)
    with pytest.raises(DeviceBusy, match="another computer"):
        Hold(phone, "us")
    phone.up(LEASE_S + 1)
    with held(phone):
        pass


def test_a_phone_that_tells_no_uptime_is_freed_by_force_alone(phone: ClockedPhone) -> None:
    phone.lock_for(ELSEWHERE, seen="-", boot="-")
    phone.up(None)
    with pytest.raises(DeviceBusy, match="`bench devices --restore` frees the phone"):
        Hold(phone, "us")
    assert break_hold(phone) == ("the hold of bench on another computer was ended",)
    assert break_hold(phone) == ()
    with held(phone):
        pass


def test_a_holder_hears_that_its_phone_was_taken(
    phone: ClockedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_S", 0.01)
    with held(phone) as hold:
        for _ in range(1000):
            if hold._taken is not None:
                break
            (phone.root / "owner").write_text(f"{ELSEWHERE} 1000.25 first-boot\n")
            (phone.root / "owner").replace(phone.lock / "owner")
            threading.Event().wait(0.02)
        with pytest.raises(DeviceBusy, match="another computer"):
            hold.check()
        with pytest.raises(DeviceBusy, match="another computer"):
            hold.confirm(phone)
    assert (phone.lock / "owner").read_text().startswith(ELSEWHERE)  # it is theirs


def test_a_hold_is_renewed_and_taken_again_where_it_was_removed(
    phone: ClockedPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(phone) as hold:
        phone.up(2000)
        hold.confirm(phone)
        assert " 2000 first-boot" in (phone.lock / "owner").read_text()
        (phone.lock / "owner").unlink()
        phone.lock.rmdir()
        hold.confirm(phone)
        assert hold.owner in (phone.lock / "owner").read_text()


def test_a_lock_without_a_name_is_of_somebody_who_was_killed_there(phone: ClockedPhone) -> None:
    phone.lock.mkdir(parents=True)
    with held(phone) as hold:
        assert hold.owner in (phone.lock / "owner").read_text()


def test_who_was_killed_while_displacing_another_keeps_nobody_out(phone: ClockedPhone) -> None:
    phone.lock_for("nobody")
    (phone.lock / "displaced").mkdir()
    with held(phone) as hold:
        assert hold.owner in (phone.lock / "owner").read_text()
        assert not (phone.lock / "displaced").exists()


@pytest.mark.parametrize("owner", ["$(touch x);`id`", "a:\x1b[2J:c:d", "*", "-e", "x" * 5000])
def test_what_stands_in_a_lock_is_never_run_nor_printed_raw(
    phone: ClockedPhone, owner: str, tmp_path: Path
) -> None:
    phone.lock_for(owner)
    with held(phone):  # no word of ours: nobody who lives
        pass
    phone.lock_for(owner)
    (said,) = break_hold(phone)
    assert said == "the hold of somebody unknown was ended"
    assert not list(tmp_path.rglob("x"))


def test_of_many_that_want_a_phone_at_once_one_gets_it(phone: ClockedPhone) -> None:
    phone.lock_for("displaced", boot="first-boot")  # and has to be displaced first
    start, end = threading.Barrier(6, timeout=30), threading.Barrier(6, timeout=30)
    got: list[str] = []

    def want() -> None:
        start.wait()
        try:
            with held(phone) as hold:
                got.append(hold.owner)
                end.wait()
        except DeviceBusy:
            end.wait()

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 1
    assert not phone.lock.exists()


def test_a_phone_that_takes_no_lock_is_one_error_with_its_words(phone: ClockedPhone) -> None:
    phone.work.write_text("a file where the folder should be")
    with pytest.raises(DeviceError, match=r"'FOLDER01' can't be held: .*[Nn]ot a directory"):
        Hold(phone, "us")


def test_what_was_removed_as_unused_is_known_to_be_gone(tmp_path: Path) -> None:
    phone = FolderPhone(tmp_path)
    local = tmp_path / "file"
    local.write_bytes(b"content")
    remote, sha256 = f"{WORK_DIR}/file", hashlib.sha256(b"content").hexdigest()
    assert ensure(phone, local, sha256, remote) == 7
    os.utime(phone.here(remote), (0, 0))  # as on a phone whose clock is far ahead
    remove_leftovers(phone)
    assert ensure(phone, local, sha256, remote) == 7
