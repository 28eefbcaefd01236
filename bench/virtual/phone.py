"""The phone that the daemon is: one world, one set of faults, any number of connections."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from bench.virtual import faults, power, protocol, settings, shell
from bench.virtual.boot import Boot
from bench.virtual.connection import Connection, Service, Stream
from bench.virtual.faults import Faults
from bench.virtual.processes import Processes
from bench.virtual.profile import Drain
from bench.virtual.sync import SyncService
from bench.virtual.world import World


class Phone:
    """Answers hosts in the name of one virtual phone."""

    def __init__(
        self,
        world: World,
        properties: dict[str, str],
        features: tuple[str, ...],
        listener: socket.socket,
        drain: Drain | None,
    ) -> None:
        self.world = world
        self._drain = drain
        self.processes = Processes()
        self.faults = Faults(self)
        self.banner = protocol.banner(properties, features)
        self._features = features
        self._connections: set[Connection] = set()
        self._boot = Boot(world)
        self._listener = listener  # bound, for as long as the phone lives
        self._server: asyncio.Server | None = None
        self._away = 0  # faults that keep it so

    async def listen(self) -> None:
        """Begin to serve."""
        self.processes.watch()
        self._counting = asyncio.create_task(self._boot.count())
        if self._drain is not None:
            self._draining = asyncio.create_task(
                power.follow(self.world, self.processes, self._drain)
            )
        await self._serve()

    def cut(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    def vanish(self) -> None:
        self._away += 1
        if self._server is not None:
            self._server.close()
            self._server = None
            # Linux ends the listening but keeps the port; listen() begins it again.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RD)
        self.cut()

    async def appear(self) -> None:
        self._away -= 1
        if not self._away:
            await self._serve()

    async def start_anew(self) -> None:
        await self.processes.end_all()
        settings.forget(self.world)
        self._boot.anew()

    async def may_connect(self) -> None:
        await self.faults.until(lambda: not self.faults.offline)

    async def may_speak(self) -> None:
        await self.faults.until(lambda: not self.faults.frozen)

    def wants_key(self) -> bool:
        return self.faults.unauthorized

    async def accepted(self) -> None:
        await self.faults.until(lambda: not self.faults.unauthorized)

    def service(self, name: str) -> Service | None:
        if name == "sync:":
            return self._sync
        if name == "reboot:":
            return self._reboot
        request = shell.parse_request(name, self._features)
        if request is None:
            return None
        return lambda stream: self._run(stream, request)

    async def _serve(self) -> None:
        # In two steps: `vanish` may come while the second waits, and has to find the server.
        self._server = await asyncio.start_server(
            self._connected,
            sock=self._listener.dup(),
            limit=4 * protocol.MAX_PAYLOAD,
            start_serving=False,
        )
        await self._server.start_serving()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _run(self, stream: Stream, request: shell.Request) -> None:
        tampers = self.faults.tampers(request.command)
        await shell.serve(stream, request, self.world, self.processes, tampers)

    async def _sync(self, stream: Stream) -> None:
        await SyncService(stream, self.world, self._features, self.faults.received).run()

    async def _reboot(self, stream: Stream) -> None:
        await stream.close()
        await faults.order(self.faults, "reboot", {})
