"""Files put on a phone once, and known there by their content."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import tempfile
from pathlib import Path

from bench.device.parse.text import printable
from bench.device.phone import WORK_DIR, Finished, Phone
from bench.errors import BenchError, DeviceError

_SCRIPT_S = 20.0
_HASH_BYTES_PER_S = 10e6  # a slow phone's sha256sum on slow flash

# Prints "sha256 HEX" or "md5 HEX" of $1, by the best that the phone has (sha256sum since
# Android 8, md5sum since 6, md5 before), "unhashed" without any, and nothing without a file.
_HASH = """
hash_of() {
  [ -f "$1" ] || return 0
  for tool in sha256sum 'toybox sha256sum' md5sum 'toybox md5sum' md5; do
    sum=$($tool "$1" 2>/dev/null) || continue
    case $tool in *sha256sum) echo "sha256 ${sum%% *}" ;; *) echo "md5 ${sum%% *}" ;; esac
    return 0
  done
  echo unhashed
}
hash_of "$1"
"""

# Also takes away the parts that broken pushes left behind, which would fill the phone. A part
# that grows is younger than two minutes: a phone that takes nothing for so long is given up.
_LOOK = """
mkdir -p "${1%/*}" && find "${1%/*}" -name '*.part-*' -mmin +2 -exec rm -f {} + 2>/dev/null
[ -f "$1" ] && chmod "$2" "$1" && touch "$1" # what is used is not taken for old
"""

# Files come with the host's time, by which a phone whose clock is ahead would take them for old.
_MOVE = 'chmod "$2" "$1" && touch "$1" && mv -f "$1" "$3"'


def ensure(phone: Phone, local: Path, sha256: str, remote: str, mode: int = 0o644) -> int:
    """Have the content of `local` at `remote`; the bytes pushed, 0 when it lay there already.

    It is pushed under another name, hashed on the phone and moved into place, so `remote` is
    never a part of a file. What was seen once over this connection is not looked at again.
    """
    _check_remote(remote)
    if phone.verified.get(remote) == sha256:
        return 0
    pushed = 0
    try:
        hash_s = _SCRIPT_S + local.stat().st_size / _HASH_BYTES_PER_S
        look = _script(phone, _LOOK + _HASH, [remote, f"{mode:o}"], hash_s)
        if not _is_content(phone, look.stdout, remote, local, sha256):
            pushed = _push(phone, local, sha256, remote, mode, hash_s)
    except OSError as error:  # of a file here that went away meanwhile
        raise BenchError(f"Can't read {str(local)!r}: {error.strerror}.") from error
    phone.verified[remote] = sha256
    return pushed


def _push(phone: Phone, local: Path, sha256: str, remote: str, mode: int, hash_s: float) -> int:
    part = f"{remote}.part-{secrets.token_hex(4)}"
    try:
        pushed = phone.push(local, part, mode=mode)
        arrived = _script(phone, _HASH, [part], hash_s)
        if not _is_content(phone, arrived.stdout, part, local, sha256):
            raise _arrived_changed(phone, local, sha256)
        moved = _script(phone, _MOVE, [part, f"{mode:o}", remote], _SCRIPT_S)
        if moved.exit_code != 0:
            told = printable((moved.stderr or moved.stdout).decode("utf-8", "replace"))
            raise DeviceError(f"{phone.serial!r} can't put a file at {remote}: {told}.")
    except BaseException:
        with contextlib.suppress(DeviceError):
            phone.run(["rm", "-f", part], deadline_s=5)
        raise
    return pushed


def _is_content(phone: Phone, told: bytes, remote: str, local: Path, sha256: str) -> bool:
    """Whether the file that the phone hashed is the one of that SHA-256."""
    match = re.search(
        rb"^(?:(sha256) ([0-9a-f]{64})|(md5) ([0-9a-f]{32})|unhashed)\s*$", told, re.M
    )
    if match is None:
        return False
    if match[1]:
        return match[2].decode() == sha256
    if match[3]:  # MD5 keeps accidents out; nobody forges files on their own phone
        return match[4].decode() == _hash(local, "md5") and _hash(local, "sha256") == sha256
    with tempfile.TemporaryDirectory() as folder:
        back = Path(folder) / "back"
        phone.pull(remote, back)
        return _hash(back, "sha256") == sha256


def _arrived_changed(phone: Phone, local: Path, sha256: str) -> BenchError:
    if _hash(local, "sha256") != sha256:
        return BenchError(
            f"{str(local)!r} changed while it was pushed.", next_step="Run the command again."
        )
    return DeviceError(
        f"{local.name!r} arrived on {phone.serial!r} with other content.",
        next_step="Run the command again; if it repeats, the cable or the storage is faulty.",
    )


def _script(phone: Phone, text: str, arguments: list[str], deadline_s: float) -> Finished:
    return phone.run(["sh", "-c", text, "sh", *arguments], deadline_s=deadline_s)


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()


def _check_remote(remote: str) -> None:
    inside = remote.removeprefix(f"{WORK_DIR}/")
    if inside == remote or not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", inside, re.ASCII):
        raise ValueError(f"not a plain path under {WORK_DIR}: {remote!r}")
    if ".." in inside.split("/"):
        raise ValueError(f"a path that leaves {WORK_DIR}: {remote!r}")
