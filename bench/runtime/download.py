"""Downloads one file over http or https: bounded, resumable, never trusted before it is checked.

What has come lies in a part file with a note of where it came from beside it; a broken download
goes on from there (Range and If-Range, RFC 9110 section 14), a file that changed starts again.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where told

MAX_BYTES = 256 * 1024 * 1024
SILENCE_S = 30.0  # without a byte
TOTAL_S = 3600.0
TRIES = 4  # in one download, each going on where the one before broke
_CHUNK_BYTES = 64 * 1024


class DownloadError(Exception):
    """Why a file did not come; one clause without a full stop."""


class _BrokenError(DownloadError):
    """The connection ended in the middle."""


class _StartAgainError(DownloadError):
    """What is held can't be gone on with."""


class _Note(msgspec.Struct):
    """Where the bytes of a part file are from."""

    address: str
    validator: str | None  # a strong ETag


def download(
    address: str, part: Path, *, size: int | None, progress: Progress | None = None
) -> tuple[int, bool]:
    """Bring a file into `part`: its size, and whether its beginning is of an earlier download.

    `size` is what is known of it beforehand. Without a size from anybody nothing is accepted, as a
    cut file could not be told from a whole one.
    """
    _check_scheme(address)
    tell = progress or (lambda done, total: None)
    with _locked(part):
        failures: list[DownloadError] = []
        while len(failures) < TRIES:
            try:
                return _bring(address, part, size, tell)
            except _BrokenError as error:
                failures.append(error)
            except _StartAgainError as error:
                discard(part)
                failures.append(error)
    broken = [failure for failure in failures if isinstance(failure, _BrokenError)]
    raise (broken or failures)[-1]  # a server that sent too little also knows no rest of it


def discard(part: Path) -> None:
    """Forget what has come so far."""
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def _bring(address: str, part: Path, size: int | None, progress: Progress) -> tuple[int, bool]:
    held, validator = _resumable(address, part, size)
    if size is not None and held == size:
        return size, True
    with _answer(address, held, validator) as answer:
        if answer.status == 206 and _range_start(answer) == held > 0:
            total = _range_total(answer)
        elif answer.status == 206:
            raise _StartAgainError("the server sent another part of it than was asked for")
        else:
            held, total = 0, _length(answer)
        _check_total(total, size)
        total = total if total is not None else size
        _write_note(part, _Note(address, _strong_etag(answer)))
        done = _copy(answer, part, held, total, progress)
    if total is not None and done < total:
        raise _BrokenError(
            f"the connection broke after {done} of {total} bytes (the next fetch goes on there)"
        )
    return done, held > 0


def _resumable(address: str, part: Path, size: int | None) -> tuple[int, str | None]:
    """How much of a part file can be built upon, and what the server must say it still is.

    A file whose hash is known may go on without a validator: the hash covers the whole.
    """
    try:
        note = msgspec.json.decode(_note_path(part).read_bytes(), type=_Note)
        held = part.stat().st_size
    except (OSError, msgspec.MsgspecError, ValueError):
        return 0, None
    too_much = held > (size if size is not None else MAX_BYTES)
    if note.address != address or too_much or (size is None and note.validator is None):
        discard(part)
        return 0, None
    return held, note.validator


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to http(s) alone, and from https to nothing weaker."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            fp.close()
            raise DownloadError(f"the server redirects to {newurl[:200]!r}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextlib.contextmanager
def _answer(address: str, held: int, validator: str | None) -> Iterator[http.client.HTTPResponse]:
    headers = {"Accept-Encoding": "identity", "User-Agent": "tflite-phone-bench"}
    if held:
        headers["Range"] = f"bytes={held}-"
        if validator is not None:
            headers["If-Range"] = validator
    request = urllib.request.Request(address, headers=headers)  # noqa: S310
    opener = urllib.request.build_opener(_Redirects)
    try:
        with opener.open(request, timeout=SILENCE_S) as answer:
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise DownloadError("the server sent it compressed, which was not asked for")
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        kind = _StartAgainError if held and error.code == 416 else DownloadError
        raise kind(f"the server answered {error.code} {error.reason[:200]}") from error
    except urllib.error.URLError as error:
        raise DownloadError(f"the server can't be reached ({error.reason})") from error
    except TimeoutError as error:
        raise DownloadError(f"the server was silent for {SILENCE_S:.0f} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _BrokenError(f"the connection broke ({error or type(error).__name__})") from error


def _copy(
    answer: http.client.HTTPResponse, part: Path, held: int, total: int | None, progress: Progress
) -> int:
    deadline = time.monotonic() + TOTAL_S
    done = held
    with part.open("r+b" if held else "wb") as file:
        file.seek(held)
        file.truncate()
        progress(done, total)
        while chunk := answer.read1(_CHUNK_BYTES):
            done += len(chunk)
            if done > (total if total is not None else MAX_BYTES):
                raise DownloadError("more bytes came than were announced")
            if time.monotonic() > deadline:
                raise DownloadError(f"it took more than {TOTAL_S:.0f} s")
            file.write(chunk)
            progress(done, total)
        file.flush()
        os.fsync(file.fileno())
    return done


def _check_scheme(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise DownloadError("only http and https addresses are fetched")


def _check_total(total: int | None, size: int | None) -> None:
    if size is not None and total is not None and total != size:
        raise DownloadError(f"{size} bytes were expected, the server has {total}")
    if size is None and total is None:
        raise DownloadError("the server doesn't tell its size, so a cut file could pass for whole")
    if (total or 0) > MAX_BYTES:
        raise DownloadError(f"it is larger ({total} bytes) than any binary of LiteRT")


def _length(answer: http.client.HTTPResponse) -> int | None:
    told = answer.headers.get("Content-Length", "")
    return int(told) if re.fullmatch(r"[0-9]{1,15}", told) else None


def _range_start(answer: http.client.HTTPResponse) -> int | None:
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _range_total(answer: http.client.HTTPResponse) -> int | None:
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return int(found[2]) if found and found[2] != "*" else None


_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)")


def _strong_etag(answer: http.client.HTTPResponse) -> str | None:
    etag: str | None = answer.headers.get("ETag")
    return etag if etag and re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else None


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _write_note(part: Path, note: _Note) -> None:
    _note_path(part).write_bytes(msgspec.json.encode(note))


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[None]:
    """One download into a part file at a time; the lock ends with the process."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.with_name(part.name + ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DownloadError("another bench is fetching it") from error
        yield
