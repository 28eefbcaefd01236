"""The real adb, with a server of its own, for the tests of the virtual phone."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import adbutils

from bench import virtual
from bench.errors import BenchError
from bench.virtual import protocol

BUNDLED = str(Path(adbutils.__file__).parent / "binaries" / "adb")


def binaries() -> list[str]:
    """Every adb at hand: the one that adbutils brings, and the system's."""
    found = [BUNDLED, shutil.which("adb")]
    return [path for path in dict.fromkeys(found) if path is not None and Path(path).exists()]


class Adb:
    """An adb binary talking to one server."""

    def __init__(self, binary: str, port: int, home: Path) -> None:
        self.binary = binary
        self.port = port
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ADB_", "ANDROID_"))}
        self.environment = inherited | {
            "HOME": str(home),
            "ANDROID_USER_HOME": str(home),
            "TMPDIR": str(home),
            # USB phones, emulators and the net are none of the tests' business; looking for
            # them takes a server 3 s.
            "ADB_USB": "0",
            "ADB_EMU": "0",
            "ADB_MDNS": "0",
            "TERM": "xterm",
        }

    def command(self, *arguments: str) -> list[str]:
        return [self.binary, "-L", f"tcp:localhost:{self.port}", *arguments]

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str, terminal: int | None = None) -> subprocess.Popen[bytes]:
        ends = subprocess.PIPE if terminal is None else terminal
        return subprocess.Popen(
            self.command(*arguments),
            stdin=ends,
            stdout=ends,
            stderr=subprocess.DEVNULL if terminal is None else terminal,
            env=self.environment,
        )

    @contextmanager
    def booted(self, profile: str, **options: Any) -> Iterator[virtual.VirtualPhone]:
        """A virtual phone that this server is connected to."""
        with virtual.booted(profile, **options) as phone:
            self.run("connect", phone.serial)
            wait_until(lambda: self.state(phone) == "device")
            yield phone
            # or the server looks for it on its port, where the next phone may be
            self.run("disconnect", phone.serial)

    def shell(
        self, phone: virtual.VirtualPhone, command: str, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        return self.run("-s", phone.serial, "shell", command, stdin=stdin)

    def out(self, phone: virtual.VirtualPhone, command: str) -> str:
        """A command's stdout, when it went well."""
        done = self.shell(phone, command)
        assert done.returncode == 0, done
        return done.stdout.decode()

    def state(self, phone: virtual.VirtualPhone) -> str:
        """The phone's state as `adb devices` tells it; "" when it isn't listed."""
        lines = self.run("devices").stdout.decode().splitlines()
        states = dict(line.split("\t") for line in lines if "\t" in line)
        return states.get(phone.serial, "")

    def library(self, phone: virtual.VirtualPhone) -> adbutils.AdbDevice:
        """The phone as adbutils sees it."""
        return adbutils.AdbClient("127.0.0.1", self.port).device(phone.serial)


class BareHost:
    """The phone's own protocol, spoken without an adb server between."""

    def __init__(self, phone: virtual.VirtualPhone) -> None:
        self._socket = socket.create_connection(("127.0.0.1", phone.port), timeout=20)
        self.greet()

    def greet(self) -> None:
        self.send(protocol.CNXN, protocol.VERSION, protocol.MAX_PAYLOAD, b"host::\0")
        while self.receive()[0].command != protocol.CNXN:
            pass

    def __enter__(self) -> BareHost:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        self.send_bytes(protocol.pack_header(command, arg0, arg1, payload) + payload)

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def open(self, service: str) -> int:
        self.send(protocol.OPEN, 1, 0, service.encode() + b"\0")
        header, _ = self.receive()
        assert header.command == protocol.OKAY
        return header.arg0

    def read_until(self, stream: int, mark: bytes, *, times: int = 1) -> bytes:
        """What streams bring, at least once, until the mark was in it so many times."""
        seen = b""
        while not seen or seen.count(mark) < times:
            header, payload = self.receive()
            if header.command == protocol.WRTE:
                seen += payload
                self.send(protocol.OKAY, header.arg1, header.arg0)
        return seen

    def receive(self) -> tuple[protocol.Header, bytes]:
        header = protocol.unpack_header(self._exactly(protocol.HEADER.size))
        return header, self._exactly(header.length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the phone hung up")
            data += part
        return data


@contextmanager
def server(binary: str, home: Path) -> Iterator[Adb]:
    """An adb server on a free port, ended by its pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        adb = Adb(binary, probe.getsockname()[1], home)
    process = subprocess.Popen(
        adb.command("nodaemon", "server"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=adb.environment,
    )
    try:
        wait_until(lambda: _listens(adb.port))
        yield adb
    finally:
        process.kill()
        process.wait()


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as `true` holds; fail when it doesn't for long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def read_until(file: IO[bytes] | None, mark: bytes) -> bytes:
    """What can be read from a pipe or a terminal, up to and with `mark`."""
    assert file is not None
    seen = b""
    while mark not in seen:
        assert select.select([file], [], [], 20)[0], seen
        part = os.read(file.fileno(), 4096)
        assert part, seen
        seen += part
    return seen


def worlds() -> list[str]:
    """What this host allows: the full world and the reduced one, or the reduced one alone."""
    try:
        with virtual.booted("small", fidelity="full"):
            return ["full", "reduced"]
    except BenchError:
        return ["reduced"]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
