"""Where the scripts that run on the phone lie on this machine."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError


def device_script(name: str) -> Path:
    """A file of device_scripts/: in a wheel inside the package, in a checkout beside it."""
    package = Path(__file__).parents[1]
    for folder in (package / "device_scripts", package.parent / "device_scripts"):
        if (folder / name).is_file():
            return folder / name
    raise BenchError(
        f"device_scripts/{name} is missing from this installation.", next_step="Install it anew."
    )
