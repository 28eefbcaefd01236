"""Why a listed phone can't be used, and what to do about it."""

from __future__ import annotations

from bench.device.parse.devices import Listed
from bench.errors import DeviceError

_TROUBLES = {
    "unauthorized": (
        "does not trust this computer yet.",
        "Unlock the phone and accept the prompt to allow USB debugging, then try again.",
    ),
    "authorizing": (
        "is deciding whether to trust this computer.",
        "Accept the prompt on the phone's screen, then try again.",
    ),
    "offline": (
        "is offline: adb sees it, but it does not answer.",
        "Plug it in again, or run `adb reconnect offline`.",
    ),
    "connecting": ("is still connecting.", "Try again in a few seconds."),
    "no permissions": (
        "may not be opened by this user.",
        "Add a udev rule for it (Debian: `apt install android-sdk-platform-tools-common`, "
        "and be in the group plugdev), then plug it in again.",
    ),
    "detached": ("is in use by another program.", "Run `adb attach`, or end that program."),
}
_NOT_BOOTED = ("recovery", "rescue", "sideload", "bootloader")


def trouble(listed: Listed) -> DeviceError:
    """The error for a phone whose state is not "device"."""
    if listed.state in _NOT_BOOTED:
        what = f"is in {listed.state} mode."
        next_step = "Start Android on it (`adb reboot`), then try again."
    else:
        fallback = (f"is in the state {listed.state!r}.", "Plug it in again.")
        what, next_step = _TROUBLES.get(listed.state, fallback)
    return DeviceError(f"{listed.serial!r} {what}", next_step=next_step)
