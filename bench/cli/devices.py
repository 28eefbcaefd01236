"""bench devices: the connected phones, what they are and how they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.screen import complain, print_json, print_table, printable, warn

if TYPE_CHECKING:
    from bench.device import AdbPhone, Seen
    from bench.records import Cluster, Device, Doubt

LOAD_S = 0.5  # long enough for the kernel's 10 ms ticks to tell a tenth of a core


def add_to(app: typer.Typer) -> None:
    """Add the verb, with those below it."""
    group = typer.Typer(invoke_without_command=True, callback=devices)
    group.command("connect")(connect)
    group.command("pair")(pair)
    app.add_typer(group, name="devices")


def devices(
    context: typer.Context,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Also say what would disturb a measurement, and what to do."),
    ] = False,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="Put back settings that a killed bench left changed, and free phones that it"
            " held, whoever's it was.",
        ),
    ] = False,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Restore, and remove all that bench put on the phones."),
    ] = False,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERIAL",
            help="Only this phone; HOST:PORT/SERIAL names one on another adb server. Repeatable.",
        ),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT", help="Also ask this adb server for its phones. Repeatable."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the connected phones, what they say of themselves, and what would run on them.

    Phones that can't be used are listed with the reason. Example: bench devices --fit
    """
    if context.invoked_subcommand is not None:
        return
    names = device or []
    if restore or clean:
        _restore(names, server or [], clean, json)
        return
    seen = _survey(names, server or [], fit)
    if json:
        print_json(_flat(one, fit) for one in seen)
    else:
        _print(seen, fit)
    for one in seen:
        for sentence in one.restored:
            warn(f"{one.serials[0]}: {sentence}")
        if one.trouble is not None:
            complain(one.trouble)
    if all(one.device is None for one in seen):
        raise typer.Exit(1)


def connect(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where the phone listens.")],
) -> None:
    """Connect to a phone over the network.

    The address stands on the phone under Developer options, Wireless debugging. A computer that
    the phone doesn't know yet is paired first. Example: bench devices connect 192.168.1.7:41231
    """
    from bench.device import default_server

    default_server().connect_tcp(address)
    print(f"Connected to {printable(address)}.")


def pair(
    address: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="As the pairing dialog shows it.")
    ],
    code: Annotated[str, typer.Argument(metavar="CODE", help="The six digits in the dialog.")],
) -> None:
    """Make a phone trust this computer over the network (Android 11 and later).

    On the phone: Developer options, Wireless debugging, Pair device with pairing code. The port
    to connect to afterwards is another one. Example: bench devices pair 192.168.1.7:37041 123456
    """
    from bench.device import default_server

    print(default_server().pair(address, code))


def _survey(names: Sequence[str], servers: Sequence[str], fit: bool) -> list[Seen]:
    from bench.device import parse_server, parse_target, survey
    from bench.device.adb import no_phone

    targets = [parse_target(name) for name in names]
    asked = [target.server for target in targets] if targets else [None]
    asked += [parse_server(text) for text in servers]
    wanted = [str(target) for target in targets]
    seen = survey(list(dict.fromkeys(asked)), serials=wanted, load_s=LOAD_S if fit else 0.0)
    if not seen:
        raise no_phone()
    return seen


def _restore(names: Sequence[str], servers: Sequence[str], clean: bool, json: bool) -> None:
    from bench import device
    from bench.errors import BenchError

    failed = False
    rows = []
    for one in _survey(names, servers, fit=False):
        try:
            if one.trouble is not None:
                raise one.trouble
            phone = device.connect_target(one.serials[0])
            done = [*one.restored, *_restored(phone, clean)]
        except BenchError as error:
            complain(error)
            failed = True
            continue
        rows.append({"serial": one.serials[0], "done": done})
        for sentence in () if json else done or ["nothing was left to restore"]:
            print(f"{printable(one.serials[0])}: {printable(sentence)}")
    if json:
        print_json(rows)
    if failed:
        raise typer.Exit(1)


def _restored(phone: AdbPhone, clean: bool) -> tuple[str, ...]:
    from bench import device

    if clean:
        with device.held(phone):  # DeviceBusy while somebody else works with it
            return device.clean(phone)
    return (*device.break_hold(phone), *device.restore_leftovers(phone, by_force=True))


def _flat(one: Seen, fit: bool) -> dict[str, Any]:
    """One object with every field of Device and DeviceState, null where nothing is told."""
    from bench.records import Device, DeviceState, to_plain

    row: dict[str, Any] = dict.fromkeys((*Device.__struct_fields__, *DeviceState.__struct_fields__))
    row |= {} if one.device is None else to_plain(one.device)
    row |= {} if one.state is None else to_plain(one.state)
    row |= {"serial": one.serials[0], "serials": one.serials, "root": one.root}
    row |= _runner(one.device)
    row["trouble"] = None if one.trouble is None else one.trouble.what
    row["cure"] = None if one.trouble is None else one.trouble.next_step
    if fit:
        load = one.load
        row["busy_cores"] = None if load is None else load.busy_cores
        row["busiest"] = [] if load is None else [list(process) for process in load.top]
        row["findings"] = [to_plain(doubt) for doubt in _findings(one)]
    return row


def _runner(device: Device | None) -> dict[str, str | None]:
    """What would be started on a phone, or why nothing can be."""
    from bench import runtime
    from bench.errors import RuntimeMissing

    told: dict[str, str | None] = dict.fromkeys(
        ("runner", "runner_abi", "library_version", "library_source", "runner_trouble")
    )
    if device is None:
        return told
    try:
        found = runtime.find(device.abis, device.libc)
    except RuntimeMissing as error:
        told["runner_trouble"] = str(error)
    else:
        told |= {"runner": "own", "runner_abi": found.abi}
        told |= {"library_version": found.library_version, "library_source": found.library_source}
        return told
    try:
        tool = runtime.find_benchmark_model(device.abis, device.libc)
    except RuntimeMissing:
        return told
    return told | {"runner": "benchmark_model", "runner_abi": tool.abi}


def _findings(one: Seen) -> tuple[Doubt, ...]:
    from bench.device import fitness

    if one.device is None or one.state is None:
        return ()
    return fitness(one.device, one.state, one.load)


def _print(seen: Sequence[Seen], fit: bool) -> None:
    print_table(
        ("serial", "device", "Android", "SoC", "ABI", "cores (GHz)", "memory (MB)", "battery",
         "thermal", "root", "runner"),
        [_row(one) for one in seen],
    )  # fmt: skip
    for one in seen if fit else ():
        if one.device is None:
            continue
        findings = _findings(one)
        print(f"\n{printable(one.serials[0])}: {_fitness_in_short(findings)}")
        for doubt in findings:
            print(printable(f"  {doubt.kind}: {doubt.message}. Cure: {doubt.cure}."))


def _row(one: Seen) -> tuple[object, ...]:
    from bench.records import device_title

    serials = " = ".join(one.serials)
    device, state = one.device, one.state
    if device is None or state is None:
        return (serials, "can't be used: see below", *(None,) * 9)
    runner = _runner(device)
    battery = None if state.battery_level is None else f"{state.battery_level} %"
    if battery is not None and state.battery_temp_c is not None:
        battery += f", {state.battery_temp_c:.0f} °C"
    return (
        serials,
        device_title(device),
        device.android_release,
        device.soc,
        ", ".join(device.abis) or None,
        _cores(device.cores, device.clusters),
        None if device.mem_total_kb is None else device.mem_total_kb // 1024,
        battery,
        state.thermal_status,
        one.root,
        " ".join(filter(None, (runner["runner"], runner["library_source"]))) or "none",
    )


def _cores(cores: int | None, clusters: Sequence[Cluster]) -> str | None:
    """ "4 x 1.80 + 4 x 2.80"; only the number where the phone tells no clusters."""
    told = [(len(cluster.cpus), cluster.max_khz) for cluster in clusters]
    if not told or sum(count for count, _ in told) != cores:
        return None if cores is None else str(cores)
    return " + ".join(
        f"{count} x {'?' if khz is None else f'{khz / 1e6:.2f}'}" for count, khz in told
    )


def _fitness_in_short(findings: Sequence[Doubt]) -> str:
    if not findings:
        return "nothing that would disturb a measurement was found"
    return (
        f"{len(findings)} {'thing' if len(findings) == 1 else 'things'} would disturb a measurement"
    )
