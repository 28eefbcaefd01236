"""The command line: a skin over the library. Each verb parses, makes one call and prints."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bench import __version__
from bench.cli import devices, models, results, runtime, sweep, virtual
from bench.cli.screen import complain
from bench.errors import BenchError

_OUTPUT_ENDED = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)


class _Verbs(TyperGroup):
    """The verbs; each ends by Ctrl-C in one way, whatever the version of typer."""

    def invoke(self, context: Any) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="bench",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (sweep, results, models, devices, virtual, runtime):
    verbs.add_to(app)


@app.callback(invoke_without_command=True)
def _bench(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)
    ] = False,
) -> None:
    """Measure TensorFlow Lite (LiteRT) models on Android phones over adb.

    Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage,
    3 the sweep ended but trials failed or were not run, 4 compare found a regression,
    130 interrupted.
    """
    if version:
        print(f"bench {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a BenchError becomes one line and exit code 1."""
    _end_as_by_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    _make_streams_safe()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BenchError as error:
        complain(error)
        sys.exit(1)
    except OSError as error:
        if error.filename is not None or error.errno not in _OUTPUT_ENDED:
            raise
        # What is left in the buffer would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # else the reader, such as `head`, has had enough
            complain(BenchError(f"what is printed can't be written: {error.strerror}."))
        sys.exit(1)


def _make_streams_safe() -> None:
    """Those that were closed (`>&-`) are there; what a terminal can't show is spelled out."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 -- until the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end_as_by_ctrl_c(*signals: signal.Signals) -> None:
    """A `kill`, or a terminal that is closed, leaves phones no more changed than Ctrl-C does."""
    for one in signals:
        if signal.getsignal(one) is signal.SIG_DFL:  # else it is ignored, by nohup
            signal.signal(one, signal.default_int_handler)
