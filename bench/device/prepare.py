"""A phone prepared for measuring, and left as it was found.

    with prepared(phone, Preparation(stay_awake=True)) as applied:
        ...

Each old value is on the phone's disk before the setting is changed (device_scripts/prepare.sh).
It comes back at the end of the block, also by Ctrl-C or an error; when this process is killed,
by the next `restore_leftovers`, which `bench devices` and every sweep begin with.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from bench.device.adb_phone import AdbPhone
from bench.device.ensure import ensure
from bench.device.owner import life_of, owned, who
from bench.device.parse.report import Said, parse_owner, parse_report
from bench.device.parse.text import printable
from bench.device.phone import SAVED, WORK_DIR, Phone, content_path
from bench.device.scripts import device_script
from bench.errors import DeviceBusy, DeviceError
from bench.records import Record

UNUSED_DAYS = 14

_CPU = "/sys/devices/system/cpu"
_LOOK = '[ -f "$1" ] && echo saved && cat "$1"'
_READ_S = 10.0
_SCRIPT_S = 90.0  # `settings` starts a whole virtual machine on old phones, 1 s each time
_LATER = "`bench devices --restore` puts them back once the phone answers."
# A phone reached over the air goes out of reach in airplane mode; a tunnel's end is no phone's.
_OVER_THE_AIR = re.compile(
    r".*\._adb(-tls-connect)?\._tcp\.?|(?!127\.|localhost:|\[::1\]:).+:[0-9]+"
)


class Preparation(Record, frozen=True, kw_only=True):
    """What may be changed on a phone; nothing is, unless it is asked for."""

    stay_awake: bool = False  # the screen stays on while plugged in
    animations_off: bool = False
    fixed_performance: bool = False  # clocks bounded to what can be held for long (Android 11+)
    performance_governor: bool = False  # needs root
    airplane_mode: bool = False  # Android 11+; never over Wi-Fi


@dataclass(slots=True)
class Applied:
    """What was changed, and what was not and why; one sentence each."""

    changed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    left: tuple[str, ...] = field(default=())  # known after the block: what was not put back


@contextmanager
def prepared(phone: Phone, preparation: Preparation, owner: str | None = None) -> Iterator[Applied]:
    """A phone with these settings for the time of a `with` block.

    `owner` is the word of who holds the phone (lock.py). What the phone refuses is no error but
    stands in `refused`. Leftovers of a killed process are put back first. DeviceError when
    another process that lives has prepared the phone, when leftovers can't be put back, or when
    the phone is gone at the end; it stays prepared then, see `restore_leftovers`.
    """
    words, refused = _wanted(phone, preparation)
    if not words:
        yield Applied(refused=refused)
        return
    said = restore_leftovers(phone)
    with nullcontext(owner) if owner else owned() as owner:
        try:
            applied = _prepare(phone, owner, words, said)
            applied.refused += refused
            yield applied
        except BaseException as error:
            try:
                _restore(_again(phone), owner)
            except DeviceError as lost:  # the first error is the one to tell
                error.add_note(f"Settings of the phone are still changed: {lost.what} {_LATER}")
            raise
        try:
            applied.left = _sentences(_restore(_again(phone), owner), "left", "failed")
        except DeviceError as error:
            what = f"Settings of {phone.serial!r} are still changed: {error.what}"
            raise DeviceError(what, next_step=_LATER) from error


def restore_leftovers(phone: Phone, *, by_force: bool = False) -> tuple[str, ...]:
    """Put back what a killed process changed; what was done, one sentence each.

    Nothing happens where nothing is left, or while the process that prepared the phone lives;
    `by_force` puts it back even then. Doing it twice is harmless.
    """
    saved = _saved(phone)
    if saved is None:
        return ()
    owner = parse_owner(saved)
    life = "dead" if by_force else life_of(owner)
    if life == "lives":
        return ()
    if life == "elsewhere":
        return (
            "settings were changed by bench on another computer;"
            " if it runs no longer, `bench devices --restore` puts them back",
        )
    return _sentences(_restore(phone, ""), "restored", "left", "failed")


def remove_leftovers(phone: Phone) -> tuple[str, ...]:
    """End processes that bench left on the phone, and remove files unused for UNUSED_DAYS.

    For who has the phone to itself: it ends the runner of any other process too.
    """
    said = _clean(phone, str(UNUSED_DAYS))
    if any(one.word == "removed" for one in said):
        phone.verified.clear()  # a phone whose clock is ahead takes new files for old
    return _sentences(said, "killed", "removed")


def clean(phone: Phone) -> tuple[str, ...]:
    """Restore settings, end processes and remove everything that bench put on the phone.

    DeviceError while a process that lives has prepared the phone, or when a setting can't be
    restored: the old value would be lost.
    """
    said = restore_leftovers(phone)
    left = _saved(phone)
    if left is not None:
        raise _in_the_way(phone, left, said)
    try:
        return (*said, *_sentences(_clean(phone, "all"), "killed", "removed"))
    finally:
        phone.verified.clear()


def _wanted(phone: Phone, preparation: Preparation) -> tuple[list[str], tuple[str, ...]]:
    """The words of prepare.sh; airplane mode last, for it may cost the connection."""
    words = []
    if preparation.stay_awake:
        words.append("stay-awake")
    if preparation.animations_off:
        words.append("animations")
    if preparation.fixed_performance:
        words.append("fixed-performance")
    if preparation.performance_governor:
        words.append("governor:performance")
    if not preparation.airplane_mode:
        return words, ()
    if _OVER_THE_AIR.fullmatch(phone.serial.rpartition("/")[2]):
        return words, ("airplane: it would cut the connection, which is over the air",)
    return [*words, "airplane"], ()


def _prepare(phone: Phone, owner: str, words: list[str], restored: tuple[str, ...]) -> Applied:
    restore = _pushed(phone, "restore")
    said = _run(phone, "prepare", SAVED, _CPU, owner, restore, *words)
    if any(one.word == "busy" for one in said):
        raise _in_the_way(phone, _saved(phone) or "", restored)
    return Applied(_sentences(said, "changed"), _sentences(said, "refused"))


def _saved(phone: Phone) -> str | None:
    """The old values that are on the phone; None where there are none."""
    done = phone.run(["sh", "-c", _LOOK, "sh", SAVED], deadline_s=_READ_S)
    there, _, text = done.stdout.decode("utf-8", "replace").partition("\n")
    return text if there.strip() == "saved" else None


def _restore(phone: Phone, owner: str) -> list[Said]:
    return _run(phone, "restore", SAVED, _CPU, owner)


def _clean(phone: Phone, days: str) -> list[Said]:
    return _run(phone, "clean", WORK_DIR, days)


def _run(phone: Phone, name: str, *arguments: str) -> list[Said]:
    """Run a script of ours to its end; DeviceError when it did not come there."""
    remote = _pushed(phone, name)
    nonce = secrets.token_hex(8)
    done = phone.run(["sh", remote, nonce, *arguments], deadline_s=_SCRIPT_S)
    said, ended = parse_report(done.stdout.decode("utf-8", "replace"), nonce)
    if not ended:
        phone.verified.pop(remote, None)
        told = printable((done.stderr or done.stdout).decode("utf-8", "replace"))
        what = f"{phone.serial!r} did not run {name}.sh to its end, exit code {done.exit_code}"
        raise DeviceError(f"{what}: {told or 'it said nothing'}.")
    return said


def _pushed(phone: Phone, name: str) -> str:
    script = device_script(f"{name}.sh")
    sha256 = hashlib.sha256(script.read_bytes()).hexdigest()
    remote = content_path(name, sha256, ".sh")
    ensure(phone, script, sha256, remote)
    return remote


def _again(phone: Phone) -> Phone:
    """A connection on which the phone can be restored, also after an interrupt."""
    return phone.fresh() if isinstance(phone, AdbPhone) else phone


_WORDS = {
    "changed": "{target}: changed, was {text!r}",
    "refused": "{target}: not changed, {text}",
    "restored": "{target}: put back to {text!r}",
    "left": "{target}: left at {text!r}, which somebody else gave it meanwhile",
    "failed": "{target}: could not be put back, {text}",
    "killed": "process {target}: ended",
    "removed": "{target}: removed",
}


def _sentences(said: list[Said], *words: str) -> tuple[str, ...]:
    told = [one for one in said if one.word in words]
    return tuple(
        _WORDS[one.word].format(target=one.target.removeprefix("global/"), text=one.text)
        for one in told
    )


def _in_the_way(phone: Phone, saved: str, said: tuple[str, ...]) -> DeviceError:
    """Old values that are still on the phone: somebody's who lives, or of no use."""
    owner = parse_owner(saved)
    if life_of(owner) != "dead":
        return DeviceBusy(
            f"{phone.serial!r} is prepared by {who(owner)}.",
            next_step="Wait for it; if it runs no longer, `bench devices --restore`.",
        )
    return DeviceError(
        f"Settings of {phone.serial!r} can't be put back: {'; '.join(said)}.",
        next_step=f"Put them back by hand, then remove {SAVED}.",
    )
