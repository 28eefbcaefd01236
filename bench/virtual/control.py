"""The control channel: one line of JSON to a phone's daemon, one line back.

The daemon listens on a unix socket in the state folder, which only its owner can enter.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from bench.errors import DeviceError

MAX_LINE = 1 << 22
_TIMEOUT_S = 10.0


def listen(where: Path, port: int) -> socket.socket:
    """The daemon's end, bound and listening."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    (where / f"{port}.sock").unlink(missing_ok=True)
    with _Short(where, port) as address:
        listener.bind(address)
    (where / f"{port}.sock").chmod(0o600)
    listener.listen()
    return listener


def order(where: Path, port: int, request: dict[str, Any]) -> dict[str, Any]:
    """What the daemon answers to an order; ValueError is its refusal, DeviceError its silence."""
    try:
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel,
            _Short(where, port) as address,
        ):
            channel.settimeout(_TIMEOUT_S)
            channel.connect(address)
            channel.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(channel)
            if not line:
                raise OSError("it hung up")
            answer: dict[str, Any] = json.loads(line)
    except (OSError, ValueError) as error:
        raise DeviceError(
            f"The virtual phone on port {port} doesn't take orders: {error}.",
            next_step="`bench virtual list` shows the phones that run.",
        ) from error
    if answer.get("refused"):
        raise ValueError(answer["refused"])
    return answer


def _read_line(channel: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < MAX_LINE:
        part = channel.recv(1 << 16)
        if not part:
            break
        line += part
    return line


class _Short:
    """The socket's address by way of an open folder: the path itself may exceed 107 bytes."""

    def __init__(self, where: Path, port: int) -> None:
        self._where = where
        self._name = f"{port}.sock"
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._where, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._fd}/{self._name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
