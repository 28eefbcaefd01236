"""bench runtime: the binaries that are pushed to a phone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.screen import console, print_json, print_table, printable

if TYPE_CHECKING:
    from bench.runtime import Kept
    from bench.runtime.download import Progress
    from bench.runtime.official import Libc

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The runner and LiteRT for each kind of phone.")
    group.command("list")(list_)
    group.command("fetch")(fetch)
    group.command("add")(add)
    app.add_typer(group, name="runtime")


def list_(json: Json = False) -> None:
    """Show which binaries are at hand for which phones."""
    from bench import runtime

    rows = runtime.list_available()
    if json:
        print_json(rows)
        return
    print_table(
        ("ABI", "libc", "runner", "LiteRT", "benchmark_model", "kept in"),
        [
            (row.abi, row.libc, row.runner is not None, _litert(row), _tool(row), _folder(row))
            for row in rows
            if row.runner or row.library or row.benchmark_model
        ],
    )


def fetch(
    abi: Annotated[str, typer.Argument(help="The phone's ABI, such as arm64-v8a.")],
    tool: Annotated[
        str,
        typer.Option("--tool", metavar="TOOL", help="library, benchmark_model or all."),
    ] = "library",
    libc: Annotated[
        str, typer.Option("--libc", metavar="LIBC", help="bionic (Android) or glibc.")
    ] = "bionic",
    json: Json = False,
) -> None:
    """Download LiteRT or benchmark_model for an ABI from its official address."""
    from bench import runtime
    from bench.errors import UsageError

    tools = [one for one in runtime.TOOLS if tool in (one, "all")]
    if not tools:
        raise UsageError(f"--tool is library, benchmark_model or all, not {tool!r}.")
    system: Libc = "glibc" if libc == "glibc" else "bionic"
    if libc != system:
        raise UsageError(f"--libc is bionic or glibc, not {libc!r}.")
    kept: list[Kept] = []
    for one in tools:
        with _shown_progress(f"{one} for {abi}") as progress:
            runtime.fetch(abi, one, libc=system, progress=progress)
        found = runtime.recorded(one, abi, system, "fetched")
        kept += [found] if found is not None else []
        if not json:
            _print_kept(kept[-1:])
    if json:
        print_json(kept)


def add(
    files: Annotated[
        list[Path],
        typer.Argument(help="A libLiteRt.so, a benchmark_model, or an .aar or .whl of LiteRT."),
    ],
    npu: Annotated[
        bool,
        typer.Option(
            "--npu",
            help="The files are LiteRT's dispatch library for an NPU and its vendor's libraries.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Keep binaries of your own for the phones that they fit; they go before fetched ones."""
    from bench import runtime

    if npu:
        abi, libraries = runtime.add_npu(files)
        if json:
            print_json(libraries)
        else:
            print(f"Kept for the NPU of {abi}: {', '.join(one.name for one in libraries)}")
        return
    kept: list[Kept] = []
    for file in files:
        found = runtime.add(file)
        kept += found
        if not json:  # said at once: the next file may be refused
            _print_kept(found)
    if json:
        print_json(kept)


def _print_kept(kept: Iterable[Kept]) -> None:
    for one in kept:
        version = one.version or (f"{one.at_least} or newer" if one.at_least else "unknown version")
        print(f"Kept: {printable(one.path)} ({one.abi}, {one.libc}, {version})")
        if one.on_trust:
            print(
                f"      sha256 {one.sha256} is taken on trust: nobody publishes one to check it "
                "against. Another file under this address will be refused."
            )


def _litert(row: Any) -> str | None:
    if row.library is None:
        return "to be fetched" if row.library_official else None
    version = row.library_version or f"{row.library_at_least or '?'} or newer"
    return f"{version} ({row.source})"


def _tool(row: Any) -> str | None:
    if row.benchmark_model is None:
        return "to be fetched" if row.benchmark_model_official else None
    return f"{row.benchmark_model_version or 'unknown version'} ({row.benchmark_model_source})"


def _folder(row: Any) -> str | None:
    path = row.library or row.benchmark_model
    if path is None:
        return None
    folder, home = Path(path).parent, Path.home()
    shown = f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
    return shown if len(shown) <= 48 else "…" + shown[-47:]


@contextmanager
def _shown_progress(what: str) -> Iterator[Progress]:
    """A bar on a terminal, nothing where stderr is piped."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    screen = console(stderr=True)
    bar = Progress(
        "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        console=screen, disable=not screen.is_terminal, transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task(printable(what, 60).replace("[", "\\["), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
