"""The reduced world: a plain folder, for hosts that forbid namespaces.

The phone's paths in a command's text are rewritten to the folder's; paths that a pushed script
or program names by itself are the host's. Commands are the host's own processes.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from bench.virtual import settings
from bench.virtual.tree import BOOT_ID, CPUINFO, HOME, MEMINFO, UPTIME, Entry, Fidelity
from bench.virtual.world import HOST_PATH, Lead, environment, replace, write_tree

_MOVED = {
    "/proc/cpuinfo": f"/{CPUINFO}",
    "/proc/meminfo": f"/{MEMINFO}",
    "/proc/uptime": f"/{UPTIME}",
    "/proc/sys/kernel/random/boot_id": f"/{BOOT_ID}",
}
_PREFIXES = ("/data", "/system", "/vendor", "/sys", *_MOVED)
_PATH_IN_TEXT = re.compile(
    # not in the middle of another path or word; whole names only
    r"(?<![\w./~\-}])(" + "|".join(map(re.escape, _PREFIXES)) + r")(?![\w.\-])"
)
SAFE_FOLDER = re.compile(r"[A-Za-z0-9_./-]+")
_MAX_LINKS = 40  # as the kernel's own limit, path_resolution(7)


class FolderWorld:
    """The world below one folder of the host."""

    fidelity: Fidelity = "reduced"

    def __init__(self, root: str, *, disk_mb: int) -> None:
        if not SAFE_FOLDER.fullmatch(root):
            raise ValueError(f"{root!r} can't stand unquoted in a shell command")
        path = f"{root}/system/bin:{HOST_PATH}"
        self.environment = environment(prefix=root, path=path)
        self.lead: Lead | None = None
        self._root = root
        self._disk_bytes = disk_mb << 20
        self._ballast_bytes = 0  # that a fault has taken

    def argv(self, command: str) -> list[str]:
        shell = f"{self._root}/system/bin/sh"
        command = self._rewritten(command)
        command = command if self.lead is None else self.lead(command)
        return [shell, *(["-c", command] if command else [])]

    def _rewritten(self, command: str) -> str:
        return _PATH_IN_TEXT.sub(lambda hit: self._root + _MOVED.get(hit[1], hit[1]), command)

    def locate(self, path: str, *, follow: bool = False) -> str:
        """The path below the folder, with the phone's links followed inside it, as chroot does."""
        if "\0" in path:
            raise ValueError("a path can't hold a NUL")
        todo = [part for part in path.split("/") if part not in ("", ".")]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                del done[-1:]
                continue
            here = "/".join([self._root, *done, part])
            if not (todo or follow) or not os.path.islink(here):  # noqa: PTH114 - `..` matters
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = os.readlink(here)  # noqa: PTH115
            if target.startswith("/"):
                done = []
                target = target.removeprefix(self._root)
            todo = [name for name in target.split("/") if name not in ("", ".")] + todo
        moved = _MOVED.get("/" + "/".join(done))
        return self._root + moved if moved else "/".join([self._root, *done])

    def room(self) -> int:
        used = 0
        for folder, _, files in os.walk(f"{self._root}/{HOME}"):
            for name in files:
                try:
                    used += os.lstat(f"{folder}/{name}").st_size
                except OSError:  # removed by a command while we count
                    continue
        return max(0, self._disk_bytes - self._ballast_bytes - used)

    def fill(self, free_bytes: int | None) -> None:
        self._ballast_bytes = 0
        if free_bytes is not None:
            self._ballast_bytes = max(0, self.room() - free_bytes)

    def rewrite(self, path: str, data: bytes) -> None:
        target = Path(self.locate(path))
        folder_fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            replace(target.name, data, folder_fd=folder_fd)
        finally:
            os.close(folder_fd)


def create(
    root: str, entries: dict[str, Entry], set_entries: dict[str, Entry], *, disk_mb: int
) -> FolderWorld:
    """Fill the folder and wrap it; it is the caller's to remove."""
    world = FolderWorld(root, disk_mb=disk_mb)
    write_tree(root, {**entries, **set_entries}, settings.FOLDERS)
    return world
