"""The LiteRT libraries that a user added or fetched, one for each Android ABI.

They lie in the user's cache folder: runtime/added/<abi>/ and runtime/fetched/<abi>/, each with
libLiteRt.so and library.json beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from bench.errors import RuntimeMissing, UsageError
from bench.records import Record
from bench.runtime.elf import ElfError, read_elf

LIBRARY = "libLiteRt.so"
BASE_SETTING = "TFLITE_PHONE_BENCH_RUNTIME_BASE"  # a mirror, or a test's local server
_OFFICIAL_BASE = "https://github.com/google-ai-edge/LiteRT/raw/{tag}/litert/prebuilt"
_MAX_LIBRARY_BYTES = 256 * 1024 * 1024
_TIMEOUT_S = 30

Source = Literal["added", "fetched", "wheel"]


@dataclass(frozen=True)
class Pin:
    """An official library that is known by its content."""

    abi: str
    version: str
    platform: str  # its folder in LiteRT's repository
    sha256: str
    size_bytes: int

    @property
    def address(self) -> str:
        """Where it is downloaded from."""
        base = os.environ.get(BASE_SETTING) or _OFFICIAL_BASE.format(tag=f"v{self.version}")
        return f"{base.rstrip('/')}/{self.platform}/{LIBRARY}"


# Sizes and hashes are those of the Git LFS pointers under litert/prebuilt/ at tag v2.2.0 of
# github.com/google-ai-edge/LiteRT (commit 145c7523f, 2026-08-06).
PINS = {
    pin.abi: pin
    for pin in (
        Pin(
            abi="arm64-v8a",
            version="2.2.0",
            platform="android_arm64",
            sha256="a29cb264055a18672afeddc645206e91b0a84fb544dfec32839e3410d356147b",
            size_bytes=5279024,
        ),
        Pin(
            abi="x86_64",
            version="2.2.0",
            platform="android_x86_64",
            sha256="53ea6fb99f31f8757a7e0f47b2fd353afb62fd504cbcb3d8b8289082a1b6a8a1",
            size_bytes=7376368,
        ),
    )
}


class Library(Record, frozen=True, kw_only=True):
    """A LiteRT library on the host."""

    path: str
    abi: str
    sha256: str
    source: Source
    version: str | None = None


def kept(abi: str) -> Library | None:
    """What is at hand for an Android ABI: what the user added, else what was fetched."""
    for source in ("added", "fetched"):
        folder = _folder(source, abi)
        try:
            library = msgspec.json.decode((folder / "library.json").read_bytes(), type=Library)
            content = (folder / LIBRARY).read_bytes()
        except (OSError, msgspec.MsgspecError, ValueError):
            continue
        if hashlib.sha256(content).hexdigest() == library.sha256:
            return msgspec.structs.replace(library, path=str(folder / LIBRARY))
    return None


def add(path: Path | str) -> Path:
    """Keep a libLiteRt.so of the user's own; UsageError when no phone could load it."""
    path = Path(path)
    content = _read(path)
    try:
        elf = read_elf(content)
    except ElfError as error:
        raise UsageError(
            f"{str(path)!r} is no library for a phone.", next_step=error.what
        ) from error
    if elf.interpreter is not None or not elf.position_independent:
        raise UsageError(f"{str(path)!r} is a program, not a library.")
    if elf.libc != "bionic":
        raise UsageError(
            f"{str(path)!r} is not a library for Android: it needs {', '.join(elf.needed[:8])}.",
            next_step="Take the libLiteRt.so from LiteRT's Android builds, not from a Linux wheel.",
        )
    if b"LiteRtCreateEnvironment\0" not in content:
        raise UsageError(
            f"{str(path)!r} is not LiteRT 2: it has no LiteRtCreateEnvironment.",
            next_step="bench needs libLiteRt.so of LiteRT 2.1.6 or newer.",
        )
    return _keep(content, elf.abi, "added", _known_version(content))


def fetch(abi: str) -> Path:
    """Download LiteRT for an Android ABI from its official address, checked by hash."""
    pin = PINS.get(abi)
    if pin is None:
        raise UsageError(
            f"There is no official LiteRT for {abi!r} that bench has a runner for.",
            next_step=f"Known are: {', '.join(PINS)}.",
        )
    content = _download(pin)
    return _keep(content, abi, "fetched", pin.version)


def missing(abi: str) -> RuntimeMissing:
    """What to tell a user whose phone's library is not at hand."""
    pin = PINS.get(abi)
    if pin is None:
        return RuntimeMissing(
            f"No LiteRT library for {abi} is at hand.",
            next_step="Add one of your own: bench runtime add FILE",
        )
    return RuntimeMissing(
        f"No LiteRT library for {abi} (Android) is at hand.",
        next_step=f"Get it with: bench runtime fetch {abi}. Or download {pin.address} "
        f"(sha256 {pin.sha256}) and keep it with: bench runtime add FILE",
    )


def cache_folder() -> Path:
    """Where libraries are kept between sweeps."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tflite-phone-bench" / "runtime"


def _folder(source: Source, abi: str) -> Path:
    return cache_folder() / source / abi


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_LIBRARY_BYTES:
            raise UsageError(f"{str(path)!r} is too large to be a LiteRT library.")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{str(path)!r} can't be read: {error.strerror}.") from error


def _known_version(content: bytes) -> str | None:
    digest = hashlib.sha256(content).hexdigest()
    return next((pin.version for pin in PINS.values() if pin.sha256 == digest), None)


def _keep(content: bytes, abi: str, source: Source, version: str | None) -> Path:
    folder = _folder(source, abi)
    library = Library(
        path=str(folder / LIBRARY),
        abi=abi,
        sha256=hashlib.sha256(content).hexdigest(),
        source=source,
        version=version,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put(folder / LIBRARY, content)
        _put(folder / "library.json", msgspec.json.encode(library))
    except OSError as error:
        raise UsageError(f"{str(folder)!r} can't be written: {error.strerror}.") from error
    return folder / LIBRARY


def _put(path: Path, content: bytes) -> None:
    """Written as a whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _download(pin: Pin) -> bytes:
    """The pinned bytes and no others; RuntimeMissing otherwise."""
    if urlsplit(pin.address).scheme not in ("http", "https"):
        raise UsageError(f"{BASE_SETTING} must be an http or https address, not {pin.address!r}.")
    with _explained(pin), urllib.request.urlopen(pin.address, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        content: bytes = answer.read(pin.size_bytes + 1)
    if len(content) != pin.size_bytes:
        more = "more" if len(content) > pin.size_bytes else f"only {len(content)}"
        raise _not_fetched(pin, f"{pin.size_bytes} bytes were expected, {more} came")
    digest = hashlib.sha256(content).hexdigest()
    if digest != pin.sha256:
        raise _not_fetched(pin, f"its sha256 is {digest}, expected {pin.sha256}")
    return content


@contextlib.contextmanager
def _explained(pin: Pin) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _not_fetched(pin, f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _not_fetched(pin, f"the server can't be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _not_fetched(pin, f"the connection broke ({error})") from error


def _not_fetched(pin: Pin, why: str) -> RuntimeMissing:
    return RuntimeMissing(
        f"{pin.address} was not fetched: {why}.",
        next_step=f"Download it by other means (sha256 {pin.sha256}) and keep it with: "
        f"bench runtime add FILE. A mirror can be named in {BASE_SETTING}.",
    )
