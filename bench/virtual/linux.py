"""The few Linux calls that Python 3.11 lacks, by ctypes. All raise OSError as `os` does."""

from __future__ import annotations

import ctypes
import os
import platform

CLONE_NEWNS = 0x0002_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MS_NOATIME, MS_NODIRATIME, MS_RELATIME = 1024, 2048, 1 << 21
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522
_LAST_CAPABILITY = 63  # the kernel refuses numbers it does not know, which ends the loop
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}  # has no wrapper in the C library

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give this process namespaces of its own."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    done = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(done, f"mount {kind or 'bind'} on {target}")


def bind_read_only(source: str, target: str) -> None:
    """Show `source` at `target`, with the mounts below it, not writable."""
    mount(source, target, flags=MS_BIND | MS_REC)
    set_read_only(target)


def set_read_only(target: str) -> None:
    """Make one mount read-only, keeping the flags that a user namespace may not clear."""
    told = os.statvfs(target).f_flag
    kept = told & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    # statvfs tells relatime by a bit of its own
    kept |= MS_RELATIME if told & 4096 else 0
    mount("", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def unmount(target: str) -> None:
    """Detach a mount at once, even when busy."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def pivot_root(new_root: str) -> None:
    """Make `new_root` the root and let go of the old one: there is no path back to it."""
    number = _PIVOT_ROOT[platform.machine()]
    os.chdir(new_root)
    # "." twice stacks the old root on the new one, from where it is detached; pivot_root(2)
    done = _libc.syscall(ctypes.c_long(number), b".", b".")
    _check(done, f"pivot_root {new_root}")
    unmount(".")
    os.chdir("/")


def drop_privileges() -> None:
    """Give up every capability, now and after any exec."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            break
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing), "capset")


def hide_memory() -> None:
    """Keep this process from being traced or read by others of its user."""
    _prctl(_PR_SET_DUMPABLE, 0)


def set_name(name: str) -> None:
    """How `ps` and `top` call this process."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl PR_SET_NAME")


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send this process a signal when the parent's thread ends."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
