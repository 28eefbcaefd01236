"""adb servers: the user's own, and a private one for virtual phones."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.device.parse.devices import Listed, parse_devices
from bench.device.parse.text import printable
from bench.device.trouble import trouble
from bench.device.wire import (
    Refused,
    Wire,
    WireAborted,
    WireEnded,
    WireGarbage,
    WireTimeout,
    dial,
)
from bench.errors import DeviceError, UsageError

_QUERY_S = 10.0
_START_S = 20.0
# adb itself gives up on a phone that takes a connection and never speaks after 10 s.
_CONNECT_S = 15.0
_CONNECT_ATTEMPTS = 4
_PAIR_S = 20.0
_SETTLE_S = 3.0

_ADDRESS = re.compile(r"(?a:\[[0-9A-Fa-f:.%]+\]|[\w.-]+):[0-9]{1,5}")

_NO_ADB = (
    "Install Android's platform tools (Debian: `apt install adb`), "
    "or name the binary in ADBUTILS_ADB_PATH."
)

# The server lives as long as the pipe at the shell's stdin, which this process holds open:
# however this process ends, also by SIGKILL, the pipe closes and the server is ended. Without a
# line that says so before, nobody is left to remove the folder at $1.
_LEASH = """
home=$1
shift
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(read -r _ || : >"$home/orphaned"; kill "$server") <&3 & leash=$!
wait "$server"
kill "$leash"
[ -e "$home/orphaned" ] && rm -rf "$home"
"""


@dataclass(frozen=True, slots=True)
class AdbServer:
    """Where an adb server listens."""

    host: str
    port: int

    def query(self, service: str, *, deadline_s: float = _QUERY_S) -> str:
        """Ask the server itself; its answer. DeviceError with its reason when it refuses."""
        try:
            return self._ask(service, deadline_s)
        except Refused as error:
            raise DeviceError(f"The adb server refused: {printable(str(error))}.") from error

    def is_up(self) -> bool:
        try:
            dial(self.host, self.port, 2).close()
        except OSError:
            return False
        return True

    def connect_tcp(self, address: str) -> None:
        """Have the server connect to a phone at `host:port`, and wait until it is usable.

        Without a port it is adb's own, 5555.
        """
        address = address if _ADDRESS.fullmatch(address) else f"{address}:5555"
        for _ in range(_CONNECT_ATTEMPTS):
            answer = self.query(f"host:connect:{address}", deadline_s=_CONNECT_S)
            # The server calls each failure a success, and says it in words only.
            if answer.startswith("failed to authenticate"):
                raise trouble(Listed(address, "unauthorized"))
            if not answer.startswith(("connected to", "already connected to")):
                raise DeviceError(
                    f"adb can't connect to {address!r}: {printable(answer).rstrip('.')}.",
                    next_step="Look at the phone: Developer options, Wireless debugging shows the "
                    "address, and its port changes each time. `bench devices pair` comes first.",
                )
            state = self._settled_state(address, quick=answer.startswith("already"))
            if state == "device":
                return
            if state == "unauthorized":
                break
            # What it calls connected may be a phone that went away, which it would try again
            # by itself in its own time.
            self.disconnect_tcp(address)
        raise trouble(Listed(address, state))

    def pair(self, address: str, code: str) -> str:
        """Pair with a phone's wireless debugging (Android 11+); what adb said of it.

        `address` is that of the pairing dialog, whose port is another than the one to connect to.
        """
        if not re.fullmatch(r"[!-~]{1,64}", code) or not _ADDRESS.fullmatch(address):
            raise UsageError(
                f"{address!r} and {code!r} are not HOST:PORT and a code.",
                next_step="Both stand in Wireless debugging, Pair device with pairing code.",
            )
        try:
            answer = self._ask(f"host:pair:{code}:{address}", _PAIR_S)
        except Refused as error:
            answer = str(error)
        if answer.startswith("Successfully paired"):
            return printable(answer)
        reason = printable(answer.removeprefix("Failed: ")).rstrip(".")
        if "unknown" in reason:
            next_step = "Pairing came with version 30 of Android's platform tools."
        else:
            next_step = (
                "The code and the port change each time that the phone's dialog opens: "
                "keep it open, and type what it shows."
            )
        raise DeviceError(f"adb can't pair with {address!r}: {reason}.", next_step=next_step)

    def disconnect_tcp(self, address: str) -> None:
        """Have the server forget a phone at `host:port`; harmless when it knows none there."""
        with contextlib.suppress(DeviceError):
            self.query(f"host:disconnect:{address}")

    def _ask(self, service: str, deadline_s: float) -> str:
        """Its answer, or Refused with the reason as it gave it."""
        try:
            with Wire.open(self.host, self.port, time.monotonic() + deadline_s) as wire:
                wire.request(service)
                return wire.answer().decode("utf-8", "replace")
        except WireTimeout as error:
            raise DeviceError(
                f"The adb server at {self} did not answer {service!r} in {deadline_s:g} s.",
                next_step="Restart it with `adb kill-server`.",
            ) from error
        except WireGarbage as error:
            what = f"What listens at {self} is no adb server: {printable(str(error))}."
            raise DeviceError(what, next_step="Set ANDROID_ADB_SERVER_PORT.") from error
        except (WireEnded, WireAborted) as error:
            raise DeviceError(
                f"No adb server answers at {self}.", next_step="Start it with `adb start-server`."
            ) from error

    def _settled_state(self, serial: str, *, quick: bool) -> str:
        """The phone's state, once it is usable or won't be soon."""
        give_up_at = time.monotonic() + (0.0 if quick else _SETTLE_S)
        while True:
            listed = parse_devices(self.query("host:devices-l"))
            state = next((phone.state for phone in listed if phone.serial == serial), "offline")
            if state in ("device", "unauthorized") or time.monotonic() >= give_up_at:
                return state
            time.sleep(0.02)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def default_server() -> AdbServer:
    """The server that the user's own adb talks to, started when it is not up."""
    server = AdbServer(*_default_address())
    if server.is_up():
        return server
    if server.host not in ("127.0.0.1", "localhost", "::1"):
        raise DeviceError(
            f"No adb server answers at {server}.",
            next_step="Start it there with `adb -a start-server`, "
            "or unset ANDROID_ADB_SERVER_ADDRESS to use this machine's.",
        )
    _start(server)
    return server


@contextlib.contextmanager
def private_server() -> Iterator[AdbServer]:
    """An adb server of our own: own port, own key, no USB, gone at the end.

    It never touches the user's server, and phones on USB stay with that.
    """
    with tempfile.TemporaryDirectory(prefix="bench-adb-", ignore_cleanup_errors=True) as home:
        for _ in range(3):  # another process may take the port before adb does
            server = AdbServer("127.0.0.1", _free_port())
            with _leashed(server, Path(home)) as child:
                if _came_up(server, child):
                    yield server
                    return
        raise DeviceError(f"A private adb server did not start: {_last_line(Path(home))}.")


def adb_binary() -> str:
    """The adb to start: $ADBUTILS_ADB_PATH, the one on PATH, the one that adbutils brings."""
    named = os.environ.get("ADBUTILS_ADB_PATH")
    if named:
        if shutil.which(named) is None:
            raise DeviceError(f"ADBUTILS_ADB_PATH names {named!r}, which can't be run.")
        return named
    on_path = shutil.which("adb")
    if on_path:
        return on_path
    import adbutils  # here because it takes 0.2 s to load

    try:
        return str(adbutils.adb_path())
    except adbutils.AdbError as error:
        raise DeviceError("There is no adb on this machine.", next_step=_NO_ADB) from error


def _default_address() -> tuple[str, int]:
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or os.environ.get("ANDROID_ADB_SERVER_HOST")
    port = os.environ.get("ANDROID_ADB_SERVER_PORT") or "5037"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise DeviceError(f"ANDROID_ADB_SERVER_PORT is {port!r}, which is no port number.")
    return host or "127.0.0.1", int(port)


def _start(server: AdbServer) -> None:
    """Start a server that stays, as every adb command does."""
    adb = adb_binary()
    # adb takes any address for another computer's, also 127.0.0.1, and starts nothing there.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANDROID_ADB_SERVER_")}
    try:
        done = subprocess.run(
            [adb, "-P", str(server.port), "start-server"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_START_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{adb!r} can't be run: {error}.", next_step=_NO_ADB) from error
    if done.returncode != 0:
        told = printable(done.stderr.decode("utf-8", "replace")) or "it said nothing"
        raise DeviceError(
            f"`{adb} start-server` ended with {done.returncode}: {told}.",
            next_step="Run that in a terminal: it must end well there first.",
        )


@contextlib.contextmanager
def _leashed(server: AdbServer, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """adb as a child that ends with this process."""
    # ADB_USB and ADB_EMU: USB phones and emulators belong to the user's server.
    settings = {"ADB_MDNS": "0", "ADB_MDNS_AUTO_CONNECT": "0", "ADB_USB": "0", "ADB_EMU": "0"}
    settings |= {"HOME": str(home), "ANDROID_USER_HOME": str(home), "TMPDIR": str(home)}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ADB_", "ANDROID_"))}
    adb = [adb_binary(), "-L", f"tcp:localhost:{server.port}", "server", "nodaemon"]
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _LEASH, "sh", str(home), *adb],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=inherited | settings,
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for the server
        )
    try:
        yield child
    finally:
        assert child.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError):  # it may have ended by itself
            child.stdin.write(b"\n")
            child.stdin.close()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.wait()


def _came_up(server: AdbServer, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and child.poll() is None:
        if server.is_up():
            return True
        time.sleep(0.005)
    return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def _last_line(home: Path) -> str:
    lines = (home / "log").read_text("utf-8", "replace").strip().splitlines()
    return printable(lines[-1]) if lines else "it printed nothing"
