"""bench runtime: the binaries that are pushed to a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.screen import print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The runner and LiteRT for each kind of phone.")
    group.command("list")(list_)
    group.command("fetch")(fetch)
    group.command("add")(add)
    app.add_typer(group, name="runtime")


def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show which binaries are at hand for which phones."""
    from bench import runtime

    rows = runtime.list_available()
    if json:
        print_json(rows)
        return
    print_table(
        ("ABI", "libc", "runner", "library", "version", "from"),
        [(r.abi, r.libc, r.runner, r.library, r.library_version, r.source) for r in rows],
    )


def fetch(
    abi: Annotated[str, typer.Argument(help="The phone's ABI, such as arm64-v8a.")],
) -> None:
    """Download LiteRT for an Android ABI from its official address, checked by hash."""
    from bench import runtime

    print(f"Kept: {runtime.fetch(abi)}")


def add(
    file: Annotated[Path, typer.Argument(help="A libLiteRt.so for Android.")],
) -> None:
    """Keep a LiteRT library of your own for the phones that it fits."""
    from bench import runtime

    print(f"Kept: {runtime.add(file)}")
