"""Names of phones on the command line: SERIAL, or HOST:PORT/SERIAL on another adb server."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.device.adb import connect
from bench.device.adb_phone import AdbPhone
from bench.device.server import AdbServer, default_server
from bench.errors import UsageError

# A serial of adb's own never holds a slash, but "192.168.1.7:5555" is one.
_ELSEWHERE = re.compile(r"(?a:(\[[0-9A-Fa-f:.%]+\]|[\w.-]+):([0-9]{1,5}))/(.*)", re.DOTALL)
_SERVER = re.compile(r"(?a:(\[[0-9A-Fa-f:.%]+\]|[\w.-]+):([0-9]{1,5}))")


@dataclass(frozen=True, slots=True)
class Target:
    """A phone on an adb server; `server` None is the user's own."""

    server: AdbServer | None
    serial: str

    def __str__(self) -> str:
        return self.serial if self.server is None else f"{self.server}/{self.serial}"


def parse_target(text: str) -> Target:
    """What a user names. UsageError where it can be no phone.

    >>> str(parse_target("192.168.1.7:5555"))
    '192.168.1.7:5555'
    >>> parse_target("lab-2:5037/R58M123ABC").serial
    'R58M123ABC'
    """
    match = _ELSEWHERE.fullmatch(text)
    serial = text if match is None else match[3]
    if not serial.strip():
        raise UsageError(
            f"{text!r} names no phone.", next_step="Name it as SERIAL or as HOST:PORT/SERIAL."
        )
    return Target(None if match is None else _server(match[1], match[2]), serial)


def parse_server(text: str) -> AdbServer:
    """An adb server as HOST:PORT; UsageError for anything else."""
    match = _SERVER.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no adb server.", next_step="Name it as HOST:PORT.")
    return _server(match[1], match[2])


def connect_target(target: Target | str) -> AdbPhone:
    """The phone that is meant, called by its whole name in errors and records.

    DeviceError that says what to do when it, or its server, can't be reached.
    """
    if isinstance(target, str):
        target = parse_target(target)
    server = default_server() if target.server is None else target.server
    return connect(target.serial, server, str(target))


def _server(host: str, port: str) -> AdbServer:
    if not 0 < int(port) < 65536:
        raise UsageError(f"{port} is no port.", next_step="An adb server listens on 5037 mostly.")
    return AdbServer(host, int(port))
