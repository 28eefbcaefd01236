"""bench virtual: phones that run on this computer."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from bench.cli.screen import print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Virtual phones, on this computer only.")
    group.command("up")(up)
    group.command("down")(down)
    group.command("list")(list_)
    group.command("fault")(fault)
    app.add_typer(group, name="virtual")


def up(
    profile: Annotated[
        str, typer.Argument(help="Which phone; `bench virtual list` names them.")
    ] = "flagship",
    port: Annotated[
        int | None, typer.Option(help="The port on 127.0.0.1. Without it: a free one.")
    ] = None,
    disk_mb: Annotated[
        int | None, typer.Option(help="Size of /data/local/tmp. Without it: the profile's.")
    ] = None,
    abi: Annotated[
        str | None,
        typer.Option(help="arm64-v8a on x86_64: its programs run under qemu. Without it: ours."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Boot a virtual phone that stays up until `bench virtual down`.

    Example: bench virtual up flagship
    """
    from bench import virtual

    phone = virtual.up(profile, port=port, disk_mb=disk_mb, abi=abi)
    if json:
        print_json([phone])
        return
    print(f"{phone.profile} is up at {phone.serial}.")
    print(f"  adb connect {phone.serial}")
    print(f"  bench sweep examples/quickstart.toml --device {phone.serial}")
    print(f"  bench virtual down {phone.port}")


def down(
    port: Annotated[
        int | None, typer.Argument(help="The phone's port. Without it: every virtual phone.")
    ] = None,
) -> None:
    """Take virtual phones down; nothing of them is left."""
    from bench import virtual
    from bench.errors import UsageError

    phones = [phone for phone in virtual.running() if port in (None, phone.port)]
    if not phones and port is not None:
        raise UsageError(
            f"no virtual phone on port {port}.", next_step="`bench virtual list` shows them."
        )
    for phone in phones:
        virtual.down(phone)
        print(f"{phone.profile} at {phone.serial} is down.")
    if not phones:
        print("No virtual phone is up.")


def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the virtual phones that are up, the profiles there are, and what can go wrong."""
    from bench import virtual

    phones = virtual.running()
    if json:
        print_json(phones)
        return
    if phones:
        print_table(
            ("port", "serial", "profile", "fidelity", "abi", "pid"),
            [
                (p.port, p.serial, p.profile, p.fidelity, _abi(p.abi, p.emulated), p.pid)
                for p in phones
            ],
        )
    else:
        print("No virtual phone is up.")
    print(f"Profiles: {', '.join(virtual.profiles())}")
    print("Faults, for `bench virtual fault PORT FAULT NAME=VALUE`:")
    print_table(("fault", "arguments", "what happens"), _fault_rows())


def fault(
    port: Annotated[int, typer.Argument(help="The phone's port.")],
    kind: Annotated[str, typer.Argument(help="Which; clear ends all of them.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="How, where not as usual.")
    ] = None,
) -> None:
    """Order something to go wrong with a virtual phone.

    `bench virtual list` shows every kind, and its arguments with their usual values. Times are
    ms, and for_ms=0 is until cleared.

    Example: bench virtual fault 6601 drop after_bytes=1000000
    """
    from bench import virtual

    virtual.fault(port, kind, **dict(_argument(text) for text in arguments or []))


def _argument(text: str) -> tuple[str, int | str]:
    from bench.errors import UsageError

    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(
            f"{text!r} says nothing to a fault.", next_step="Write NAME=VALUE, as after_bytes=1000."
        )
    is_number = name != "pattern" and re.fullmatch(r"(?a:-?\d{1,18})", value)
    return name, int(value) if is_number else value


def _fault_rows() -> list[tuple[str, str, str]]:
    from bench.virtual.faults import KINDS

    return [
        (name, " ".join(f"{key}={value}" for key, value in kind.arguments.items()), kind.help)
        for name, kind in KINDS.items()
    ]


def _abi(abi: str, emulated: bool) -> str:
    return f"{abi} (emulated)" if emulated else abi
