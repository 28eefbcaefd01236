"""bench devices."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.screen import print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("devices")(devices)


def devices(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the connected phones and what they say of themselves."""
    from bench import device
    from bench.records import device_title

    server = device.default_server()
    found = [
        device.describe(device.connect(phone.serial, server))
        for phone in device.usable_phones(server)
    ]
    if json:
        print_json(found)
        return
    print_table(
        ("serial", "device", "Android", "SoC", "ABI", "cores", "memory (MB)"),
        [
            (
                d.serial,
                device_title(d),
                d.android_release,
                d.soc,
                d.abis[0] if d.abis else None,
                d.cores,
                None if d.mem_total_kb is None else d.mem_total_kb // 1024,
            )
            for d in found
        ],
    )
