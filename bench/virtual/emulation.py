"""Programs for another processor than the host's: aarch64 ones on x86_64, by qemu-user.

They have to be started by their bare path, as on a phone. The first of three ways that works:

- The phone's own binfmt_misc: Linux 6.7 and newer has one for each user namespace.
- The host's binfmt_misc, where somebody has registered qemu.
- The text of a command: qemu is put before a program that is named by its absolute path.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.virtual import linux
from bench.virtual.tree import CPUINFO, Entry, Link
from bench.virtual.world import HOST_PATH

ABIS = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}
PACKAGES = "qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross"

_EMULATED = "arm64-v8a"
_QEMU_NAMES = ("qemu-aarch64-static", "qemu-aarch64")
_LIBRARIES = "/usr/aarch64-linux-gnu/lib"  # where Debian's cross packages put them
_NEEDED = ("ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1")

# Before a path that a program opens, qemu tries it below this folder; Debian's qemu is built
# with this very path, others are told it by the environment.
_PREFIX = "etc/qemu-binfmt/aarch64"

# An ELF header of a 64-bit little-endian program or library of machine 183, aarch64; the
# eighth byte, the operating system, may be anything. As qemu's own registration has it.
_MAGIC = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
_MASK = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"

_PROGRAM_IN_TEXT = re.compile(
    r"(?P<before>(?:^|[;&|(\n]|\b(?:exec|nohup|setsid)\b|\b(?:taskset|timeout|nice)\s+\S+|\b\w+=\S*)\s*)"
    r"(?P<path>/[\w./+-]+)(?=[\s;&|)]|$)"
)


@dataclass(frozen=True)
class Emulator:
    """A qemu with the libraries that its programs need."""

    abi: str
    qemu: str
    libraries: str
    cpu: str | None = None  # in qemu's words; None: the one that it plays by itself

    def entries(self, root: str = "") -> dict[str, Entry]:
        """The folder that qemu looks into first."""
        return {
            f"{_PREFIX}/lib": Link(self.libraries),
            # LiteRT reads it, and crashes on the text of another processor.
            f"{_PREFIX}/proc/cpuinfo": Link(f"{root}/{CPUINFO}"),
        }

    def environment(self, root: str = "") -> dict[str, str]:
        cpu = {} if self.cpu is None else {"QEMU_CPU": self.cpu}
        return {"QEMU_LD_PREFIX": f"{root}/{_PREFIX}", **cpu}

    def put_before_programs(self, command: str) -> str:
        """The command with qemu before each aarch64 program that it starts by absolute path."""

        def lead(hit: re.Match[str]) -> str:
            emulated = is_aarch64(hit["path"])
            return f"{hit['before']}{self.qemu} {hit['path']}" if emulated else hit[0]

        return _PROGRAM_IN_TEXT.sub(lead, command)


def choose(
    abi: str | None,
    *,
    machine: str = platform.machine(),
    path: str = HOST_PATH,
    libraries: str = _LIBRARIES,
) -> Emulator | None:
    """What it takes to run programs of `abi` here; None when the host does it by itself."""
    own = ABIS.get(machine, machine)
    if abi is None or abi == own:
        return None
    if (machine, abi) != ("x86_64", _EMULATED):
        known = own if machine != "x86_64" else f"{own} or {_EMULATED}"
        raise UsageError(f"A virtual phone on this computer is {known}, not {abi}.")
    qemu = next((found for name in _QEMU_NAMES if (found := shutil.which(name, path=path))), None)
    lacking = [] if qemu else [_QEMU_NAMES[0]]
    lacking += [f"{libraries}/{name}" for name in _NEEDED if not Path(libraries, name).exists()]
    if qemu is None or lacking:
        raise UsageError(
            f"A virtual phone of {abi} needs what this computer lacks: {', '.join(lacking)}.",
            next_step=f"On Debian and Ubuntu: apt install {PACKAGES}",
        )
    return Emulator(abi, qemu, libraries, _cpu_that_computes_right(qemu))


def _cpu_that_computes_right(qemu: str) -> str | None:
    """XNNPACK's int8 outputs are noise under the matrix instructions (SME) of qemu 7.2.

    7.1 is the first that has them, and the first that can be told to leave them out.
    """
    told = subprocess.run(
        [qemu, "--version"], capture_output=True, text=True, errors="replace", check=False
    )
    version = re.search(r"version (\d+)\.(\d+)", told.stdout)
    has_them = version is not None and (int(version[1]), int(version[2])) >= (7, 1)
    return "max,sme=off" if has_them else None


def abi_of_host() -> str:
    """The ABI of the host's own programs, as Android spells it."""
    return ABIS.get(platform.machine(), platform.machine())


def register(emulator: Emulator, mount_point: str) -> int:
    """Have the kernel start aarch64 programs in this user namespace, and those below it.

    For a process that is user 0 of its user namespace. The registration holds as long as the
    descriptor that is returned. OSError: this kernel can't.
    """
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("none", mount_point, "binfmt_misc")
    held = os.open(f"{mount_point}/status", os.O_RDONLY)
    try:
        escaped = [b"".join(b"\\x%02x" % byte for byte in text) for text in (_MAGIC, _MASK)]
        # F: the kernel opens qemu now, so that it need not be found in the phone
        line = b":".join([b"", b"bench-aarch64", b"M", b"", *escaped, emulator.qemu.encode(), b"F"])
        Path(mount_point, "register").write_bytes(line)
    except OSError:
        os.close(held)
        raise
    return held


def is_aarch64(path: str) -> bool:
    """Whether a file is a program of 64-bit ARM."""
    try:
        # a FIFO must not stop the daemon
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            head = file.read(len(_MAGIC))
    except OSError:
        return False
    masked = bytes(byte & mask for byte, mask in zip(head, _MASK, strict=False))
    return masked == _MAGIC


def starts_by_itself(folder: str) -> bool:
    """Whether an aarch64 program in `folder` can be started as it is."""
    probe = Path(folder, ".starts-aarch64")
    try:
        probe.write_bytes(_probe())
        probe.chmod(0o700)
        return subprocess.run([str(probe)], check=False).returncode == _PROBE_STATUS
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)


_PROBE_STATUS = 42


def _probe() -> bytes:
    """The smallest aarch64 program: it exits with 42."""
    code = b"".join(
        word.to_bytes(4, "little")
        for word in (
            0x5280_0000 | _PROBE_STATUS << 5,  # mov w0, #42
            0x5280_0BA8,  # mov w8, #93, the system call exit
            0xD400_0001,  # svc #0
        )
    )
    base, header, size = 0x40_0000, 64 + 56, 64 + 56 + len(code)
    ident = _MAGIC[:16] + (2).to_bytes(2, "little") + (183).to_bytes(2, "little")
    fields = [(1, 4), (base + header, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2)]
    fields += [(0, 2), (0, 2), (0, 2)]  # no sections
    fields += [(1, 4), (5, 4), (0, 8), (base, 8), (base, 8), (size, 8), (size, 8), (0x1000, 8)]
    return ident + b"".join(value.to_bytes(width, "little") for value, width in fields) + code
