"""`python -m bench.virtual.daemon FD`: the process behind one virtual phone.

It stays outside of the phone as its supervisor: binds the port, starts the process that is the
phone (process 1 of its own world), records it, waits until it is told to stop or its owner is
gone, and removes what is left. The phone's process can't outlive it.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from bench.errors import BenchError, UsageError
from bench.records import decode, encode
from bench.virtual import (
    control,
    emulation,
    inside,
    linux,
    namespace,
    procstat,
    profile,
    settings,
    state,
    tree,
)
from bench.virtual.emulation import Emulator
from bench.virtual.inside import Report
from bench.virtual.launch import Answer, Errand
from bench.virtual.state import VirtualPhone
from bench.virtual.world import host_tools

FIRST_PORT = 6601
_PORTS_TRIED = 200


def main(arguments: list[str]) -> int:
    """Run one phone from start to end; the one argument is the descriptor of its errand.

    The errand is not an argument itself, because phones show this command line in `ps`.
    """
    with os.fdopen(int(arguments[0]), "rb") as file:
        errand = decode(file.read(), Errand)
    for fd in (errand.ready_fd, errand.leash_fd):
        if fd is not None:
            os.set_inheritable(fd, False)
    try:
        supervisor = _Supervisor(errand)
        answer = Answer(phone=supervisor.start())
    except BenchError as error:
        answer = Answer(failed=str(error), usage=isinstance(error, UsageError))
    except OSError as error:
        answer = Answer(failed=f"The virtual phone can't be started here: {error}.")
    with suppress(BrokenPipeError):  # of a starter that was killed
        os.write(errand.ready_fd, encode(answer) + b"\n")
        os.close(errand.ready_fd)
        if answer.phone is not None:
            supervisor.wait()
    if answer.phone is None:
        return 1
    supervisor.stop()
    return 0


class _Supervisor:
    """The phone's process as seen from outside."""

    def __init__(self, errand: Errand) -> None:
        options = errand.options
        self._errand = errand
        self._options = options
        self._where = Path(errand.state)
        self._profile = profile.load(options.profile)
        self._emulator = emulation.choose(options.abi)
        self._abi = options.abi or emulation.abi_of_host()
        self._wake_read, self._wake_write = os.pipe()
        self._listener, self._reservation = bind(options.port)
        self._port: int = self._listener.getsockname()[1]
        self._starter = os.dup(sys.stderr.fileno())  # hears why a phone did not start
        self._pid = -1
        self._hold = -1  # the phone's process ends when this is closed
        self._world_folder: str | None = None

    def start(self) -> VirtualPhone:
        """Start the phone in the best world that the host allows."""
        self._take_signals()
        linux.adopt_orphans()
        log = self._where / f"{self._port}.log"
        _write_to(log)
        try:
            return self._recorded(self._start_best())
        except (BenchError, OSError):
            _kill_children()
            os.write(self._starter, log.read_bytes())
            state.remove_files(self._where, self._port)
            state.remove_world(self._world_folder)
            raise

    def _recorded(self, report: Report) -> VirtualPhone:
        self._listener.close()
        phone = VirtualPhone(
            port=self._port,
            pid=os.getpid(),
            profile=self._options.profile,
            serial=f"127.0.0.1:{self._port}",
            fidelity=report.fidelity,
            abi=self._abi,
            emulated=self._emulator is not None,
            notes=report.notes,
        )
        own = procstat.read(phone.pid)
        self._entry = state.Entry(
            phone=phone, start_ticks=own.start_ticks if own else 0, folder=self._world_folder
        )
        state.write(self._where, self._entry)
        return phone

    def wait(self) -> None:
        """Until a signal, the end of the leash, or the end of the phone's process."""
        self._is_first(os.pidfd_open(self._pid))

    def stop(self) -> None:
        """End the phone with all of its processes, and remove its traces."""
        _kill(self._pid)
        _kill_children()  # a reduced phone's commands, which the host's kernel gives to us
        with state.locked(self._where):
            state.remove_traces(self._where, self._entry)

    def _start_best(self) -> Report:
        if self._options.fidelity != "reduced":
            report = self._start_inside("full", lambda: _fork_into_namespace(self._emulator))
            if report.refused is None:
                return report
            if self._options.fidelity == "full":
                raise UsageError(
                    f"A virtual phone of full fidelity can't be had here: {report.refused}.",
                    next_step="Ask for reduced fidelity, or allow user namespaces.",
                )
            refusal = report.refused
        else:
            refusal = "it was asked for"
        self._world_folder = _make_world_folder()
        report = self._start_inside("reduced", os.fork, refusal)
        if report.refused is not None:
            raise BenchError(f"The virtual phone didn't start: {report.refused}.")
        return report

    def _start_inside(
        self, fidelity: tree.Fidelity, fork: Callable[[], int], refusal: str | None = None
    ) -> Report:
        """Fork the phone's process; what it reports, once it serves or has failed."""
        plan = self._plan(fidelity, refusal)
        report_read, report_write = os.pipe()
        hold_read, self._hold = os.pipe()
        try:
            self._pid = fork()
        except OSError as error:
            return Report(fidelity=fidelity, refused=str(error))
        if self._pid == 0:
            errand = self._errand
            for fd in (report_read, self._hold, self._starter, errand.ready_fd, errand.leash_fd):
                if fd is not None:
                    os.close(fd)
            _default_signals()
            inside.run(plan, report_fd=report_write, hold_fd=hold_read)
        os.close(report_write)
        os.close(hold_read)
        plan.control.close()
        os.write(self._hold, b".")  # no process stands between the two any more: go
        with os.fdopen(report_read, "rb") as file:
            if not self._is_first(report_read):
                raise BenchError("The virtual phone was told to stop before it had started.")
            line = file.readline()
        if not line:
            line = encode(Report(fidelity=fidelity, refused="its process ended at once"))
        report = decode(line, Report)
        if report.refused is not None:
            _kill(self._pid)
            os.close(self._hold)
        return report

    def _plan(self, fidelity: tree.Fidelity, refusal: str | None) -> inside.Plan:
        options, chosen = self._options, self._profile
        root = self._world_folder or ""
        own = re.sub(r"[^A-Z0-9]", "", chosen.name.upper()) + str(self._port)
        properties = tree.properties(
            chosen,
            name=options.profile,
            serialno=options.serialno or own,
            fidelity=fidelity,
            abi=self._abi,
            emulated=self._emulator is not None,
        )
        emulation_entries = self._emulator.entries(root) if self._emulator is not None else {}
        return inside.Plan(
            fidelity=fidelity,
            root=root,
            entries={
                **tree.entries(chosen, properties, root=root),
                **host_tools(),
                **emulation_entries,
            },
            set_entries=settings.entries(chosen),
            properties=properties,
            features=chosen.features if options.features is None else options.features,
            disk_mb=options.disk_mb or chosen.disk_mb,
            drain=chosen.drain,
            listener=self._listener,
            control=control.listen(self._where, self._port),
            refusal=refusal,
            emulator=self._emulator,
        )

    def _is_first(self, fd: int) -> bool:
        """Wait for what `fd` has to tell, or for a reason to stop; whether it was `fd`."""
        fds = (fd, self._wake_read, self._errand.leash_fd)
        with selectors.DefaultSelector() as selector:
            for one in fds:
                if one is not None:
                    selector.register(one, selectors.EVENT_READ)
            return fd in [key.fd for key, _ in selector.select()]

    def _take_signals(self) -> None:
        def wake(_number: int, _frame: FrameType | None) -> None:
            os.write(self._wake_write, b".")

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, wake)


def bind(port: int | None) -> tuple[socket.socket, socket.socket]:
    """A listening socket on loopback, on the port asked for or the first free one from 6601.

    The other socket keeps the port for the phone, as `reserve` tells.
    """
    if port is not None and (refusal := refused_port(port)):
        raise UsageError(refusal)
    candidates = [port] if port is not None else range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED)
    for candidate in candidates:
        reservation = reserve(candidate)
        if reservation is None:
            reason = "a virtual phone that is away for the moment has it"
            continue
        # Named as TCP, because asyncio turns off Nagle's delay only for sockets that are.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen()
        except OSError as error:
            listener.close()
            reservation.close()
            reason = error.strerror or str(error)
        else:
            return listener, reservation
    taken = f"Port {port}" if port is not None else f"Every port from {FIRST_PORT} on"
    raise UsageError(f"{taken} can't be used: {reason}.", next_step="Name another with --port.")


def reserve(port: int) -> socket.socket | None:
    """Keep a port for a phone also while it doesn't listen; None: another phone has it.

    The name of a socket outside of the file system is free again when its holder ends.
    """
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0bench-virtual-{port}")
    except OSError:
        name.close()
        return None
    return name


def refused_port(port: int) -> str | None:
    """Why a port can't be a virtual phone's; None when it can."""
    if not 1024 <= port <= 65535:
        return f"A virtual phone's port lies between 1024 and 65535, not {port}."
    if port == 5037:
        return "Port 5037 is adb's own."
    if 5555 <= port <= 5585 and port % 2 == 1:
        return f"adb takes port {port} for an emulator's and would list the phone twice."
    return None


def _fork_into_namespace(emulator: Emulator | None) -> int:
    """Fork a process 1 of new namespaces, by way of one that is gone when this returns.

    Only a process that has unshared can have such a child, and this one has to stay outside.
    The child is this process's all the same, because it adopts orphans.
    """
    told_read, told_write = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(told_read)
        try:
            if emulator is not None:
                with suppress(OSError):  # an older kernel; there are other ways
                    namespace.teach_kernel(emulator)
            namespace.unshare_and_map()
            pid = os.fork()
        except OSError as error:
            os.write(told_write, f"!{error.strerror or error}".encode())
            os._exit(1)
        if pid == 0:
            os.close(told_write)
            return 0
        os.write(told_write, str(pid).encode())
        os._exit(0)
    os.close(told_write)
    with os.fdopen(told_read, "r") as file:
        told = file.read()
    os.waitpid(between, 0)
    if not told or told.startswith("!"):
        raise OSError(told[1:] or "namespaces are forbidden")
    return int(told)


def _make_world_folder() -> str:
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        if inside.can_stand_in_a_command(parent) and os.access(parent, os.W_OK):
            return tempfile.mkdtemp(prefix=f"{state.FOLDER_PREFIX}{os.getpid()}-", dir=parent)
    raise UsageError("A virtual phone needs a folder for temporary files without odd characters.")


def _write_to(log: Path) -> None:
    """Have this process, and those that it forks, complain in a file."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(fd, sys.stdout.fileno())
    os.dup2(fd, sys.stderr.fileno())
    os.close(fd)


def _default_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _kill_children() -> None:
    """Kill whatever this process has inherited, and what that leaves, until nothing is left."""
    while True:
        for pid in procstat.pids():
            stat = procstat.read(pid)
            if stat is not None and stat.alive and stat.parent == os.getpid():
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
