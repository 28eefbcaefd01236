"""A connection to an adb server under a deadline, and the server's own protocol.

adbutils' connection is not used for it: it starts a server on another port by itself when
none answers, sleeps 10 ms in every close, and bounds each read but never the whole.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time

_MAX_REQUEST = 0xFFFF  # a request's length is sent as four hex digits


class WireTimeout(Exception):
    """The deadline passed."""


class WireEnded(Exception):
    """The other side closed the connection."""


class WireAborted(Exception):
    """Another thread of this process ended the connection."""


class WireGarbage(Exception):
    """The other side does not speak the protocol."""


class Refused(Exception):
    """The other side answered FAIL; the text is its reason."""


class Wire:
    """A socket that never waits past its deadline, which may be moved."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.deadline = deadline  # on time.monotonic()
        self._sock = sock
        self._aborted = False
        self._poll = select.poll()
        sock.setblocking(False)

    @classmethod
    def open(cls, host: str, port: int, deadline: float) -> Wire:
        try:
            sock = dial(host, port, _left(deadline))
        except TimeoutError as error:
            raise WireTimeout from error
        except OSError as error:
            raise WireEnded(f"no adb server answers at {host}:{port}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(sock, deadline)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def abort(self) -> None:
        """End the connection under a thread that waits on it."""
        self._aborted = True
        with contextlib.suppress(OSError):  # was closed already
            self._sock.shutdown(socket.SHUT_RDWR)

    def extend(self, seconds: float) -> None:
        """Move the deadline to that many seconds from now."""
        self.deadline = time.monotonic() + seconds

    def wait(self, *, writable: bool = False) -> tuple[bool, bool]:
        """Wait for data, or also for room to send: (readable, writable)."""
        self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if writable else 0))
        ready = self._poll.poll(_left(self.deadline) * 1000)
        if not ready:
            raise WireTimeout
        events = ready[0][1]
        return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)

    def send_some(self, data: bytes | memoryview) -> int:
        """As many bytes as go out without waiting."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._ended(error) from error

    def send_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.wait_writable()
            view = view[self.send_some(view) :]

    def wait_writable(self) -> None:
        self._poll.register(self._sock, select.POLLOUT)
        if not self._poll.poll(_left(self.deadline) * 1000):
            raise WireTimeout

    def receive(self, at_most: int) -> bytes:
        """One to `at_most` bytes, as soon as there are any."""
        while True:
            _left(self.deadline)  # also where data never stops
            try:
                data = self._sock.recv(at_most)
            except BlockingIOError:
                self.wait()
                continue
            except OSError as error:
                raise self._ended(error) from error
            if not data:
                raise self._ended("the connection was closed")
            return data

    def drain(self) -> None:
        """Wait until the other side closes the connection."""
        with contextlib.suppress(WireEnded):
            while True:
                self.receive(64 << 10)

    def receive_exactly(self, size: int) -> bytes:
        data = bytearray(size)
        self.receive_into(memoryview(data))
        return bytes(data)

    def receive_into(self, view: memoryview) -> None:
        """Fill the whole of the view."""
        while view:
            _left(self.deadline)
            try:
                got = self._sock.recv_into(view)
            except BlockingIOError:
                self.wait()
                continue
            except OSError as error:
                raise self._ended(error) from error
            if not got:
                raise self._ended("the connection was closed")
            view = view[got:]

    def request(self, service: str) -> None:
        """Ask the server for a service and wait until it agrees."""
        name = service.encode("utf-8", "surrogateescape")
        if len(name) > _MAX_REQUEST:
            raise Refused(f"a request of {len(name)} bytes is too long for adb")
        self.send_all(b"%04x%b" % (len(name), name))
        self.expect_okay()

    def expect_okay(self) -> None:
        status = self.receive_exactly(4)
        if status == b"FAIL":
            raise Refused(self.block().decode("utf-8", "replace"))
        if status != b"OKAY":
            raise WireGarbage(f"{status!r} instead of OKAY or FAIL")

    def answer(self) -> bytes:
        """A text, or after all a failure: some services fail once they were agreed to."""
        digits = self.receive_exactly(4)
        if digits == b"FAIL":
            raise Refused(self.block().decode("utf-8", "replace"))
        return self._text(digits)

    def block(self) -> bytes:
        """A text with its length in four hex digits before it."""
        return self._text(self.receive_exactly(4))

    def _text(self, digits: bytes) -> bytes:
        if not re.fullmatch(rb"[0-9A-Fa-f]{4}", digits):
            raise WireGarbage(f"{digits!r} instead of a length")
        return self.receive_exactly(int(digits, 16))

    def _ended(self, reason: object) -> WireEnded | WireAborted:
        return WireAborted() if self._aborted else WireEnded(str(reason))


def dial(host: str, port: int, timeout_s: float) -> socket.socket:
    """A connection to an address as users write it, [::1] too; OSError when there is none."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return socket.create_connection((bare, port), timeout=timeout_s)
    except UnicodeError as error:
        raise OSError(f"{host!r} is no name of a computer") from error


def _left(deadline: float) -> float:
    """Seconds until the deadline; WireTimeout when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise WireTimeout
    return left
