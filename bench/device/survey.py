"""All phones of one or several adb servers at once: what they are, how they are, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bench.device.adb import connect_listed, list_phones, not_connected
from bench.device.adb_phone import AdbPhone
from bench.device.describe import Inspection, inspect, read_load, read_state
from bench.device.parse.devices import Listed
from bench.device.parse.load import Load
from bench.device.parse.rights import Root
from bench.device.prepare import restore_leftovers
from bench.device.server import AdbServer, default_server
from bench.device.target import Target
from bench.device.trouble import trouble
from bench.errors import BenchError
from bench.records import Device, DeviceState

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Seen:
    """One phone under all of its serials; or one that can't be used, and why."""

    serials: tuple[str, ...]
    device: Device | None = None
    state: DeviceState | None = None
    load: Load | None = None  # only where it was asked for
    root: Root | None = None
    boot_id: str | None = None
    restored: tuple[str, ...] = ()  # settings of a run that was killed, put back just now
    trouble: BenchError | None = None


def survey(
    servers: Sequence[AdbServer | None] = (None,),
    *,
    serials: Sequence[str] = (),
    load_s: float = 0.0,
) -> list[Seen]:
    """Every phone that the servers list, also those that can't be used, in the order listed.

    None is the user's own server; phones of others are named HOST:PORT/SERIAL. `serials`
    narrows it to phones of these names. With `load_s` processes are watched for so long.
    All phones are asked at the same time. DeviceError when no server can be asked, or a phone
    that is named is not listed.
    """
    found: list[_Asked] = []
    lost: list[Seen] = []
    for server in servers:
        try:
            found += _listed(server)
        except BenchError as error:
            if len(servers) == 1:
                raise
            lost.append(Seen(serials=(f"{server or 'adb'}/",), trouble=error))
    names = [str(one.target) for one in found]
    for serial in serials:
        if serial not in names:
            raise not_connected(serial, names)
    asked = [one for one in found if not serials or str(one.target) in serials]
    return [*_merged(_ask_all(asked, load_s)), *lost]


def same_phone(one: Seen, other: Seen) -> bool:
    """Whether two serials lead to one phone.

    Its own serial number says so, unless the kernels behind them were started apart: cheap
    phones share numbers that are on no list of bogus ones.
    """
    a, b = one.device, other.device
    if a is None or b is None or (a.identity, a.model) != (b.identity, b.model):
        return False
    if a.virtual or b.virtual or None in (one.boot_id, other.boot_id):
        return a.identity is not None  # a virtual phone's kernel is its host's
    return one.boot_id == other.boot_id


@dataclass(frozen=True, slots=True)
class _Asked:
    target: Target
    server: AdbServer
    listed: list[Listed]  # all of its server's
    state: str


def _listed(server: AdbServer | None) -> list[_Asked]:
    behind = default_server() if server is None else server
    listed = list_phones(behind)
    names = dict.fromkeys((phone.serial, phone.state) for phone in listed)
    return [_Asked(Target(server, serial), behind, listed, state) for serial, state in names]


def _ask_all(asked: Sequence[_Asked], load_s: float) -> list[Seen]:
    phones: list[AdbPhone] = []
    with ThreadPoolExecutor(max_workers=max(1, min(_AT_ONCE, len(asked)))) as pool:
        futures = [pool.submit(_ask, one, load_s, phones) for one in asked]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for phone in list(phones):
                phone.interrupt()
            raise


def _ask(asked: _Asked, load_s: float, phones: list[AdbPhone]) -> Seen:
    name = str(asked.target)
    try:
        if asked.state != "device":
            raise trouble(Listed(name, asked.state))
        phone = connect_listed(asked.target.serial, asked.listed, asked.server, name)
        phones.append(phone)
        inspection: Inspection = inspect(phone)
        restored = _restored(phone) if inspection.unrestored else ()
        return Seen(
            serials=(name,),
            device=inspection.device,
            state=read_state(phone),
            load=read_load(phone, load_s) if load_s else None,
            root=inspection.root,
            boot_id=inspection.boot_id,
            restored=restored,
        )
    except BenchError as error:
        return Seen(serials=(name,), trouble=error)


def _restored(phone: AdbPhone) -> tuple[str, ...]:
    """What was put back; a phone that refuses is still one to be shown."""
    try:
        return restore_leftovers(phone)
    except BenchError as error:
        return (f"settings could not be put back: {error}",)


def _merged(seen: Sequence[Seen]) -> list[Seen]:
    merged: list[Seen] = []
    for one in seen:
        for index, other in enumerate(merged):
            if same_phone(one, other):
                merged[index] = replace(
                    other,
                    serials=(*other.serials, *one.serials),
                    restored=(*other.restored, *one.restored),
                )
                break
        else:
            merged.append(one)
    return merged
