"""The service `sync`: stat, list, send and receive files.

A request is a four-letter word, a length and that many bytes of path. Source: the Android Open
Source Project's packages/modules/adb/SYNC.TXT and file_sync_protocol.h.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

from bench.virtual.connection import Stream
from bench.virtual.world import World

_REQUEST = struct.Struct("<4sI")
_STAT1 = struct.Struct("<4sIII")
_STAT2 = struct.Struct("<4sIQQIIIIQqqq")
_DENT1 = struct.Struct("<4sIIII")
_MAX_PATH = 1024
_MAX_DATA = 1 << 16
_FRAMES_A_WRITE = 15  # 15 frames of 64 KiB and their headers just fit one packet of 1 MiB

# Called with the bytes of file data that arrived; a fault may cut the connection there.
Arrived = Callable[[int], None]


class SyncService:
    """One sync session over one stream."""

    def __init__(
        self, stream: Stream, world: World, features: tuple[str, ...], arrived: Arrived
    ) -> None:
        self._stream = stream
        self._world = world
        self._arrived = arrived
        self._answers: dict[bytes, Callable[[str], Awaitable[None]]] = {
            b"STAT": self._stat1,
            b"LIST": self._list1,
            b"SEND": self._send,
            b"RECV": self._receive,
        }
        if "stat_v2" in features:
            self._answers |= {b"STA2": self._stat2, b"LST2": self._lstat2}
        if "ls_v2" in features:
            self._answers[b"LIS2"] = self._list2

    async def run(self) -> None:
        """Answer requests until QUIT, the end of the stream, or a request that makes no sense."""
        while True:
            word, length = await self._head()
            answer = self._answers.get(word)
            if word == b"QUIT":
                return
            if answer is None or length > _MAX_PATH:
                known = "path too long" if answer else f"unknown command {word.decode('latin-1')}"
                await self._fail(known)
                return
            path = os.fsdecode(await self._stream.read_exactly(length))
            try:
                await answer(path)
            except _Refused as refused:
                await self._fail(refused.reason)
                if refused.drain:
                    await self._drain()
                    return

    async def _head(self) -> tuple[bytes, int]:
        word, length = _REQUEST.unpack(await self._stream.read_exactly(_REQUEST.size))
        return word, length

    async def _fail(self, reason: str) -> None:
        text = reason.encode("utf-8", "surrogateescape")
        await self._stream.write(_REQUEST.pack(b"FAIL", len(text)) + text)

    async def _drain(self) -> None:
        """Swallow what the host still sends, so that it comes to read the FAIL."""
        while True:
            word, length = await self._head()
            if word != b"DATA" or length > _MAX_DATA:
                return
            await self._stream.read_exactly(length)

    async def _stat1(self, path: str) -> None:
        _, told = _stat(self._world, path, follow=False)
        mode, size, mtime = (told.st_mode, told.st_size, int(told.st_mtime)) if told else (0, 0, 0)
        await self._stream.write(_STAT1.pack(b"STAT", mode, size & _U32, mtime & _U32))

    async def _stat2(self, path: str) -> None:
        await self._stream.write(_pack_stat2(b"STA2", *_stat(self._world, path, follow=True)))

    async def _lstat2(self, path: str) -> None:
        await self._stream.write(_pack_stat2(b"LST2", *_stat(self._world, path, follow=False)))

    async def _list1(self, path: str) -> None:
        entries = bytearray()
        for name, (_, told) in self._listing(path):
            if told is not None:
                size, mtime = told.st_size & _U32, int(told.st_mtime) & _U32
                entries += _DENT1.pack(b"DENT", told.st_mode, size, mtime, len(name)) + name
        await self._stream.write(entries + _DENT1.pack(b"DONE", 0, 0, 0, 0))

    async def _list2(self, path: str) -> None:
        entries = bytearray()
        for name, told in self._listing(path):
            entries += _pack_stat2(b"DNT2", *told) + len(name).to_bytes(4, "little") + name
        await self._stream.write(entries + b"DONE" + bytes(_STAT2.size))

    def _listing(self, path: str) -> list[tuple[bytes, _Stat]]:
        try:
            folder = self._world.locate(path, follow=True)
            names = [".", "..", *os.listdir(folder)]  # noqa: PTH208 - names may be no text
        except (OSError, ValueError):
            return []
        return [
            (os.fsencode(name), _stat(self._world, f"{path}/{name}", follow=False))
            for name in names
        ]

    async def _receive(self, path: str) -> None:
        try:
            # without NONBLOCK a FIFO would stop the whole daemon until somebody writes to it
            fd = os.open(self._world.locate(path, follow=True), os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise _Refused(f"open failed: {_reason(error)}") from error
        try:
            while frames := _frames(fd):
                await self._stream.write(frames)
        except OSError as error:
            raise _Refused(f"read failed: {_reason(error)}") from error
        finally:
            os.close(fd)
        await self._stream.write(_REQUEST.pack(b"DONE", 0))

    async def _send(self, request: str) -> None:
        path, comma, mode_text = request.rpartition(",")
        if not comma or not re.fullmatch(r"(?a:\d{1,10})", mode_text):
            raise _Refused("no mode in SEND", drain=True)
        mode = int(mode_text)
        try:
            target = Path(self._world.locate(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink() or target.is_file():
                target.unlink()  # a program that runs keeps its old file
        except (OSError, ValueError) as error:
            raise _Refused(f"couldn't create file: {_reason(error)}", drain=True) from error
        if stat.S_ISLNK(mode):
            await self._send_link(target)
        else:
            await self._send_file(target, _shared_mode(mode))
        await self._stream.write(_REQUEST.pack(b"OKAY", 0))

    async def _send_file(self, target: Path, mode: int) -> None:
        room = self._world.room()
        try:
            file = target.open("xb", buffering=0)
        except OSError as error:
            raise _Refused(f"couldn't create file: {error.strerror}", drain=True) from error
        complete = False
        try:
            with file:
                mtime = await self._copy_in(file, room)
                os.fchmod(file.fileno(), mode)
                os.utime(file.fileno(), (mtime, mtime))
            complete = True
        except OSError as error:
            raise _Refused(f"write failed: {error.strerror}", drain=True) from error
        finally:
            if not complete:
                target.unlink(missing_ok=True)

    async def _copy_in(self, file: BinaryIO, room: int | None) -> int:
        """Write DATA until DONE, whose length is the file's time."""
        written = 0
        while True:
            word, length = await self._head()
            if word == b"DONE":
                return length
            if word != b"DATA" or length > _MAX_DATA:
                raise _Refused("invalid data message")
            data = memoryview(await self._stream.read_exactly(length))
            written += length
            self._arrived(length)
            if room is not None and written > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            while data:
                data = data[file.write(data) :]

    async def _send_link(self, target: Path) -> None:
        link = bytearray()
        while True:
            word, length = await self._head()
            if word == b"DONE":
                break
            if word != b"DATA" or len(link) + length > _MAX_PATH:
                raise _Refused("invalid data message")
            link += await self._stream.read_exactly(length)
        try:
            target.symlink_to(os.fsdecode(bytes(link).rstrip(b"\0")))
        except (OSError, ValueError) as error:
            raise _Refused(f"couldn't create symlink: {_reason(error)}") from error


class _Refused(Exception):
    """A request that fails with a reason for the host; `drain`: the host is still sending."""

    def __init__(self, reason: str, *, drain: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.drain = drain


_U32 = 0xFFFF_FFFF
_Stat = tuple[int, os.stat_result | None]  # errno, or what was found


def _stat(world: World, path: str, *, follow: bool) -> _Stat:
    try:
        place = world.locate(path, follow=follow)
        return 0, os.stat(place, follow_symlinks=follow)  # noqa: PTH116 - "" and ".." as they are
    except ValueError:
        return errno.EINVAL, None
    except OSError as error:
        return error.errno or errno.EIO, None


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _shared_mode(mode: int) -> int:
    """The owner's rights go to group and others as well, as adbd does it."""
    mode |= (mode >> 3) & 0o070
    return (mode | (mode >> 3) & 0o007) & 0o777


def _pack_stat2(word: bytes, code: int, told: os.stat_result | None) -> bytes:
    if told is None:
        return _STAT2.pack(word, code, *[0] * 10)
    return _STAT2.pack(
        word,
        0,
        told.st_dev,
        told.st_ino,
        told.st_mode,
        told.st_nlink,
        told.st_uid,
        told.st_gid,
        told.st_size,
        int(told.st_atime),
        int(told.st_mtime),
        int(told.st_ctime),
    )


def _frames(fd: int) -> bytearray:
    frames = bytearray()
    for _ in range(_FRAMES_A_WRITE):
        data = os.read(fd, _MAX_DATA)
        if not data:
            break
        frames += _REQUEST.pack(b"DATA", len(data)) + data
    return frames
