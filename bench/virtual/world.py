"""What the daemon's services need to know of the phone's world, and what it takes from the host."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from bench.virtual.tree import FOLDERS, Entry, Fidelity, Link

HOST_TOOLS = "system/etc/virtual/host"  # what a script of the same name calls
HOST_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

# What Android's toybox and toolbox offer; the host's own programs stand in where it has them.
_TOOLS = """
awk base64 basename bc bzip2 cat chgrp chmod chown cksum clear cmp comm cp cpio cut date dd df
diff dirname dmesg dos2unix du echo egrep env expand expr fallocate false fgrep file find flock
fmt free fsync getconf grep groups gunzip gzip head hexdump hostname iconv id inotifyd ionice kill
killall ln logname ls lsof lsusb md5sum microcom mkdir mkfifo mktemp more mountpoint mv nc netstat
nice nl nohup nproc od paste patch pgrep pidof pkill pmap printenv printf ps pwd readlink realpath
renice rev rm rmdir sed seq setsid sha1sum sha224sum sha256sum sha384sum sha512sum sleep sort split
stat strings stty sum sync tac tail tar taskset tee test time timeout top touch tr true truncate
tty uname uniq unix2dos unlink usleep uudecode uuencode vi vmstat watch wc which whoami
xargs xxd yes zcat
"""


Lead = Callable[[str], str]  # a command's text with an emulator put in


class World(Protocol):
    """A phone's files and how its commands are started."""

    fidelity: Fidelity
    environment: dict[str, str]
    lead: Lead | None  # where programs of another processor need it

    def argv(self, command: str) -> list[str]:
        """How the phone's shell is started for `command`; "" is an interactive shell."""
        ...

    def locate(self, path: str, *, follow: bool = False) -> str:
        """Where a path of the phone lies for this process.

        `follow`: the caller will follow a link that the path itself may be.
        """
        ...

    def room(self) -> int | None:
        """Bytes that still fit under /data/local/tmp; None: the file system itself says so."""
        ...

    def fill(self, free_bytes: int | None) -> None:
        """Leave only so much of /data/local/tmp free; None: all of its room again."""
        ...

    def rewrite(self, path: str, data: bytes) -> None:
        """Give a file of the phone's own (sensors, dumps) another content."""
        ...


def environment(*, prefix: str, path: str) -> dict[str, str]:
    """The variables that Android's shell has."""
    return {
        "ANDROID_DATA": f"{prefix}/data",
        "ANDROID_ROOT": f"{prefix}/system",
        "HOME": prefix or "/",
        "HOSTNAME": "virtual",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "shell",
        "PATH": path,
        "SHELL": f"{prefix}/system/bin/sh",
        "TMPDIR": f"{prefix}/data/local/tmp",
        "TZ": "UTC",
        "USER": "shell",
    }


def host_tools() -> dict[str, Entry]:
    """Links in /system/bin to programs of the host: Android's own kind where they are installed."""
    applets = _applets()
    found: dict[str, Entry] = {}
    for name in _TOOLS.split():
        target = applets.get(name) or shutil.which(name, path=HOST_PATH)
        if target is not None:
            # `date` has to be called by its name, but by the phone's own script
            folder = HOST_TOOLS if name == "date" else "system/bin"
            found[f"{folder}/{name}"] = Link(target)
    shells = ("mksh-static", "mksh", "sh")
    shell = next((path for name in shells if (path := shutil.which(name, path=HOST_PATH))), None)
    if shell is None:
        raise FileNotFoundError(f"no shell in {HOST_PATH}")
    found["system/bin/sh"] = Link(shell)
    return found


def _applets() -> dict[str, str]:
    found: dict[str, str] = {}
    for program, listing in (("busybox", ["--list"]), ("toybox", [])):
        path = shutil.which(program, path=HOST_PATH)
        if path is None:
            continue
        told = subprocess.run([path, *listing], capture_output=True, text=True, check=False)
        found.update(dict.fromkeys(told.stdout.split(), path))  # toybox last: it is Android's
    return found


def write_tree(root: str, entries: dict[str, Entry], folders: Iterable[str] = ()) -> None:
    """Make the folders and files of a phone below `root`."""
    for folder in (*FOLDERS, *folders):
        Path(root, folder).mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, Link):
            path.symlink_to(entry.target)
        else:
            path.write_bytes(entry.data)
            path.chmod(entry.mode)


def replace(name: str, data: bytes, *, folder_fd: int) -> None:
    """Swap a file's content in one step, so that no reader sees half of it."""
    mode = os.stat(name, dir_fd=folder_fd).st_mode & 0o777
    fresh = f"{name}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=folder_fd), "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
    os.rename(fresh, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
