"""The process that is the phone: it enters its world and serves until it is killed.

In the full world nothing can be imported once the world is entered, since the host's tree is
gone: what serving needs is imported here, at the top.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

from bench.records import Record, encode
from bench.virtual import control, faults, folder, linux, namespace, settings
from bench.virtual.emulation import Emulator, starts_by_itself
from bench.virtual.phone import Phone
from bench.virtual.profile import Drain
from bench.virtual.tree import HOME, Entry, Fidelity
from bench.virtual.world import World


@dataclass(frozen=True)
class Plan:
    """What the phone is made of."""

    fidelity: Fidelity
    root: str  # of a reduced world; "" in a full one
    entries: dict[str, Entry]
    set_entries: dict[str, Entry]  # what the phone's shell can change
    properties: dict[str, str]
    features: tuple[str, ...]
    disk_mb: int
    drain: Drain | None
    listener: socket.socket
    control: socket.socket
    refusal: str | None  # why the world is reduced
    emulator: Emulator | None  # of the phone's programs, where the host can't run them


class Report(Record, frozen=True, kw_only=True):
    """What the supervisor hears, once."""

    fidelity: Fidelity
    notes: tuple[str, ...] = ()
    refused: str | None = None


def run(plan: Plan, *, report_fd: int, hold_fd: int) -> NoReturn:
    """Be the phone; never returns. Ends when the other end of `hold_fd` is closed."""
    code = 1
    try:
        _be_bound_to_supervisor(hold_fd)
        world = _enter(plan)
        asyncio.run(_serve(plan, world, report_fd, hold_fd))
        code = 0
    except OSError as error:
        os.write(report_fd, encode(Report(fidelity=plan.fidelity, refused=str(error))) + b"\n")
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def can_stand_in_a_command(path: str) -> bool:
    """Whether a path can be put into a shell command as it is."""
    return folder.SAFE_FOLDER.fullmatch(path) is not None


def _be_bound_to_supervisor(hold_fd: int) -> None:
    if os.read(hold_fd, 1) != b".":  # the supervisor is gone
        os._exit(1)
    linux.die_with_parent(signal.SIGKILL)
    linux.set_name("adbd")


def _enter(plan: Plan) -> World:
    world: World
    if plan.fidelity == "full":
        world = namespace.enter(plan.entries, plan.set_entries, disk_mb=plan.disk_mb)
    else:
        linux.adopt_orphans()
        world = folder.create(plan.root, plan.entries, plan.set_entries, disk_mb=plan.disk_mb)
    if plan.emulator is not None:
        world.environment |= plan.emulator.environment(plan.root)
        if not starts_by_itself(world.locate(f"/{HOME}")):
            world.lead = plan.emulator.put_before_programs
    return world


async def _serve(plan: Plan, world: World, report_fd: int, hold_fd: int) -> None:
    phone = Phone(world, plan.properties, plan.features, plan.listener, plan.drain)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(hold_fd, ended.set)
    await phone.listen()
    # Not start_unix_server, which from Python 3.13 on wants to remove the socket by its address.
    await asyncio.start_server(
        lambda reader, writer: _take_orders(phone, reader, writer),
        sock=plan.control,
        limit=control.MAX_LINE,
    )
    os.write(report_fd, encode(Report(fidelity=plan.fidelity, notes=_notes(plan, world))) + b"\n")
    os.close(report_fd)
    await ended.wait()


def _notes(plan: Plan, world: World) -> tuple[str, ...]:
    notes = []
    if plan.fidelity == "reduced":
        notes.append(
            f"reduced fidelity: no namespace of its own ({plan.refusal}); commands run among the "
            "host's processes, and a pushed script that names /sys, /proc or /data sees the host's"
        )
    if plan.emulator is not None:
        notes.append(f"{plan.emulator.abi} is emulated by qemu: no time taken on it is a latency")
    if world.lead is not None:
        notes.append(
            "this kernel has no binfmt_misc for it (Linux 6.7 has): a program must be the first "
            "word of a command, by its absolute path"
        )
    return tuple(notes)


async def _take_orders(
    phone: Phone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while line := await reader.readline():
            writer.write(json.dumps(await _obey(phone, line)).encode() + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError):
        pass  # the other side left, or its line had no end
    finally:
        writer.close()


async def _obey(phone: Phone, line: bytes) -> dict[str, Any]:
    """Do what a line of the control channel asks; {} when done, else the refusal."""
    try:
        asked = json.loads(line)
        if asked["order"] == "fault":
            await faults.order(phone.faults, asked["kind"], asked["arguments"])
        elif asked["order"] == "rewrite":
            phone.world.rewrite(asked["path"], asked["text"].encode())
        elif asked["order"] == "settings":
            return {"settings": settings.read(phone.world)}
        else:
            return {"refused": f"no order is called {asked['order']!r}"}
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        return {"refused": str(error)}
    return {}
