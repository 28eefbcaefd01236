"""One bench at a time on a phone, whichever computer and adb server it comes by.

    with held(phone) as hold:
        ...

The lock is a folder on the phone, because making one either works or tells that it is there.
It holds the owner's word (owner.py) and when the owner was last heard of, by the phone's own
uptime: no clock that can be set is asked. The hold is a lease, renewed while its owner works. An
owner on this computer that is dead is displaced at once; one on another can't be asked.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench.device.adb_phone import AdbPhone
from bench.device.owner import life_of, owned, who
from bench.device.parse.text import lines_of, printable
from bench.device.phone import WORK_DIR, Phone
from bench.errors import DeviceBusy, DeviceError

LEASE_S = 300.0  # ten renewals in vain: also a phone that swaps, or is away, answers one of them
RENEW_S = 30.0

_LOCK = f"{WORK_DIR}/lock"
_CLOCK = ("/proc/uptime", "/proc/sys/kernel/random/boot_id")
_ASK_S = 15.0

# sh -c TEXT sh take|free LOCK NONCE OWNER OTHER UPTIME BOOT-ID
# take: ours from now on, or still, also when it is OTHER's. free: nobody's; without OWNER whoever
# has it. The folder in a lock is made by the one who may displace its owner.
_SCRIPT = """
lock=$2 nonce=$3 owner=$4 other=$5 up= boot=
{ read -r up rest <"$6"; read -r boot rest <"$7"; } 2>/dev/null
look() {
  holder=
  { read -r holder seen then rest <"$lock/owner"; } 2>/dev/null
}
stamp() {
  reason=$({ echo "$owner ${up:--} ${boot:--}" >"$lock/$nonce"; } 2>&1 &&
    mv -f "$lock/$nonce" "$lock/owner" 2>&1)
}
displace() {
  mkdir "$lock/displaced" 2>/dev/null || {
    sleep 1
    [ $tries -lt 4 ] || rm -rf "$lock/displaced" # of somebody who was killed there
    return
  }
  look
  [ "$holder" = "$1" ] && stamp
  rm -rf "$lock/displaced"
}
take() {
  mkdir -p "${lock%/*}" 2>/dev/null
  tries=0 reason=
  while [ $tries -lt 6 ]; do
    tries=$((tries + 1))
    if made=$(mkdir "$lock" 2>&1); then
      stamp && echo "$nonce ours" && return
      rm -rf "$lock"
      break
    fi
    [ -d "$lock" ] || continue # freed just now, or it can't be made at all
    look
    if [ "$holder" = "$owner" ]; then
      stamp && echo "$nonce ours" && return
      break
    elif [ -z "$holder" ] && [ $tries -lt 3 ]; then
      sleep 1 # somebody is about to write a name into it, or was killed there
    elif [ -z "$holder" ] || [ "$holder" = "$other" ]; then
      displace "$holder"
    else
      echo "$nonce held $holder ${seen:--} ${then:--} ${up:--} ${boot:--}"
      return
    fi
  done
  echo "$nonce failed ${reason:-$made}"
}
case $1 in
  take) take ;;
  free)
    look
    if [ -d "$lock" ] && [ "${owner:-$holder}" = "$holder" ]; then
      rm -rf "$lock"
      echo "$nonce was ${holder:--}"
    else
      echo "$nonce free"
    fi
    ;;
esac
"""


class Hold:
    """A phone that is ours until `release`, as long as nobody breaks the lock."""

    def __init__(self, phone: Phone, owner: str) -> None:
        self.owner = owner
        self._phone = phone
        self._taken: DeviceBusy | None = None
        self._ended = threading.Event()
        _take(phone, owner)
        threading.Thread(target=self._renew, name=f"hold {phone.serial}", daemon=True).start()

    def confirm(self, phone: Phone) -> None:
        """The phone came back by this connection: is it still ours? DeviceBusy when it is not."""
        self._phone = phone
        _take(phone, self.owner)

    def check(self) -> None:
        """DeviceBusy when somebody else has taken the phone meanwhile; costs nothing."""
        if self._taken is not None:
            raise self._taken

    def release(self) -> None:
        """Let others have it; harmless when it is done already, or the phone is gone."""
        if not self._ended.is_set():
            self._ended.set()
            if not self._free():
                name = f"free {self._phone.serial}"
                threading.Thread(target=self._free_later, name=name, daemon=True).start()

    def _free_later(self) -> None:
        """What is not freed in time is others' by the end of the lease."""
        give_up_at = time.monotonic() + LEASE_S
        pause_s = min(1.0, RENEW_S)
        while time.monotonic() < give_up_at:
            time.sleep(pause_s)
            if self._free():
                return
            pause_s = min(2 * pause_s, RENEW_S)

    def _free(self) -> bool:
        phone = self._phone.fresh() if isinstance(self._phone, AdbPhone) else self._phone
        try:
            _ask(phone, "free", self.owner, "")
        except DeviceError:
            return False
        return True

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            try:
                _take(self._phone, self.owner)
            except DeviceBusy as error:
                self._taken = error
                return
            except DeviceError:
                pass  # whoever works with it learns that it is gone
            if self._ended.is_set():  # this may have come after the release, and taken it anew
                self._free()


@contextmanager
def held(phone: Phone) -> Iterator[Hold]:
    """A phone for us alone during a `with` block; DeviceBusy when somebody else has it."""
    with owned() as owner:
        hold = Hold(phone, owner)
        try:
            yield hold
        finally:
            hold.release()


def break_hold(phone: Phone) -> tuple[str, ...]:
    """End whoever's hold of a phone there is, by force; whose it was, in a sentence."""
    said = _ask(phone, "free", "", "")
    if said[0] != "was":
        return ()
    return (f"the hold of {who(said[1])} was ended",)


class _Held(NamedTuple):
    """Who holds a phone, and since when nothing was heard of it; None: that can't be told."""

    owner: str
    silent_s: float | None


def _take(phone: Phone, owner: str) -> None:
    other = ""
    for _ in range(3):  # others may displace it too, and each is judged anew
        said = _ask(phone, "take", owner, other)
        if said[0] == "ours":
            return
        found = _Held(said[1], _silent_s(said[2:]))
        if not _is_over(found):
            break
        other = found.owner
    raise _busy(phone, found)


def _is_over(found: _Held) -> bool:
    """Also a process that lives may be done with the phone, and could not tell it so."""
    silent = found.silent_s is not None and found.silent_s > LEASE_S
    return silent or life_of(found.owner) == "dead"


def _silent_s(told: list[str]) -> float | None:
    """From the uptime and boot of the last sign of life, and those of now.

    After a reboot it is the time since that: an owner that lives would have been heard of.
    """
    seen, then, up, boot = told
    number = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
    if not number.fullmatch(up) or not number.fullmatch(seen):
        return None
    silent_s = float(up) - float(seen)
    return silent_s if then == boot and silent_s >= 0 else float(up)


def _ask(phone: Phone, verb: str, owner: str, other: str) -> list[str]:
    """Run the script: "ours", "free", "was" and an owner, or "held", an owner and four times."""
    nonce = secrets.token_hex(8)
    argv = ["sh", "-c", _SCRIPT, "sh", verb, _LOCK, nonce, owner, other, *_CLOCK]
    done = phone.run(argv, deadline_s=_ASK_S)
    lines = lines_of(done.stdout.decode("utf-8", "replace"))
    mine = (line.split(" ")[1:] for line in lines if line.startswith(f"{nonce} "))
    said = next(mine, ["nothing"])
    if (said[0], len(said)) in (("ours", 1), ("free", 1), ("was", 2), ("held", 6)):
        return said
    reason = " ".join(said[1:]) or (done.stderr or b"").decode("utf-8", "replace")
    raise DeviceError(
        f"{phone.serial!r} can't be held: {printable(reason).rstrip('.') or 'it said nothing'}.",
        next_step="Look whether it has space left.",
    )


def _busy(phone: Phone, found: _Held) -> DeviceBusy:
    heard = "" if found.silent_s is None else f", last heard of {found.silent_s:.0f} s ago"
    there = heard if life_of(found.owner) == "elsewhere" else ""
    return DeviceBusy(
        f"{phone.serial!r} is in use by {who(found.owner)}{there}.",
        next_step="Wait until that has ended, or measure on other phones;"
        " if it does not run, `bench devices --restore` frees the phone.",
    )
