"""One TCP connection of an ADB host, and the streams that it carries.

Flow control is ADB's own: a side has one WRTE under way in a stream until the other answers
OKAY. OKAY for the host's data is sent when a service has taken it, so that a slow service
slows the host down and nothing piles up here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from bench.virtual import protocol
from bench.virtual.protocol import Header, ProtocolError

Service = Callable[["Stream"], Awaitable[None]]


class StreamClosed(Exception):
    """The host closed the stream, or the connection under it."""


class Stream:
    """One service's two-way byte stream."""

    def __init__(self, connection: Connection, local_id: int, remote_id: int) -> None:
        self._connection = connection
        self._local_id = local_id
        self._remote_id = remote_id
        self._inbox = bytearray()
        self._owes_okay = False
        self._arrived = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.closed = asyncio.Event()

    async def read_exactly(self, count: int) -> bytes:
        """`count` bytes; StreamClosed when the host ends before."""
        while len(self._inbox) < count:
            await self._more()
        data = bytes(memoryview(self._inbox)[:count])
        del self._inbox[:count]
        return data

    async def read_some(self) -> bytes:
        """What is there, at least one byte; StreamClosed at the end."""
        while not self._inbox:
            await self._more()
        data = bytes(self._inbox)
        self._inbox.clear()
        return data

    async def write(self, data: bytes | bytearray) -> None:
        """Send all of `data`; StreamClosed when the host no longer listens."""
        limit = self._connection.max_payload
        for start in range(0, len(data), limit):
            await self._may_write.wait()
            if self.closed.is_set():
                raise StreamClosed
            self._may_write.clear()
            part = data if len(data) <= limit else data[start : start + limit]
            await self._connection.send(protocol.WRTE, self._local_id, self._remote_id, part)

    async def close(self) -> None:
        """Tell the host that the service is done."""
        if not self.closed.is_set():
            await self._may_write.wait()  # what was written last has to arrive before the end
        if not self.closed.is_set():
            self.host_closed()
            self._connection.forget(self._local_id)
            await self._connection.send(protocol.CLSE, self._local_id, self._remote_id)

    def host_wrote(self, data: bytes) -> None:
        # adb sends what it still holds when a client closes in the middle of a push, without
        # waiting for the last acknowledgement; a host that never waits would fill the memory.
        if len(self._inbox) > _INBOX_LIMIT:
            raise ProtocolError("the host writes without waiting for acknowledgements")
        self._inbox += data
        self._owes_okay = True
        self._arrived.set()

    def host_acknowledged(self) -> None:
        self._may_write.set()

    def host_closed(self) -> None:
        self.closed.set()
        self._arrived.set()
        self._may_write.set()

    async def _more(self) -> None:
        if self.closed.is_set():
            raise StreamClosed
        self._arrived.clear()
        if self._owes_okay:
            self._owes_okay = False
            await self._connection.send(protocol.OKAY, self._local_id, self._remote_id)
        await self._arrived.wait()


class Owner(Protocol):
    """The phone, as far as a connection asks it."""

    banner: bytes

    async def may_connect(self) -> None:
        """Wait until the phone answers CNXN (it is not offline)."""
        ...

    async def may_speak(self) -> None:
        """Wait until the phone reads and answers at all (it is not frozen)."""
        ...

    def wants_key(self) -> bool:
        """Whether the host has to be accepted on the phone's screen first."""
        ...

    async def accepted(self) -> None:
        """Wait until the host is accepted."""
        ...

    def service(self, name: str) -> Service | None:
        """What answers an OPEN; None: no such service."""
        ...


class Connection:
    """Speaks ADB with one host until either side ends."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, owner: Owner
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._owner = owner
        self._streams: dict[int, Stream] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._services: set[asyncio.Task[None]] = set()
        self._next_id = 1
        self._online = False
        self.max_payload = protocol.MAX_PAYLOAD_BEFORE_CNXN

    async def run(self) -> None:
        """Serve the host; returns when the connection has ended and its services are over."""
        try:
            while True:
                header = protocol.unpack_header(
                    await self._reader.readexactly(protocol.HEADER.size)
                )
                payload = await self._reader.readexactly(header.length) if header.length else b""
                await self._owner.may_speak()
                await self._handle(header, payload)
        except (asyncio.IncompleteReadError, ConnectionError, ProtocolError):
            pass  # a host that leaves, or speaks nonsense, is let go
        finally:
            await self._end()

    def abort(self) -> None:
        """Cut the connection as a pulled cable does."""
        self._writer.transport.abort()

    async def send(
        self, command: int, arg0: int, arg1: int, payload: bytes | bytearray = b""
    ) -> None:
        await self._owner.may_speak()
        if self._writer.is_closing():
            return
        header = protocol.pack_header(command, arg0, arg1, payload)
        if len(payload) <= _SMALL:
            self._writer.write(header + payload)
        else:  # not worth a copy
            self._writer.write(header)
            self._writer.write(payload)
        await self._writer.drain()

    def forget(self, local_id: int) -> None:
        self._streams.pop(local_id, None)

    async def _handle(self, header: Header, payload: bytes) -> None:
        if header.command == protocol.CNXN:
            self._forget_host()  # a host that says it again starts anew
            self.max_payload = max(1, min(header.arg1, protocol.MAX_PAYLOAD))
            self._start(self._greet(), self._handshakes)
        elif header.command == protocol.AUTH:
            self._start(self._authenticate(header.arg0), self._handshakes)
        elif not self._online:
            pass
        elif header.command == protocol.OPEN:
            await self._open(header.arg0, payload)
        else:
            await self._pass_on(header, payload)

    async def _pass_on(self, header: Header, payload: bytes) -> None:
        stream = self._streams.get(header.arg1)
        if stream is None:
            if header.command == protocol.WRTE:
                await self.send(protocol.CLSE, 0, header.arg0)
        elif header.command == protocol.WRTE:
            stream.host_wrote(payload)
        elif header.command == protocol.OKAY:
            stream.host_acknowledged()
        elif header.command == protocol.CLSE:
            self.forget(header.arg1)
            stream.host_closed()

    async def _greet(self) -> None:
        await self._owner.may_connect()
        if self._owner.wants_key():
            await self._ask_for_signature()
        else:
            await self._accept()

    async def _authenticate(self, kind: int) -> None:
        if kind == protocol.AUTH_SIGNATURE:
            # No key is known here: the host goes on to its next key, and then offers one.
            await self._ask_for_signature()
        elif kind == protocol.AUTH_PUBLIC_KEY:
            await self._owner.accepted()
            await self._accept()

    async def _ask_for_signature(self) -> None:
        token = os.urandom(protocol.TOKEN_BYTES)
        await self.send(protocol.AUTH, protocol.AUTH_TOKEN, 0, token)

    async def _accept(self) -> None:
        self._online = True
        await self.send(protocol.CNXN, protocol.VERSION, protocol.MAX_PAYLOAD, self._owner.banner)

    async def _open(self, remote_id: int, payload: bytes) -> None:
        name = payload.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        service = self._owner.service(name)
        if service is None or remote_id == 0:
            await self.send(protocol.CLSE, 0, remote_id)
            return
        stream = Stream(self, self._next_id, remote_id)
        self._streams[self._next_id] = stream
        self._next_id += 1
        await self.send(protocol.OKAY, self._next_id - 1, remote_id)
        self._start(self._serve(service, stream), self._services)

    async def _serve(self, service: Service, stream: Stream) -> None:
        try:
            await service(stream)
        except (StreamClosed, ConnectionError):
            pass
        finally:
            await stream.close()

    def _start(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    def _forget_host(self) -> None:
        self._online = False
        for stream in self._streams.values():
            stream.host_closed()
        self._streams.clear()
        for handshake in self._handshakes:
            handshake.cancel()

    async def _end(self) -> None:
        self._forget_host()
        self._writer.close()
        if self._services:
            # Each sees its stream closed and tidies up: a partial file, a command's processes.
            _, late = await asyncio.wait(self._services, timeout=_TIDY_SECONDS)
            for service in late:
                service.cancel()


_TIDY_SECONDS = 10.0  # longer than a command is given to end
_SMALL = 1 << 14
_INBOX_LIMIT = 8 << 20  # bytes; several of the largest packets
