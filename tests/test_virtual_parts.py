"""The virtual phone's parts that need no phone: packets, profiles, files, paths."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bench import virtual
from bench.errors import UsageError
from bench.virtual import faults, folder, profile, protocol, shell, tree
from bench.virtual.daemon import bind, refused_port
from bench.virtual.profile import Profile


def test_a_header_comes_back_as_it_was_packed() -> None:
    packed = protocol.pack_header(protocol.WRTE, 3, 9, b"12345")
    assert protocol.unpack_header(packed) == protocol.Header(protocol.WRTE, 3, 9, 5)


def test_a_header_with_a_wrong_inverse_is_no_packet() -> None:
    packed = bytearray(protocol.pack_header(protocol.OKAY, 1, 2))
    packed[-1] ^= 1
    with pytest.raises(protocol.ProtocolError, match="inverse"):
        protocol.unpack_header(bytes(packed))


def test_a_header_that_announces_too_much_is_no_packet() -> None:
    packed = protocol.HEADER.pack(protocol.WRTE, 1, 2, 1 << 30, 0, protocol.WRTE ^ 0xFFFF_FFFF)
    with pytest.raises(protocol.ProtocolError, match="more than the agreed"):
        protocol.unpack_header(packed)


def test_a_terminal_that_closes_loses_nothing_to_a_host_that_reads_slowly() -> None:
    ours, theirs = os.openpty()
    sent = []

    async def slowly(data: bytes) -> None:
        if not sent:
            os.write(theirs, b"two")
            await asyncio.sleep(0.02)  # until it has been read
            os.close(theirs)
            await asyncio.sleep(0.02)
        sent.append(data)

    os.write(theirs, b"one")
    with os.fdopen(ours, "rb", 0) as terminal:
        asyncio.run(shell._pump(terminal, slowly, []))
    assert b"".join(sent) == b"onetwo"


def test_only_the_handshake_carries_checksums() -> None:
    def checksum(packed: bytes) -> int:
        return protocol.HEADER.unpack(packed)[4]

    assert checksum(protocol.pack_header(protocol.CNXN, 0, 0, b"ab")) == ord("a") + ord("b")
    assert checksum(protocol.pack_header(protocol.WRTE, 0, 0, b"ab")) == 0


def test_a_separator_in_a_property_does_not_break_the_banner() -> None:
    banner = protocol.banner({"ro.product.model": "a;features=x"}, ("cmd",))
    assert banner.count(b";features=") == 1
    assert banner.endswith(b";features=cmd")


def properties(chosen: Profile, name: str, fidelity: tree.Fidelity = "full") -> dict[str, str]:
    return tree.properties(
        chosen, name=name, serialno="V1", fidelity=fidelity, abi="arm64-v8a", emulated=True
    )


@pytest.mark.parametrize("name", virtual.profiles())
def test_every_profile_says_virtual_and_has_the_files_that_hosts_read(name: str) -> None:
    chosen = profile.load(name)
    props = properties(chosen, name)
    files = tree.entries(chosen, props)
    assert "irtual" in props["ro.product.model"]
    cpus = [cpu for cluster in chosen.cpu.clusters for cpu in cluster.cpus]
    assert sorted(cpus) == list(range(len(cpus)))
    for needed in (
        "sys/devices/system/cpu/possible",
        "sys/devices/system/cpu/cpu0/cpufreq",
        "sys/class/thermal/thermal_zone0/temp",
        f"{tree.DUMPS}/battery",
        f"{tree.DUMPS}/thermalservice",
        f"{tree.DUMPS}/power",
        f"{tree.DUMPS}/meminfo",
    ):
        assert needed in files, needed


def test_the_three_profiles_are_three_makers_phones() -> None:
    loaded = [profile.load(name) for name in virtual.profiles()]
    assert len({p.properties["ro.product.manufacturer"] for p in loaded}) == 3
    assert len({p.cpu.governor for p in loaded}) == 3
    assert all("\n" in p.properties["persist.sys.boot.reason.history"] for p in loaded)


def test_a_profile_cannot_hide_that_the_phone_is_virtual() -> None:
    chosen = profile.load("small")
    chosen.properties.update({"ro.bench.virtual": "0", "ro.bench.virtual.fidelity": "real"})
    props = properties(chosen, "small", fidelity="reduced")
    assert props["ro.bench.virtual"] == "1"
    assert props["ro.bench.virtual.fidelity"] == "reduced"
    assert props["ro.bench.virtual.libc"] == "glibc"
    assert props["ro.bench.virtual.emulated"] == "1"


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="flagship, midrange, small"):
        virtual.up("nexus")


@pytest.mark.parametrize("text", ["name = 3", "x = 1", "name = 'a'", "[["])
def test_a_wrong_profile_is_an_error_that_names_the_file(text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.toml"):
        profile.parse(text, source="mine.toml")


def test_on_arm_the_cores_keep_the_hosts_identity() -> None:
    cpu = profile.load("flagship").cpu
    host = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x61\nCPU part\t: 0x022\n"
    text = tree.cpuinfo(cpu, host)
    assert text.count("CPU part\t: 0x022") == 9
    assert "0xd4e" not in text
    assert "0xd4e" in tree.cpuinfo(cpu, "processor\t: 0\nvendor_id\t: GenuineIntel\n")


@pytest.mark.parametrize(
    ("numbers", "text"), [([0], "0"), ([0, 1, 2, 4], "0-2,4"), ([8, 0, 1], "0-1,8")]
)
def test_cpu_lists_are_written_as_the_kernel_writes_them(numbers: list[int], text: str) -> None:
    assert tree.ranges(numbers) == text


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("shell:ls", shell.Request("ls", framed=False, terminal=None)),
        ("shell:", shell.Request("", framed=False, terminal="dumb")),
        ("exec:cat a:b", shell.Request("cat a:b", framed=False, terminal=None)),
        ("shell,v2,raw:id", shell.Request("id", framed=True, terminal=None)),
        ("shell,v2,TERM=xterm,pty:", shell.Request("", framed=True, terminal="xterm")),
        ("shell,v2,TERM=a b,pty:", shell.Request("", framed=True, terminal="dumb")),
        ("sync:", None),
        ("shell", None),
    ],
)
def test_a_shell_service_is_taken_apart(name: str, request_: shell.Request | None) -> None:
    assert shell.parse_request(name, profile.FEATURES) == request_


def test_an_old_phone_does_not_know_the_new_shell() -> None:
    assert shell.parse_request("shell,v2,raw:id", ("cmd",)) is None
    assert shell.parse_request("shell:id", ("cmd",)) is not None


@pytest.mark.parametrize("port", [80, 5037, 5555, 5585, 70000])
def test_ports_that_adb_or_the_system_need_are_refused(port: int) -> None:
    assert refused_port(port)
    with pytest.raises(UsageError):
        bind(port)


def test_a_port_in_use_is_refused_and_another_is_found() -> None:
    first, kept = bind(None)
    with first, kept:
        taken = first.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {taken}"):
            bind(taken)
        second, also_kept = bind(None)
        with second, also_kept:
            assert second.getsockname()[1] != taken
        first.close()  # as while a phone is away
        with pytest.raises(UsageError, match="away for the moment"):
            bind(taken)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("fire", {}, "no fault 'fire'"),
        ("heat", {"status": 7}, "a whole number from 0 to 6, not 7"),
        ("drop", {"after": 3}, "takes after_bytes"),
        ("drop", {"after_bytes": -1}, "whole number"),
        ("drop", {"after_bytes": "9"}, "whole number"),
        ("gone", {"for_ms": 10**400}, "whole number"),
        ("offline", {"x": 1}, "takes no arguments"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    kind: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        faults.check(kind, arguments)


@pytest.fixture
def reduced(tmp_path: Path) -> folder.FolderWorld:
    return folder.create(str(tmp_path), {}, {}, disk_mb=1)


@pytest.mark.parametrize(
    ("command", "rewritten"),
    [
        ("ls /data/local/tmp", "ls @/data/local/tmp"),
        ("x --model=/data/a '/data/b' \"/data\"", "x --model=@/data/a '@/data/b' \"@/data\""),
        ("/system/bin/sh -c id;/system/bin/id", "@/system/bin/sh -c id;@/system/bin/id"),
        ("cat /proc/cpuinfo /proc/version", f"cat @/{tree.CPUINFO} /proc/version"),
        ("cat /sys/x>/data/y", "cat @/sys/x>@/data/y"),
        ("echo my/data /database ~/data ../data", "echo my/data /database ~/data ../data"),
    ],
)
def test_paths_of_the_phone_are_rewritten_in_a_command_and_others_are_not(
    reduced: folder.FolderWorld, tmp_path: Path, command: str, rewritten: str
) -> None:
    assert reduced.argv(command)[2] == rewritten.replace("@", str(tmp_path))


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/data/local/tmp/out/etc/passwd",
        "/data/local/tmp/up/up/etc/passwd",
        "/data/local/tmp/round/etc/passwd",
        "/data/local/tmp/file",
    ],
)
def test_no_path_leads_out_of_a_reduced_world(
    reduced: folder.FolderWorld, tmp_path: Path, path: str
) -> None:
    home = tmp_path / "data/local/tmp"
    (home / "out").symlink_to("/")
    (home / "up").symlink_to("../../../../../..")
    (home / "round").symlink_to("round")
    (home / "file").symlink_to("/etc/passwd")
    try:
        place = reduced.locate(path, follow=True)
    except OSError:
        return
    assert os.path.commonpath([tmp_path, Path(place).resolve()]) == str(tmp_path)


def test_a_reduced_world_refuses_a_folder_that_a_shell_would_misread(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unquoted"):
        folder.FolderWorld(str(tmp_path / "a b"), disk_mb=1)
