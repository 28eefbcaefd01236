"""The phone that the daemon is: one world, one set of faults, any number of connections."""

from __future__ import annotations

import asyncio
import socket

from bench.virtual import protocol, shell
from bench.virtual.connection import Connection, Service, Stream
from bench.virtual.faults import Faults
from bench.virtual.processes import Processes
from bench.virtual.sync import SyncService
from bench.virtual.world import World


class Phone:
    """Answers hosts in the name of one virtual phone."""

    def __init__(self, world: World, properties: dict[str, str], features: tuple[str, ...]) -> None:
        self.world = world
        self.faults = Faults(self)
        self.banner = protocol.banner(properties, features)
        self._features = features
        self._processes = Processes()
        self._connections: set[Connection] = set()

    async def listen(self, listener: socket.socket) -> None:
        """Begin to serve on a bound socket."""
        self._processes.watch()
        await asyncio.start_server(self._connected, sock=listener, limit=4 * protocol.MAX_PAYLOAD)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def cut(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    async def may_connect(self) -> None:
        await self.faults.until(lambda: not self.faults.offline)

    def wants_key(self) -> bool:
        return self.faults.unauthorized

    async def accepted(self) -> None:
        await self.faults.until(lambda: not self.faults.unauthorized)

    def service(self, name: str) -> Service | None:
        if name == "sync:":
            return self._sync
        request = shell.parse_request(name, self._features)
        if request is None:
            return None
        return lambda stream: shell.serve(stream, request, self.world, self._processes)

    async def _sync(self, stream: Stream) -> None:
        await SyncService(stream, self.world, self._features, self.faults.received).run()
