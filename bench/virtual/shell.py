"""The services `shell`, `shell,v2` and `exec`: a command with its pipes tied to a stream.

`shell,v2` frames everything as (kind, length, data), which keeps stderr apart and brings the
exit code; the other two carry bare bytes, stderr mixed in, and tell no exit code.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import struct
import termios
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from bench.virtual.connection import Stream, StreamClosed
from bench.virtual.processes import Child, Processes
from bench.virtual.tamper import Send, Tamper, through
from bench.virtual.world import World

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN, WINDOW_SIZE = range(6)
_FRAME = struct.Struct("<BI")
_MAX_FRAME = 1 << 20
_CHUNK = 1 << 16
_DRAIN_SECONDS = 1.0  # how long a bare-bytes command may go on with its stdin at an end


@dataclass(frozen=True)
class Request:
    """An OPEN of one of the three services, taken apart."""

    command: str
    framed: bool
    terminal: str | None  # the host's TERM, when it wants one here


def parse_request(name: str, features: tuple[str, ...]) -> Request | None:
    """`shell[,v2][,raw|pty][,TERM=x]:COMMAND` or `exec:COMMAND`; None when it is neither."""
    head, colon, command = name.partition(":")
    service, *options = head.split(",")
    if not colon or service not in ("shell", "exec"):
        return None
    if options and "shell_v2" not in features:
        return None  # a phone from before Android 7 knows only the bare name
    wants_terminal = "pty" in options or (not command and "raw" not in options)
    terms = [option.removeprefix("TERM=") for option in options if option.startswith("TERM=")]
    term = terms[0] if terms and re.fullmatch(r"[\w.+-]+", terms[0]) else "dumb"
    return Request(
        command,
        framed=service == "shell" and "v2" in options,
        terminal=term if wants_terminal and service == "shell" else None,
    )


async def serve(
    stream: Stream,
    request: Request,
    world: World,
    processes: Processes,
    tampers: list[Tamper],
) -> None:
    """Run the command until it is over or the host leaves; then nothing of it is left."""
    start = _start_on_pipes if request.terminal is None else _start_on_terminal
    try:
        session = start(request, world, processes)
    except OSError as error:  # a command of more than 128 KiB, no memory
        await _tell_refusal(stream, f"sh: {error.strerror}\n".encode(), request.framed)
        return
    talk = asyncio.create_task(_talk(session, stream, request.framed, tampers))
    leave = asyncio.create_task(stream.closed.wait())
    try:
        await asyncio.wait({talk, leave}, return_when=asyncio.FIRST_COMPLETED)
        if not talk.done() and not request.framed:  # `adb exec-in` ends its input by leaving
            await asyncio.wait({talk}, timeout=_DRAIN_SECONDS)
        if not talk.done() or talk.exception() is not None:
            await session.child.end_session()
    finally:
        for task in (talk, leave):
            task.cancel()
        await asyncio.gather(talk, leave, return_exceptions=True)
        session.close()


async def _tell_refusal(stream: Stream, text: bytes, framed: bool) -> None:
    if framed:
        await stream.write(_FRAME.pack(STDERR, len(text)) + text + _FRAME.pack(EXIT, 1) + b"\x7f")
    else:
        await stream.write(text)


class _Session:
    """A child with this side's ends of what ties it to the stream."""

    def __init__(
        self,
        child: Child,
        stdin: BinaryIO,
        outputs: list[tuple[int, BinaryIO]],
        *,
        on_terminal: bool = False,
    ) -> None:
        self.child = child
        self.stdin = stdin
        self.outputs = outputs
        self.on_terminal = on_terminal

    def close(self) -> None:
        for file in (self.stdin, *(file for _, file in self.outputs)):
            file.close()


def _start_on_pipes(request: Request, world: World, processes: Processes) -> _Session:
    with ExitStack() as theirs, ExitStack() as ours:  # descriptors may run out at any of these
        stdin, into = _pipe(theirs, ours, to_child=True)
        stdout, out = _pipe(theirs, ours, to_child=False)
        stderr, outputs = stdout, [(STDOUT, out)]
        if request.framed:
            stderr, err = _pipe(theirs, ours, to_child=False)
            outputs.append((STDERR, err))
        child = processes.start(
            world.argv(request.command),
            world.environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            folder=world.locate("/"),
        )
        ours.pop_all()  # they are the session's from here on
    return _Session(child, into, outputs)


def _pipe(theirs: ExitStack, ours: ExitStack, *, to_child: bool) -> tuple[int, BinaryIO]:
    """The child's end of a new pipe, and this side's; each stack closes its own."""
    read, write = os.pipe()
    end, own = (read, write) if to_child else (write, read)
    theirs.callback(os.close, end)
    return end, ours.enter_context(os.fdopen(own, "wb" if to_child else "rb", 0))


def _start_on_terminal(request: Request, world: World, processes: Processes) -> _Session:
    with ExitStack() as theirs, ExitStack() as ours:
        own, end = os.openpty()
        theirs.callback(os.close, end)
        screen = ours.enter_context(os.fdopen(own, "wb", 0))
        output = ours.enter_context(os.fdopen(os.dup(own), "rb", 0))
        # The leader of a session gets a terminal as its own by opening it, which a shell can do.
        take = f'exec "$@" <>{os.ttyname(end)} >&0 2>&1'
        shell = world.argv("")[0]
        child = processes.start(
            [shell, "-c", take, shell, *world.argv(request.command)],
            {**world.environment, "TERM": request.terminal or "dumb"},
            stdin=end,
            stdout=end,
            stderr=end,
            folder=world.locate("/"),
        )
        ours.pop_all()
    return _Session(child, screen, [(STDOUT, output)], on_terminal=True)


async def _talk(session: _Session, stream: Stream, framed: bool, tampers: list[Tamper]) -> None:
    feed = asyncio.create_task(_feed(session, stream, framed))
    try:
        async with asyncio.TaskGroup() as pumps:  # which leaves none behind when one fails
            for kind, file in session.outputs:
                send = _sender(stream, kind if framed else None)
                pumps.create_task(_pump(file, send, tampers if kind == STDOUT else []))
        code = await session.child.exit_code()
        if framed:
            await stream.write(_FRAME.pack(EXIT, 1) + bytes([code & 0xFF]))
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


def _sender(stream: Stream, kind: int | None) -> Send:
    async def send(data: bytes) -> None:
        if data:
            await stream.write(data if kind is None else _FRAME.pack(kind, len(data)) + data)

    return send


async def _pump(file: BinaryIO, onward: Send, tampers: list[Tamper]) -> None:
    """From the command to the host, until the command's side is closed."""
    send, end = through(tampers, onward)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK)
    transport, _ = await loop.connect_read_pipe(lambda: _UntilClosed(reader), file)
    try:
        while data := await reader.read(_CHUNK):
            await send(data)
        await end()
    finally:
        transport.close()


class _UntilClosed(asyncio.StreamReaderProtocol):
    """Takes EIO, as a terminal says that nobody is left on its other side, for the end.

    As an error it would come before what was read and not yet sent.
    """

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)


async def _feed(session: _Session, stream: Stream, framed: bool) -> None:
    """From the host to the command, until the host says that there is no more."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, session.stdin
    )
    transport.set_write_buffer_limits(0)  # so that nothing is left unwritten after drain()
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        while data := await (_stdin(session, stream) if framed else stream.read_some()):
            writer.write(data)
            await writer.drain()
    except (StreamClosed, ConnectionError):
        pass  # the host left, or the command reads no more
    finally:
        if not transport.is_closing():  # asyncio trips over a second end
            transport.abort()


async def _stdin(session: _Session, stream: Stream) -> bytes:
    """The next data for stdin; b"" when the host closes it."""
    while True:
        kind, length = _FRAME.unpack(await stream.read_exactly(_FRAME.size))
        if length > _MAX_FRAME:
            raise StreamClosed
        data = await stream.read_exactly(length)
        if kind == STDIN and data:
            return data
        if kind == CLOSE_STDIN and not session.on_terminal:
            return b""
        if kind == WINDOW_SIZE and session.on_terminal:
            _resize(session.stdin, data)


def _resize(terminal: BinaryIO, size: bytes) -> None:
    """Take over the host's window size, "ROWSxCOLUMNS,WIDTHxHEIGHT" as adb writes it."""
    numbers = re.fullmatch(rb"(\d+)x(\d+),(\d+)x(\d+)\0?", size)
    if numbers is not None:
        words = [min(int(number), 0xFFFF) for number in numbers.groups()]
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", *words))
