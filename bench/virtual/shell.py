"""The services `shell`, `shell,v2` and `exec`: a command with its pipes tied to a stream.

`shell,v2` frames everything as (kind, length, data), which keeps stderr apart and brings the
exit code; the other two carry bare bytes, stderr mixed in, and tell no exit code.
"""

from __future__ import annotations

import asyncio
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from bench.virtual.connection import Stream, StreamClosed
from bench.virtual.processes import Child, Processes
from bench.virtual.world import World

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
_FRAME = struct.Struct("<BI")
_MAX_FRAME = 1 << 20
_CHUNK = 1 << 16
_DRAIN_SECONDS = 1.0  # how long a bare-bytes command may go on with its stdin at an end


@dataclass(frozen=True)
class Request:
    """An OPEN of one of the three services, taken apart."""

    command: str
    framed: bool


def parse_request(name: str, features: tuple[str, ...]) -> Request | None:
    """`shell[,v2][,raw|pty][,TERM=x]:COMMAND` or `exec:COMMAND`; None when it is neither."""
    head, colon, command = name.partition(":")
    service, *options = head.split(",")
    if not colon or service not in ("shell", "exec"):
        return None
    if options and "shell_v2" not in features:
        return None  # a phone from before Android 7 knows only the bare name
    return Request(command, framed=service == "shell" and "v2" in options)


async def serve(stream: Stream, request: Request, world: World, processes: Processes) -> None:
    """Run the command until it is over or the host leaves; then nothing of it is left."""
    session = _start(request, world, processes)
    talk = asyncio.create_task(_talk(session, stream, request.framed))
    leave = asyncio.create_task(stream.closed.wait())
    try:
        await asyncio.wait({talk, leave}, return_when=asyncio.FIRST_COMPLETED)
        if not talk.done():
            if not request.framed:  # `adb exec-in` ends its input by leaving
                await asyncio.wait({talk}, timeout=_DRAIN_SECONDS)
            await session.child.end_session()
    finally:
        for task in (talk, leave):
            task.cancel()
        await asyncio.gather(talk, leave, return_exceptions=True)
        session.close()


class _Session:
    """A child with this side's ends of its pipes."""

    def __init__(self, child: Child, stdin: BinaryIO, outputs: list[tuple[int, BinaryIO]]) -> None:
        self.child = child
        self.stdin = stdin
        self.outputs = outputs

    def close(self) -> None:
        for file in (self.stdin, *(file for _, file in self.outputs)):
            file.close()


def _start(request: Request, world: World, processes: Processes) -> _Session:
    stdin_read, stdin_write = os.pipe()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe() if request.framed else (None, out_write)
    try:
        child = processes.start(
            world.argv(request.command),
            world.environment,
            stdin=stdin_read,
            stdout=out_write,
            stderr=err_write,
            folder=world.locate("/"),
        )
    finally:
        for fd in {stdin_read, out_write, err_write}:
            os.close(fd)
    outputs: list[tuple[int, BinaryIO]] = [(STDOUT, os.fdopen(out_read, "rb", 0))]
    if err_read is not None:
        outputs.append((STDERR, os.fdopen(err_read, "rb", 0)))
    return _Session(child, os.fdopen(stdin_write, "wb", 0), outputs)


async def _talk(session: _Session, stream: Stream, framed: bool) -> None:
    feed = asyncio.create_task(_feed(session.stdin, stream, framed))
    try:
        await asyncio.gather(
            *(_pump(file, stream, kind if framed else None) for kind, file in session.outputs)
        )
        code = await session.child.exit_code()
        if framed:
            await stream.write(_FRAME.pack(EXIT, 1) + bytes([code & 0xFF]))
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


async def _pump(file: BinaryIO, stream: Stream, kind: int | None) -> None:
    """From the command to the host, until the command's side is closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    try:
        while data := await reader.read(_CHUNK):
            await stream.write(data if kind is None else _FRAME.pack(kind, len(data)) + data)
    finally:
        transport.close()


async def _feed(file: BinaryIO, stream: Stream, framed: bool) -> None:
    """From the host to the command, until the host says that there is no more."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, file)
    transport.set_write_buffer_limits(0)  # so that nothing is left unwritten after drain()
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        while data := await (_stdin_frame(stream) if framed else stream.read_some()):
            writer.write(data)
            await writer.drain()
    except (StreamClosed, ConnectionError):
        pass  # the host left, or the command reads no more
    finally:
        transport.abort()


async def _stdin_frame(stream: Stream) -> bytes:
    """The next data for stdin; b"" when the host closes stdin."""
    while True:
        kind, length = _FRAME.unpack(await stream.read_exactly(_FRAME.size))
        if length > _MAX_FRAME:
            raise StreamClosed
        data = await stream.read_exactly(length)
        if kind == STDIN and data:
            return data
        if kind == CLOSE_STDIN:
            return b""
