"""The full world: a phone's tree in a mount namespace of its own, which this process enters.

A tmpfs holds the phone's files; the host's programs and libraries are bound in read-only; the
host's tree is let go by pivot_root, so that no link, no `..` and no descriptor leads back to it.
When the last process of the namespace ends, the kernel removes everything.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bench.virtual import linux, settings
from bench.virtual.emulation import Emulator, register
from bench.virtual.tree import BOOT_ID, CPUINFO, HOME, MEMINFO, UPTIME, Entry, Fidelity, File, Link
from bench.virtual.world import HOST_PATH, Lead, environment, replace, write_tree

SHELL_ID = 2000  # Android's user "shell"
_UNSHARED = linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC

_BASE = "/tmp"  # noqa: S108 - any folder of the host would do: only these namespaces see it
_HOST_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc/alternatives")
_HOST_FILES = ("etc/ld.so.cache",)
_FILL_ATTEMPTS = 20
_DEVICES = ("dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty")
_SHARED = "dev/shm"
_DEVICE_LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "dev/ptmx": "pts/ptmx",
}
_IN_PROC = {
    "proc/cpuinfo": CPUINFO,
    "proc/meminfo": MEMINFO,
    "proc/uptime": UPTIME,
    "proc/sys/kernel/random/boot_id": BOOT_ID,
}


class NamespaceWorld:
    """The world as seen from inside: the phone's paths are the process's own."""

    fidelity: Fidelity = "full"

    def __init__(self, files_fd: int) -> None:
        self.environment = environment(prefix="", path=f"/system/bin:/vendor/bin:{HOST_PATH}")
        self.lead: Lead | None = None
        self._ballast_fd: int | None = None
        self._files_fd = files_fd  # the phone's root again, but writable

    def argv(self, command: str) -> list[str]:
        command = command if self.lead is None else self.lead(command)
        return ["/system/bin/sh", *(["-c", command] if command else [])]

    def locate(self, path: str, *, follow: bool = False) -> str:
        if "\0" in path:
            raise ValueError("a path can't hold a NUL")
        return path if path.startswith("/") else f"/{path}"

    def room(self) -> int | None:
        return None

    def fill(self, free_bytes: int | None) -> None:
        if self._ballast_fd is not None:
            os.close(self._ballast_fd)
            self._ballast_fd = None
        if free_bytes is None:
            return
        # A file without a name, which no command finds and no restart forgets to remove.
        self._ballast_fd = os.open(f"/{HOME}", os.O_TMPFILE | os.O_RDWR, 0o600)
        for _ in range(_FILL_ATTEMPTS):
            disk = os.statvfs(f"/{HOME}")
            spare = disk.f_bavail * disk.f_frsize - free_bytes
            try:
                if spare > 0:
                    os.posix_fallocate(self._ballast_fd, 0, spare)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                continue  # a program of the phone was quicker to take some of it
            return

    def rewrite(self, path: str, data: bytes) -> None:
        name = path.strip("/")
        # A file bound into /proc keeps its inode: it is rewritten in place.
        if name in _IN_PROC:
            fd = os.open(_IN_PROC[name], os.O_WRONLY, dir_fd=self._files_fd)
            try:
                os.pwrite(fd, data, 0)
                os.truncate(fd, len(data))  # after it, so that no reader finds nothing
            finally:
                os.close(fd)
        else:
            replace(name, data, folder_fd=self._files_fd)


def unshare_and_map() -> None:
    """New namespaces, in which this user is Android's shell user. The next child is process 1."""
    _unshare_as(SHELL_ID, _UNSHARED)


def teach_kernel(emulator: Emulator) -> None:
    """Have the kernel start the emulator's programs in what this process unshares later.

    OSError where it can't; then nothing has changed but that there is one namespace more.
    """
    _unshare_as(0, linux.CLONE_NEWUSER | linux.CLONE_NEWNS)  # only user 0 may register
    register(emulator, _BASE)  # held by this process's descriptor, and by its children's


def _unshare_as(shown: int, what: int) -> None:
    user, group = os.geteuid(), os.getegid()
    linux.unshare(what)
    # A lone user may map a group only after giving up setgroups; user_namespaces(7)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{shown} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{shown} {group} 1")


def enter(
    entries: dict[str, Entry], set_entries: dict[str, Entry], *, disk_mb: int
) -> NamespaceWorld:
    """Build the phone's tree and make it the root; all that is imported later must be there now.

    `set_entries` are the files that commands may write.
    """
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    _tmpfs(_BASE, "mode=0755,size=64m")
    root = f"{_BASE}/phone"
    write_tree(
        root, {**entries, **_from_host()}, [*_bound_folders(), "dev/pts", _SHARED, settings.FOLDER]
    )
    Path(root, HOME).parent.chmod(0o751)
    files_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    linux.mount(root, root, flags=linux.MS_BIND)
    _mount_inside(root, disk_mb)
    write_tree(root, set_entries, settings.FOLDERS)
    linux.set_read_only(root)
    linux.pivot_root(root)
    linux.drop_privileges()
    linux.hide_memory()
    return NamespaceWorld(files_fd)


def _mount_inside(root: str, disk_mb: int) -> None:
    for name in _bound_folders():
        linux.bind_read_only(f"/{name}", f"{root}/{name}")
    for name in _devices():
        linux.mount(f"/{name}", f"{root}/{name}", flags=linux.MS_BIND)
        linux.set_read_only(f"{root}/{name}")  # what is written to a device isn't affected
    quiet = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("proc", f"{root}/proc", "proc", quiet)
    for shown, name in _IN_PROC.items():
        linux.mount(f"{root}/{name}", f"{root}/{shown}", flags=linux.MS_BIND)
        linux.set_read_only(f"{root}/{shown}")
    # Where the host's user is root, /proc/sys and the like would be writable without this.
    linux.set_read_only(f"{root}/proc")
    linux.mount("devpts", f"{root}/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620")
    _tmpfs(f"{root}/{_SHARED}", "mode=1777,size=256m")
    _tmpfs(f"{root}/{settings.FOLDER}", "mode=0711,size=4m")
    _tmpfs(f"{root}/{HOME}", f"mode=0771,size={disk_mb}m")


def _tmpfs(target: str, options: str) -> None:
    linux.mount("tmpfs", target, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)


def _bound_folders() -> list[str]:
    return [name for name in _HOST_FOLDERS if _is_real_folder(Path("/", name))]


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _devices() -> list[str]:
    return [name for name in _DEVICES if Path("/", name).exists()]


def _from_host() -> dict[str, Entry]:
    """Links and files that the host's programs need, and empty files to bind devices on."""
    found: dict[str, Entry] = {name: Link(target) for name, target in _DEVICE_LINKS.items()}
    for name in _HOST_FOLDERS:
        if Path("/", name).is_symlink():
            found[name] = Link(str(Path("/", name).readlink()))
    for name in _HOST_FILES:
        if Path("/", name).is_file():
            found[name] = File(Path("/", name).read_bytes())
    return {**found, **{name: File(b"") for name in _devices()}}
