"""Finding phones, and saying what is wrong with one that can't be used."""

from __future__ import annotations

from bench.device.adb_phone import AdbPhone
from bench.device.parse.devices import Listed, parse_devices
from bench.device.server import AdbServer
from bench.errors import DeviceError

_CHECK_PHONE = (
    "Check on the phone: the cable carries data, developer options are on, USB debugging is on, "
    "and the prompt to allow this computer was answered. "
    "Without a phone, use `--device virtual`."
)

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


def list_phones(server: AdbServer) -> list[Listed]:
    """All phones that the server knows, usable or not."""
    return parse_devices(server.query("host:devices-l"))


def usable_phones(server: AdbServer) -> list[Listed]:
    """The phones that can be used now; DeviceError that says why when there are none."""
    listed = list_phones(server)
    usable = [phone for phone in listed if phone.state == "device"]
    if usable:
        return usable
    if not listed:
        raise DeviceError("No phone is connected.", next_step=_CHECK_PHONE)
    if len(listed) == 1:
        raise trouble(listed[0])
    states = ", ".join(f"{phone.serial!r} ({phone.state})" for phone in listed)
    raise DeviceError(f"No connected phone can be used: {states}.", next_step=_CHECK_PHONE)


def connect(serial: str, server: AdbServer) -> AdbPhone:
    """The phone of that serial; DeviceError that says what to do when it can't be used."""
    listed = list_phones(server)
    named = [phone for phone in listed if phone.serial == serial]
    if not named:
        if not listed:
            raise DeviceError(f"{serial!r} is not connected; no phone is.", next_step=_CHECK_PHONE)
        others = ", ".join(repr(phone.serial) for phone in listed)
        raise DeviceError(f"{serial!r} is not connected.", next_step=f"Connected: {others}.")
    if len(named) > 1:
        raise DeviceError(
            f"{len(named)} connected phones call themselves {serial!r}.",
            next_step="Unplug all but one of them.",
        )
    if named[0].state != "device":
        raise trouble(named[0])
    features = server.query(f"host-serial:{serial}:features").split(",")
    return AdbPhone(serial, frozenset(features), host=server.host, port=server.port)


def trouble(listed: Listed) -> DeviceError:
    """Why a phone in this state can't be used, and what to do about it."""
    if listed.state in _NOT_BOOTED:
        what = f"is in {listed.state} mode."
        next_step = "Start Android on it (`adb reboot`), then try again."
    else:
        fallback = (f"is in the state {listed.state!r}.", "Plug it in again.")
        what, next_step = _TROUBLES.get(listed.state, fallback)
    return DeviceError(f"{listed.serial!r} {what}", next_step=next_step)
