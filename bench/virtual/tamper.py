"""What faults do to a command's output on its way to the host."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

Send = Callable[[bytes], Awaitable[None]]

_LINE_END = re.compile(rb"(?<!\r)\n")  # what was ordered twice isn't done twice
_MOST_GARBLED = 16 << 20  # bytes that are held back for it


class Tamper(Protocol):
    """Stands between a command's stdout and the host."""

    async def send(self, data: bytes, onward: Send) -> None:
        """Take a part of the output."""
        ...

    async def end(self, onward: Send) -> None:
        """Hear that there is no more; the exit code is told after this."""
        ...


class _Plain:
    async def end(self, onward: Send) -> None:
        pass


class Cut(_Plain):
    """Only the first bytes arrive."""

    def __init__(self, after_bytes: int) -> None:
        self._left = after_bytes

    async def send(self, data: bytes, onward: Send) -> None:
        part = data[: self._left]
        self._left -= len(part)
        await onward(part)


class Hang:
    """Only the first bytes arrive, and never an end."""

    def __init__(self, after_bytes: int) -> None:
        self._left = after_bytes

    async def send(self, data: bytes, onward: Send) -> None:
        part = data[: self._left]
        self._left -= len(part)
        await onward(part)
        if not self._left:
            await self.end(onward)

    async def end(self, onward: Send) -> None:
        await asyncio.Event().wait()  # until the host leaves


class DropAfter(_Plain):
    """The connection is cut when so many bytes have been sent."""

    def __init__(self, after_bytes: int, cut: Callable[[], None]) -> None:
        self._left = after_bytes
        self._cut = cut

    async def send(self, data: bytes, onward: Send) -> None:
        part = data[: self._left]
        self._left -= len(part)
        await onward(part)
        if not self._left:
            self._cut()


class Crlf(_Plain):
    """Lines end as on a terminal."""

    async def send(self, data: bytes, onward: Send) -> None:
        await onward(_LINE_END.sub(b"\r\n", data))


class Garble:
    """Some bytes are others; which ones, the seed says. The output is held back to its end."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._held = bytearray()

    async def send(self, data: bytes, onward: Send) -> None:
        self._held += data
        if len(self._held) > _MOST_GARBLED:
            await self.end(onward)

    async def end(self, onward: Send) -> None:
        at = self._random.sample(range(len(self._held)), min(self._count, len(self._held)))
        for index in at:
            self._held[index] ^= self._random.randrange(1, 256)
        self._count -= len(at)
        data, self._held = bytes(self._held), bytearray()
        await onward(data)


def through(tampers: list[Tamper], onward: Send) -> tuple[Send, Callable[[], Awaitable[None]]]:
    """A command's way to `onward` past all of them: to send by, and to end with."""
    if not tampers:
        return onward, _nothing
    first, rest = tampers[0], tampers[1:]
    send, end = through(rest, onward)

    async def end_all() -> None:
        await first.end(send)
        await end()

    return lambda data: first.send(data, send), end_all


async def _nothing() -> None:
    pass
