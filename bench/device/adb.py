"""Finding phones, and saying what is wrong with one that can't be used."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import replace

from bench.device.adb_phone import AdbPhone
from bench.device.parse.devices import Listed, parse_devices
from bench.device.server import AdbServer
from bench.device.trouble import trouble
from bench.errors import DeviceError

_ADDRESS = re.compile(r"(?a:\[[0-9A-Fa-f:.%]+\]|[\w.-]+):[0-9]{1,5}")
_CHECK_PHONE = (
    "Check on the phone: the cable carries data, developer options are on, USB debugging is on, "
    "and the prompt to allow this computer was answered. "
    "Without a phone, use `--device virtual`."
)


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
        raise no_phone()
    if len(listed) == 1:
        raise trouble(listed[0])
    states = ", ".join(f"{phone.serial!r} ({phone.state})" for phone in listed)
    raise DeviceError(f"No connected phone can be used: {states}.", next_step=_CHECK_PHONE)


def connect(serial: str, server: AdbServer, name: str | None = None) -> AdbPhone:
    """The phone of that serial; DeviceError that says what to do when it can't be used.

    `name` is what it is called instead of by its serial, here and in records. A server that was
    started anew has forgotten its phones at HOST:PORT and is told of this one again, and one
    that lost it looks for it every ten seconds only.
    """
    listed = list_phones(server)
    states = [phone.state for phone in listed if phone.serial == serial]
    if _ADDRESS.fullmatch(serial) and states in ([], ["offline"]):
        with contextlib.suppress(DeviceError):
            server.connect_tcp(serial)
        listed = list_phones(server)
    return connect_listed(serial, listed, server, name)


def connect_listed(
    serial: str, listed: list[Listed], server: AdbServer, name: str | None = None
) -> AdbPhone:
    """`connect` with a list of the server's phones at hand."""
    named = [phone for phone in listed if phone.serial == serial]
    if not named:
        raise not_connected(name or serial, [phone.serial for phone in listed])
    if len(named) > 1:
        raise DeviceError(
            f"{len(named)} connected phones call themselves {(name or serial)!r}.",
            next_step="Unplug all but one of them.",
        )
    if named[0].state != "device":
        raise trouble(replace(named[0], serial=name or serial))
    features = server.query(f"host-serial:{serial}:features").split(",")
    return AdbPhone(serial, frozenset(features), host=server.host, port=server.port, name=name)


def no_phone() -> DeviceError:
    """What to say where no phone is listed at all."""
    return DeviceError("No phone is connected.", next_step=_CHECK_PHONE)


def not_connected(name: str, others: Sequence[str] = ()) -> DeviceError:
    """What to say of a phone that is not listed, where perhaps others are."""
    if not others:
        return DeviceError(f"{name!r} is not connected; no phone is.", next_step=_CHECK_PHONE)
    there = ", ".join(repr(other) for other in others)
    return DeviceError(f"{name!r} is not connected.", next_step=f"Connected: {there}.")
