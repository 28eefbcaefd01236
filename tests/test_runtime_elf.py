"""What an ELF header tells, and that no file breaks the reader."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runners import HOST_ABI, host_binaries
from tiny_elf import MACHINES, tiny_elf

from bench.runtime.elf import Elf, ElfError, exported_names, read_elf
from bench.runtime.examine import RUNNER_NEEDS


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_a_library_tells_its_abi_and_its_c_library(abi: str) -> None:
    elf = read_elf(tiny_elf(abi, needed=("libm.so", "libc.so", "libdl.so")))
    assert elf.abi == abi
    assert elf.bits == (64 if "64" in abi else 32)
    assert elf.libc == "bionic"
    assert elf.soname == "libLiteRt.so"
    assert elf.needed == ("libm.so", "libc.so", "libdl.so")
    assert elf.load_alignment == 16384
    assert elf.position_independent
    assert elf.interpreter is None
    assert not elf.text_relocations


def test_glibc_and_bionic_differ_by_the_name_of_the_library() -> None:
    assert read_elf(tiny_elf(needed=("libc.so.6",))).libc == "glibc"
    assert read_elf(tiny_elf(needed=())).libc is None


def test_a_program_names_its_interpreter() -> None:
    elf = read_elf(tiny_elf(interpreter="/system/bin/linker64", soname=None))
    assert elf.interpreter == "/system/bin/linker64"


@pytest.mark.parametrize("entry", [(22, 0), (30, 4), (30, 12)])
def test_text_relocations_are_seen(entry: tuple[int, int]) -> None:
    assert read_elf(tiny_elf(extra_dynamic=[entry])).text_relocations
    assert not read_elf(tiny_elf(extra_dynamic=[(30, 8)])).text_relocations


def test_real_files_of_this_machine_are_read() -> None:
    library = read_elf(host_binaries().library.read_bytes())
    assert (library.abi, library.libc, library.soname) == (HOST_ABI, "glibc", "libLiteRt.so")
    shell = shutil.which("sh")
    assert shell is not None
    assert read_elf(Path(shell).read_bytes()).interpreter is not None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an ELF file"),
        (b"PK\x03\x04 an .aar", "not an ELF file"),
        (b"\x7fELF", "little-endian ELF file of 32 or 64 bits"),
        (b"\x7fELF\x02\x02" + bytes(60), "little-endian"),
        (tiny_elf(machine=8), "machine 8, which no Android phone has"),
        (tiny_elf()[:64], "cut"),
        (tiny_elf(extra_dynamic=[(1, 10**9)]), "cut"),
        (tiny_elf(extra_dynamic=[(5, 10**9)], needed=(), soname=None), None),
    ],
)
def test_a_file_that_is_no_phone_binary_says_why(data: bytes, words: str | None) -> None:
    if words is None:
        assert isinstance(read_elf(data), Elf)
        return
    with pytest.raises(ElfError, match=words):
        read_elf(data)


def test_a_file_cut_anywhere_is_an_elf_or_an_elf_error() -> None:
    whole = tiny_elf(interpreter="/system/bin/linker64")
    for size in range(len(whole)):
        read_or_fail(whole[:size])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MACHINES)), st.data())
def test_any_damage_is_an_elf_or_an_elf_error(abi: str, data: st.DataObject) -> None:
    damaged = bytearray(tiny_elf(abi))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read_or_fail(bytes(damaged))


@given(st.binary(max_size=300))
def test_any_bytes_are_an_elf_or_an_elf_error(data: bytes) -> None:
    read_or_fail(data)
    read_or_fail(b"\x7fELF\x02\x01" + data)


def test_the_functions_of_a_real_library_are_read() -> None:
    names = exported_names(host_binaries().library.read_bytes())
    assert set(RUNNER_NEEDS) < names
    assert "dlopen" not in names  # needed, not offered


@pytest.mark.parametrize("abi", sorted(MACHINES))
def test_what_a_library_offers_is_read_for_every_processor(abi: str) -> None:
    assert exported_names(tiny_elf(abi, exports=("a", "b"))) == {"a", "b"}
    assert exported_names(tiny_elf(abi, exports=())) == frozenset()


def read_or_fail(data: bytes) -> None:
    with contextlib.suppress(ElfError):
        assert all(isinstance(name, str) for name in exported_names(data))
    try:
        elf = read_elf(data)
    except ElfError:
        return
    assert elf.abi in MACHINES
    assert sys.getsizeof(elf.needed) < 100_000
