"""What can be set from the phone's shell: settings, properties, power, battery, thermal status.

Each is a file below one folder, which the phone's own scripts (`settings`, `cmd`, `svc`,
`setprop`, `dumpsys battery set`, `input`) read and write, and which commands may write in a
world that is read-only for them otherwise.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bench.virtual.profile import Profile
from bench.virtual.tree import Entry, File
from bench.virtual.world import World

FOLDER = "data/system"
NAMESPACES = ("system", "secure", "global")
FOLDERS = tuple(
    f"{FOLDER}/{name}"
    for name in (
        *(f"settings/{n}" for n in NAMESPACES),
        "properties",
        "power",
        "battery",
        "thermal",
    )
)
# What a phone forgets when it starts anew; settings and properties that begin so are kept.
_AT_BOOT = {"power/fixed_performance": "false", "power/wakefulness": "Awake"}
_KEPT = ("settings/", "properties/persist.")
_MAX_BYTES = 1 << 16  # more than a setting can have


def entries(profile: Profile) -> dict[str, Entry]:
    """The files as they are after the first boot."""
    values = {
        f"settings/{namespace}/{key}": value
        for namespace, settings in profile.settings.items()
        for key, value in settings.items()
    }
    return {
        f"{FOLDER}/{name}": File(f"{value}\n".encode(), 0o644)
        for name, value in {**values, **_AT_BOOT}.items()
    }


def read(world: World) -> dict[str, str]:
    """Everything that is set, by a name such as "settings/global/airplane_mode_on"."""
    found = {}
    for folder in FOLDERS:
        try:
            paths = sorted(Path(world.locate(f"/{folder}")).iterdir())
        except OSError:  # a phone's command may have removed it
            continue
        for path in paths:
            text = _text(path)
            if text is not None:
                found[f"{folder.removeprefix(FOLDER)}/{path.name}".lstrip("/")] = text
    return found


def forget(world: World) -> None:
    """Set everything back that doesn't outlive a boot."""
    for name in read(world):
        if name not in _AT_BOOT and not name.startswith(_KEPT):
            Path(world.locate(f"/{FOLDER}/{name}")).unlink(missing_ok=True)
    for name, value in _AT_BOOT.items():
        Path(world.locate(f"/{FOLDER}/{name}")).write_text(f"{value}\n", "utf-8")


def _text(path: Path) -> str | None:
    """A file's content without the last newline; None for what is no file."""
    try:
        # A phone's command may have put a FIFO or a link here.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        return os.read(fd, _MAX_BYTES).decode("utf-8", "replace").removesuffix("\n")
    finally:
        os.close(fd)
