"""Files to and from a phone over adb's sync protocol, with the phone's own reasons.

adbutils' sync sends parts of 4 KB, has no timeout and drops the reason of a failure.
"""

from __future__ import annotations

import os
import stat
import time
from io import FileIO
from typing import BinaryIO

from bench.device.wire import Refused, Wire, WireEnded, WireGarbage

# Bounds what a phone can make the host write.
MAX_PULL_BYTES = 2 << 30

_PART = 64 << 10  # the protocol's largest
_SLOWEST_BYTES_PER_S = 20e3  # bad Wi-Fi; a model of 20 MB takes a quarter of an hour then
_PARTS = 15  # sent at once: just under the 1 MiB that adb packs into one message


def push(wire: Wire, local: FileIO, remote: str, mode: int, silence_s: float) -> int:
    """Send a file; the bytes sent. Refused carries the phone's reason.

    A phone takes data as fast as it writes, so a flash that hangs shows as silence. One that is
    too slow for any use ends in a WireTimeout too.
    """
    slowest_s = os.fstat(local.fileno()).st_size / _SLOWEST_BYTES_PER_S
    give_up_at = time.monotonic() + silence_s + slowest_s
    wire.request("sync:")
    target = f"{remote},{stat.S_IFREG | mode}".encode("utf-8", "surrogateescape")
    wire.send_all(b"SEND" + len(target).to_bytes(4, "little") + target)
    buffer = memoryview(bytearray(_PARTS * (8 + _PART)))
    sent = 0
    while size := _fill(local, buffer):
        _send_listening(wire, buffer[:size], silence_s, give_up_at)
        sent += size - 8 * -(-size // (8 + _PART))
    done = b"DONE" + (int(time.time()) & 0xFFFFFFFF).to_bytes(4, "little")
    _send_listening(wire, memoryview(done), silence_s, give_up_at)
    _expect_okay(wire)
    return sent


def pull(wire: Wire, remote: str, local: BinaryIO, silence_s: float) -> int:
    """Receive a file; the bytes received. Refused carries the phone's reason."""
    wire.request("sync:")
    source = remote.encode("utf-8", "surrogateescape")
    wire.send_all(b"RECV" + len(source).to_bytes(4, "little") + source)
    buffer = memoryview(bytearray(_PART))
    received = 0
    while True:
        wire.extend(silence_s)
        kind, size = _header(wire)
        if kind == b"DONE":
            return received
        if kind == b"FAIL":
            raise Refused(_reason(wire, size))
        if kind != b"DATA" or not 0 < size <= _PART:
            raise WireGarbage(f"{kind!r} with {size} bytes in a file")
        received += size
        if received > MAX_PULL_BYTES:
            raise Refused(f"the file is larger than {MAX_PULL_BYTES >> 20} MB")
        wire.receive_into(buffer[:size])
        local.write(buffer[:size])


def _fill(local: FileIO, buffer: memoryview) -> int:
    """Fill the buffer with DATA messages from the file; the bytes filled."""
    used = 0
    while used < len(buffer):
        size = local.readinto(buffer[used + 8 : used + 8 + _PART])
        if size == 0:
            break
        buffer[used : used + 4] = b"DATA"
        buffer[used + 4 : used + 8] = size.to_bytes(4, "little")
        used += 8 + size
        if size < _PART:
            break
    return used


def _send_listening(wire: Wire, data: memoryview, silence_s: float, give_up_at: float) -> None:
    """Send while listening: a phone that can't write says so at once."""
    while data:
        wire.deadline = min(time.monotonic() + silence_s, give_up_at)
        readable, writable = wire.wait(writable=True)
        if readable:
            _expect_okay(wire)
            raise WireGarbage("OKAY before the end of the file")
        if writable:
            try:
                data = data[wire.send_some(data) :]
            except WireEnded:
                _expect_okay(wire)  # the reason may have come just before the end
                raise


def _expect_okay(wire: Wire) -> None:
    kind, size = _header(wire)
    if kind == b"FAIL":
        raise Refused(_reason(wire, size))
    if kind != b"OKAY":
        raise WireGarbage(f"{kind!r} after a file")


def _header(wire: Wire) -> tuple[bytes, int]:
    head = wire.receive_exactly(8)
    return head[:4], int.from_bytes(head[4:], "little")


def _reason(wire: Wire, size: int) -> str:
    return wire.receive_exactly(min(size, 1024)).decode("utf-8", "replace")
