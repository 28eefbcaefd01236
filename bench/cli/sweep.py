"""bench sweep."""

from __future__ import annotations

import contextlib
import functools
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.events import print_event
from bench.cli.progress import Screen
from bench.cli.screen import HostRuntime, complain, warn
from bench.errors import DeviceError

if TYPE_CHECKING:
    from bench.device import Phone
    from bench.engine import Connect, Outcome

VIRTUAL = "virtual"


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("sweep")(sweep)


def sweep(
    sweep_file: Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file (TOML).")],
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERIAL",
            help="A phone's serial (HOST:PORT/SERIAL at another adb server), or"
            " virtual[:PROFILE[:ABI]] for a virtual phone that is booted"
            " for the sweep and taken down after. Repeatable. Without it: every connected phone.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest run of this sweep.")
    ] = False,
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results are kept.")] = Path(
        "results"
    ),
    fetch: Annotated[
        bool | None,
        typer.Option(
            help="Download the LiteRT library that a phone needs, if it is lacking, from its"
            " official address, checked by hash. Without either: ask on a terminal.",
            show_default=False,
        ),
    ] = None,
    host_runtime: Annotated[
        HostRuntime,
        typer.Option(help="What runs the models here, to check them and the outputs of phones."),
    ] = "ai-edge-litert",
    report: Annotated[bool, typer.Option(help="Render the HTML report at the end.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print events as they happen, one JSON object a line.")
    ] = False,
) -> None:
    """Run a sweep on phones and keep every sample.

    It ends with an HTML report. What is wrong with the sweep file is said before it starts.

    Example: bench sweep examples/quickstart.toml --device virtual
    """
    from bench.engine import run_sweep
    from bench.sweep import load

    loaded = load(sweep_file)
    with _phones(device or []) as (targets, connect), Screen(quiet or json) as screen:
        outcome = run_sweep(
            loaded,
            targets,
            connect=connect,
            results=results,
            resume=resume,
            may_fetch=lambda abi: _may_fetch(abi, fetch, screen),
            host_runtime=host_runtime,
            on_event=print_event if json else screen.show,
        )
    again = ["bench", "sweep", str(sweep_file)]
    again += [word for name in device or () for word in ("--device", name)]
    again += ["--results", str(results)] if results != Path("results") else []
    _say_how_it_ended(outcome, screen, shlex.join([*again, "--resume"]), quiet or json)
    if report and not outcome.interrupted:
        from bench.report import render_report

        path = render_report(outcome.path)
        if not (quiet or json):
            print(f"Report:  {path}")
    raise typer.Exit(_exit_code(outcome))


@contextlib.contextmanager
def _phones(wanted: Sequence[str]) -> Iterator[tuple[list[str], Connect]]:
    """The serials to measure on and how each is reached; virtual phones live meanwhile."""
    from bench import device

    virtual = [name for name in wanted if name.split(":")[0] == VIRTUAL]
    real = [name for name in wanted if name not in virtual]
    reach: dict[str, Callable[[], Phone]] = {}
    with contextlib.ExitStack() as stack:
        if virtual:
            reach |= _boot(virtual, stack)
        if not wanted:
            users = device.default_server()
            real = [phone.serial for phone in device.usable_phones(users)]
        for name in real:
            reach[name] = functools.partial(device.connect_target, name)
        if wanted and not virtual:
            _require_one(reach.values())
        yield list(reach), lambda name: reach[name]()


def _require_one(reach: Iterable[Callable[[], Phone]]) -> None:
    """DeviceError at once, and not after minutes of making models, where no phone is there."""
    failures = []
    for connect in reach:
        try:
            connect()
            return
        except DeviceError as error:
            failures.append(error)
    raise failures[0]


def _boot(names: Sequence[str], stack: contextlib.ExitStack) -> dict[str, Callable[[], Phone]]:
    """Boot virtual phones into the stack, on an adb server of their own, never the user's."""
    from bench import device, virtual

    server = stack.enter_context(device.private_server())
    booted: dict[str, Callable[[], Phone]] = {}
    for number, name in enumerate(names, start=1):
        _, _, wanted = name.partition(":")
        profile, _, abi = wanted.partition(":")
        # The same phone again when the sweep is resumed, whatever its port will be then.
        serialno = f"VIRTUAL{re.sub('[^A-Z0-9]', '', profile.upper())[:20]}{number}"
        booting = virtual.booted(profile or "flagship", abi=abi or None, serialno=serialno)
        phone = stack.enter_context(booting)
        server.connect_tcp(phone.serial)
        booted[phone.serial] = functools.partial(device.connect, phone.serial, server)
    return booted


def _may_fetch(abi: str, told: bool | None, screen: Screen) -> bool:
    """Whether to download; nobody is asked where nobody can answer."""
    if told is not None or not sys.stdin.isatty():
        return bool(told)
    with screen.paused():
        return typer.confirm(f"LiteRT for {abi} is lacking. Download it from its official address?")


def _say_how_it_ended(outcome: Outcome, screen: Screen, again: str, quiet: bool) -> None:
    for error in outcome.stopped.values():
        complain(error)
    if outcome.not_run:
        were = "trial was" if outcome.not_run == 1 else "trials were"
        warn(f"{outcome.not_run} {were} not run. `{again}` goes on.")
    if not quiet:
        parts = [f"{outcome.ok} ok"]
        parts += [f"{outcome.failed} failed"] if outcome.failed else []
        parts += [f"{outcome.skipped} skipped"] if outcome.skipped else []
        parts += [f"{screen.done_before} measured before"] if screen.done_before else []
        print(f"\nTrials:  {', '.join(parts)}")
        if screen.doubtful:
            trials = "trial" if screen.doubtful == 1 else "trials"
            print(f"Doubts:  {screen.doubtful} {trials}; `bench show` says why and what to do")
        print(f"Results: {outcome.path}")


def _exit_code(outcome: Outcome) -> int:
    if outcome.interrupted:
        return 130
    if outcome.stopped and not outcome.ok:
        return 1
    return 3 if outcome.failed or outcome.not_run or outcome.stopped else 0
