"""Virtual phones: boot one, find it, break it, take it down.

    with booted("small") as phone:
        ...  # adb connect 127.0.0.1:PORT, which is phone.serial

A virtual phone is a daemon that the real adb server takes for a phone. Its programs run at the
host's own speed, so its figures are the host's, and everything it tells says that it is virtual.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from bench.errors import UsageError
from bench.virtual import control, launch, state
from bench.virtual import profile as _profile
from bench.virtual.state import VirtualPhone

__all__ = [
    "VirtualPhone",
    "booted",
    "down",
    "fault",
    "profiles",
    "rewrite",
    "running",
    "snapshot",
    "up",
]


def profiles() -> tuple[str, ...]:
    """The names of the phones that `up` can pretend to be."""
    return _profile.names()


def up(
    profile: str = "flagship",
    *,
    port: int | None = None,
    disk_mb: int | None = None,
    features: tuple[str, ...] | None = None,
    fidelity: str | None = None,
    serialno: str | None = None,
    abi: str | None = None,
) -> VirtualPhone:
    """Start a phone that lives until `down`; returns when it accepts adb.

    `disk_mb` is the size of /data/local/tmp. `features` are those of the ADB protocol: without
    shell_v2 and stat_v2 it is an old phone. `fidelity` None takes the full one where the host
    allows it; the environment variable BENCH_VIRTUAL_FIDELITY stands in for None. `serialno` is
    what the phone calls itself. `abi` arm64-v8a on an x86_64 host is a phone whose programs run
    under qemu.
    """
    options = launch.Options(
        profile=profile,
        port=port,
        disk_mb=disk_mb,
        features=features,
        fidelity=fidelity,
        serialno=serialno,
        abi=abi,
    )
    return _start(options, leash_fd=None)


@contextmanager
def booted(
    profile: str = "flagship",
    *,
    port: int | None = None,
    disk_mb: int | None = None,
    features: tuple[str, ...] | None = None,
    fidelity: str | None = None,
    serialno: str | None = None,
    abi: str | None = None,
) -> Iterator[VirtualPhone]:
    """A phone for the time of a `with` block, which doesn't outlive this process either."""
    options = launch.Options(
        profile=profile,
        port=port,
        disk_mb=disk_mb,
        features=features,
        fidelity=fidelity,
        serialno=serialno,
        abi=abi,
    )
    leash_read, leash_write = os.pipe()
    try:
        try:
            phone = _start(options, leash_fd=leash_read)
        finally:
            os.close(leash_read)
        try:
            yield phone
        finally:
            if phone in running():
                down(phone)
    finally:
        os.close(leash_write)


def running() -> list[VirtualPhone]:
    """The phones that run, by port."""
    return [entry.phone for entry in state.read_all(state.folder())]


def down(phone: VirtualPhone | int) -> None:
    """Stop a phone, named by itself or by its port; nothing of it is left."""
    where = state.folder()
    port = phone if isinstance(phone, int) else phone.port
    entry = _find(port)
    try:
        daemon = os.pidfd_open(entry.phone.pid)
    except ProcessLookupError:
        state.read_all(where)
        return
    try:
        if state.is_alive(entry):  # what the descriptor means can't change from here on
            launch.stop(daemon)
    finally:
        os.close(daemon)
    with state.locked(where):
        state.remove_traces(where, entry)


def fault(phone: VirtualPhone | int, kind: str, **arguments: int | str) -> None:
    """Order a fault, which is in force when this returns; "clear" ends all of them.

    `bench.virtual.faults.KINDS` has the kinds and their arguments.
    """
    entry = _find(phone if isinstance(phone, int) else phone.port)
    request = {"order": "fault", "kind": kind, "arguments": arguments}
    try:
        control.order(state.folder(), entry.phone.port, request)
    except ValueError as error:
        raise UsageError(str(error)) from error


def rewrite(phone: VirtualPhone | int, path: str, text: str) -> None:
    """Give one of the phone's own files (a sensor, a dump, a clock) another content."""
    entry = _find(phone if isinstance(phone, int) else phone.port)
    request = {"order": "rewrite", "path": path, "text": text}
    try:
        control.order(state.folder(), entry.phone.port, request)
    except ValueError as error:
        raise UsageError(f"{path} of the virtual phone can't be rewritten: {error}.") from error


def snapshot(phone: VirtualPhone | int) -> dict[str, str]:
    """All that can be set from the phone's shell, as it is now, by name.

    Names are such as "settings/global/airplane_mode_on", "properties/debug.x",
    "power/fixed_performance", "power/wakefulness", "battery/level" and "thermal/status".
    """
    entry = _find(phone if isinstance(phone, int) else phone.port)
    answer = control.order(state.folder(), entry.phone.port, {"order": "settings"})
    settings: dict[str, str] = answer["settings"]
    return settings


def _find(port: int) -> state.Entry:
    entries = state.read_all(state.folder())
    for entry in entries:
        if entry.phone.port == port:
            return entry
    there = ", ".join(str(entry.phone.port) for entry in entries) or "none"
    raise UsageError(
        f"No virtual phone runs on port {port}.", next_step=f"Ports of running ones: {there}."
    )


def _start(options: launch.Options, *, leash_fd: int | None) -> VirtualPhone:
    wanted = options.fidelity or os.environ.get("BENCH_VIRTUAL_FIDELITY") or None
    phone = launch.start(structs.replace(options, fidelity=wanted), leash_fd=leash_fd)
    for note in phone.notes:
        print(f"Warning: virtual phone {phone.serial}: {note}.", file=sys.stderr)
    return phone
