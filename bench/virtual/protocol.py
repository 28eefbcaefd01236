"""The ADB transport's packets: bytes to `Packet` and back, nothing else.

A packet is a header of six little-endian words (command, two arguments, payload length,
payload checksum, command inverted) and a payload. Source: the Android Open Source Project's
packages/modules/adb/protocol.txt.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

CNXN = int.from_bytes(b"CNXN", "little")
AUTH = int.from_bytes(b"AUTH", "little")
OPEN = int.from_bytes(b"OPEN", "little")
OKAY = int.from_bytes(b"OKAY", "little")
CLSE = int.from_bytes(b"CLSE", "little")
WRTE = int.from_bytes(b"WRTE", "little")

AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3
TOKEN_BYTES = 20

VERSION = 0x0100_0001  # from this version on, payloads are not checksummed after CNXN
MAX_PAYLOAD = 1 << 20
MAX_PAYLOAD_BEFORE_CNXN = 4096  # what every host accepts before it has said its own limit

HEADER = struct.Struct("<6I")


class ProtocolError(Exception):
    """The other side sent something that is no packet of the ADB protocol."""


class Header(NamedTuple):
    """A packet without its payload."""

    command: int
    arg0: int
    arg1: int
    length: int


def pack_header(command: int, arg0: int, arg1: int, payload: bytes | bytearray = b"") -> bytes:
    """The header that goes before `payload`; CNXN and AUTH carry a checksum, as hosts expect."""
    checksum = sum(payload) & 0xFFFF_FFFF if command in (CNXN, AUTH) else 0
    return HEADER.pack(command, arg0, arg1, len(payload), checksum, command ^ 0xFFFF_FFFF)


def unpack_header(data: bytes) -> Header:
    """The header in 24 bytes; ProtocolError when its inverse or its length is wrong."""
    command, arg0, arg1, length, _, magic = HEADER.unpack(data)
    if magic != command ^ 0xFFFF_FFFF:
        raise ProtocolError(f"a packet header with a wrong inverse: {data.hex()}")
    if length > MAX_PAYLOAD:
        raise ProtocolError(f"a packet of {length} bytes, more than the agreed {MAX_PAYLOAD}")
    return Header(command, arg0, arg1, length)


def banner(properties: dict[str, str], features: tuple[str, ...]) -> bytes:
    """What the phone says of itself in its CNXN: three properties and what it can do."""
    told = [
        f"{key}={_harmless(properties.get(key, ''))}"
        for key in ("ro.product.name", "ro.product.model", "ro.product.device")
    ]
    return "device::{}".format(";".join([*told, "features=" + ",".join(features)])).encode()


def _harmless(value: str) -> str:
    """The separators of the banner have no escape, so they must not stand in a value."""
    return "".join("_" if char in ";=\n\r\0" else char for char in value)
