"""One command over one connection: the shell_v2 protocol, and the way of older phones.

The command is `exec`ed by the shell that adbd starts, which first tells its process id on
stderr. That costs no process, and the id is what kills the command when closing the
connection does not: adbd's hang-up reaches the shell only, and may be ignored.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.device.wire import Wire, WireAborted, WireEnded, WireGarbage

# Larger than any honest output: a million samples are about 10 MB of JSON.
MAX_OUTPUT_BYTES = 64 << 20

_STDOUT, _STDERR, _EXIT = 1, 2, 3
_CLOSE_STDIN = b"\4\0\0\0\0"


class TooMuchOutput(Exception):
    """The command printed more than MAX_OUTPUT_BYTES."""


@dataclass
class Output:
    """What a command printed so far, and how it ended."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    exit_code: int | None = None
    pid: int | None = None
    group: int | None = None  # of the command and all that it starts

    def check_size(self) -> None:
        if len(self.stdout) + len(self.stderr) > MAX_OUTPUT_BYTES:
            raise TooMuchOutput


def quoted(argv: Sequence[str]) -> str:
    """The only way from arguments to a shell line. ValueError for what no line can carry."""
    if not argv or not argv[0]:
        raise ValueError("a command needs a program")
    if any("\0" in argument for argument in argv):
        raise ValueError("an argument can't hold a NUL byte")
    return shlex.join(argv)


def run_v2(wire: Wire, argv: Sequence[str], nonce: str, output: Output, deadline: float) -> int:
    """Run a command where the phone has shell_v2; its exit code. `output` fills as it comes."""
    wire.request(f"shell,v2,raw:echo {nonce} $$ $$ >&2;exec {quoted(argv)}")
    wire.deadline = deadline
    packets = _Packets()
    with contextlib.suppress(
        WireEnded, WireAborted
    ):  # what came before the end is still to be read
        wire.send_all(_CLOSE_STDIN)
    while output.exit_code is None:
        packets.feed(wire.receive(256 << 10), output)
        if output.pid is None and _take_pid(output, output.stderr, nonce):
            del output.stderr[: output.stderr.index(b"\n") + 1]
        output.check_size()
    return output.exit_code


def run_v1(wire: Wire, argv: Sequence[str], nonce: str, output: Output, deadline: float) -> int:
    """Run a command on a phone without shell_v2: one stream, the exit code by a marker."""
    inner = f"sh -c 'echo {nonce} $$ $PPID;exec \"$@\"' sh {quoted(argv)} </dev/null"
    wire.request(f"shell:{inner};echo {nonce} $?")
    wire.deadline = deadline
    while True:
        try:
            output.stdout += wire.receive(256 << 10)
        except WireEnded:
            exit_code = _finish_v1(output, nonce)
            if exit_code is None:
                raise
            return exit_code
        if output.pid is None:
            _take_pid(output, output.stdout, nonce)
        output.check_size()


def _finish_v1(output: Output, nonce: str) -> int | None:
    """Cut our own lines off both ends of the stream; the exit code in the last of them."""
    head = re.match(rb"%b \d+ \d+(\r?)\n" % nonce.encode(), output.stdout)
    tail = re.search(rb"%b (\d{1,3})\r?\n\Z" % nonce.encode(), output.stdout)
    if head is None or tail is None or tail.start() < head.end():
        return None
    body = output.stdout[head.end() : tail.start()]
    if head[1]:  # a terminal of Android 4 and before: it ended our own line this way too
        body = body.replace(b"\r\n", b"\n")
    exit_code = int(tail[1])
    output.stdout = body
    return exit_code


def _take_pid(output: Output, stream: bytearray, nonce: str) -> bool:
    match = re.match(rb"%b (\d{1,10}) (\d{1,10})\r?\n" % nonce.encode(), stream)
    if match is None:
        return False
    output.pid, output.group = int(match[1]), int(match[2])
    return True


class _Packets:
    """Cuts a stream of bytes, in whatever pieces it comes, into shell_v2 packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes, output: Output) -> None:
        self._rest += data
        at = 0
        while len(self._rest) - at >= 5:
            kind = self._rest[at]
            size = int.from_bytes(self._rest[at + 1 : at + 5], "little")
            if kind > 5 or size > MAX_OUTPUT_BYTES:
                raise WireGarbage(f"a shell_v2 packet of kind {kind} and {size} bytes")
            if len(self._rest) - at - 5 < size:
                break
            _take(kind, self._rest[at + 5 : at + 5 + size], output)
            at += 5 + size
        del self._rest[:at]


def _take(kind: int, body: bytearray, output: Output) -> None:
    if kind == _STDOUT:
        output.stdout += body
    elif kind == _STDERR:
        output.stderr += body
    elif kind == _EXIT:
        if len(body) != 1:
            raise WireGarbage(f"an exit packet of {len(body)} bytes")
        output.exit_code = body[0]
