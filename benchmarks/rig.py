"""A virtual phone behind an adb server of its own, for the scripts beside this file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bench import runtime, virtual
from bench.device import AdbServer, connect, describe, private_server
from bench.trial import Station
from bench.trial.runners import BenchRunner


@contextlib.contextmanager
def virtual_station(profile: str = "flagship") -> Iterator[tuple[Station, AdbServer]]:
    """A booted virtual phone, ready for trials."""
    with private_server() as server, virtual.booted(profile) as booted:
        server.connect_tcp(booted.serial)
        phone = connect(booted.serial, server)
        device = describe(phone)
        yield (
            Station(
                booted.serial, phone, device, (BenchRunner(runtime.find(device.abis, device.libc)),)
            ),
            server,
        )
