"""An adb server and a phone in one, on a real socket, that misbehaves as a test asks.

It speaks the server's own protocol: a length in four hex digits and a service, answered by
OKAY or FAIL. What happens after `shell` and `sync:` is a function of the test.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.device import AdbPhone
from bench.device.adb_phone import Patience
from bench.device.server import AdbServer

SERIAL = "FAKE0001"
LIST = f"{SERIAL}               device product:fake model:Fake device:fake transport_id:1\n"
QUICK = Patience(open_s=0.3, kill_s=0.3, silence_s=0.3)


class Peer:
    """The far end of one connection, for the test's function to play."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def packet(self, kind: int, data: bytes) -> None:
        """One shell_v2 packet."""
        self.send(bytes([kind]) + len(data).to_bytes(4, "little") + data)

    def started(self, line: str, pid: int = 4242) -> None:
        """What the shell says on stderr before it becomes the command."""
        self.packet(2, f"{nonce_of(line)} {pid} {pid}\n".encode())

    def wait_for_end(self) -> None:
        """Say nothing until the other side hangs up."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass

    def read_push(self) -> tuple[str, bytes]:
        """A whole file that is pushed: its target and its content."""
        assert self.read(4) == b"SEND"
        target = self.read(int.from_bytes(self.read(4), "little")).decode()
        content = bytearray()
        while (kind := self.read(4)) == b"DATA":
            content += self.read(int.from_bytes(self.read(4), "little"))
        assert kind == b"DONE"
        self.read(4)
        return target, bytes(content)

    def fail(self, reason: str) -> None:
        """The sync protocol's failure."""
        self.send(b"FAIL" + len(reason.encode()).to_bytes(4, "little") + reason.encode())


def nonce_of(line: str) -> str:
    match = re.search(r"bench-[0-9a-f]{16}", line)
    assert match is not None, line
    return match[0]


def die(peer: Peer, line: str = "") -> None:
    """A phone that closes at once."""


def hang(peer: Peer, line: str = "") -> None:
    """A phone that takes the request and never speaks again."""
    peer.wait_for_end()


@dataclass
class FakeAdb:
    """What the server says, and the functions that play the phone."""

    shell: Callable[[Peer, str], None] = die  # after `shell,v2,raw:` or `shell:`
    sync: Callable[[Peer], None] = die
    devices: str = LIST
    features: str = "shell_v2,cmd,stat_v2"
    refuse_transport: str | None = None  # the reason
    mute_transport: bool = False
    answers: dict[str, bytes] = field(default_factory=dict)  # raw, by service
    services: list[str] = field(default_factory=list)  # as they were asked
    port: int = 0

    @property
    def server(self) -> AdbServer:
        return AdbServer("127.0.0.1", self.port)

    def phone(self) -> AdbPhone:
        features = frozenset(self.features.split(","))
        return AdbPhone(SERIAL, features, host="127.0.0.1", port=self.port, patience=QUICK)

    @contextlib.contextmanager
    def running(self) -> Iterator[FakeAdb]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            threads: list[threading.Thread] = []
            accepting = threading.Thread(target=self._accept, args=(listener, threads), daemon=True)
            accepting.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                accepting.join(timeout=5)
                for thread in threads:
                    thread.join(timeout=5)
                assert not any(thread.is_alive() for thread in threads), "a connection stayed open"

    def _accept(self, listener: socket.socket, threads: list[threading.Thread]) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as adb does
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(EOFError, OSError):
            peer = Peer(sock)
            while self._answer(peer, peer.read(int(peer.read(4), 16)).decode()):
                pass
            # Closing with unread data would reset the connection and lose what was sent.
            sock.shutdown(socket.SHUT_WR)
            peer.wait_for_end()

    def _answer(self, peer: Peer, service: str) -> bool:
        """Play one service; True when another may follow on the same connection."""
        self.services.append(service)
        if service in self.answers:
            peer.send(self.answers[service])
            return False
        if service == f"host:transport:{SERIAL}":
            return self._select(peer)
        peer.send(b"OKAY")
        if service.startswith("shell"):
            self.shell(peer, service.partition(":")[2])
        elif service == "sync:":
            self.sync(peer)
        elif service == "host:devices-l":
            peer.send(block(self.devices))
        elif service == f"host-serial:{SERIAL}:features":
            peer.send(block(self.features))
        return False

    def _select(self, peer: Peer) -> bool:
        if self.mute_transport:
            peer.wait_for_end()
            return False
        if self.refuse_transport is not None:
            peer.send(b"FAIL" + block(self.refuse_transport))
            return False
        peer.send(b"OKAY")
        return True


def block(text: str) -> bytes:
    data = text.encode()
    return b"%04x%b" % (len(data), data)
