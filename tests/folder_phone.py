"""A phone in a folder: its commands run here, under a PATH with only the tools it has."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.device import WORK_DIR, Finished

TOOLS = ("sh", "mkdir", "find", "rm", "chmod", "mv", "cat", "uname", "sha256sum", "md5sum")


class FolderPhone:
    """A `Phone` whose WORK_DIR is a folder of this machine."""

    serial = "FOLDER01"

    def __init__(self, root: Path, tools: Sequence[str] = TOOLS) -> None:
        self.verified: dict[str, str] = {}
        self.work = root / "work"
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        self.runs: list[Sequence[str]] = []
        self.pushes: list[str] = []
        self.on_push: Callable[[Path], None] = lambda path: None
        for tool in tools:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def add_tool(self, name: str, script: str) -> None:
        """A program of the phone, in the words of a shell."""
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def here(self, remote: str) -> Path:
        """Where a path of the phone lies on this machine."""
        assert remote == WORK_DIR or remote.startswith(f"{WORK_DIR}/")
        return Path(remote.replace(WORK_DIR, str(self.work)))

    def run(
        self, argv: Sequence[str], *, deadline_s: float, stdin: bytes | None = None
    ) -> Finished:
        self.runs.append(argv)
        here = [argument.replace(WORK_DIR, str(self.work)) for argument in argv]
        started = time.monotonic()
        done = subprocess.run(
            here,
            input=stdin or b"",
            capture_output=True,
            timeout=deadline_s,
            env={"PATH": str(self.bin)},
            check=False,
        )
        took = time.monotonic() - started
        return Finished(done.returncode, done.stdout, done.stderr, took)

    def push(self, local: Path, remote: str, *, mode: int = 0o644) -> int:
        self.pushes.append(remote)
        path = self.here(remote)
        shutil.copyfile(local, path)
        path.chmod(mode)
        self.on_push(path)
        return local.stat().st_size

    def pull(self, remote: str, local: Path) -> int:
        shutil.copyfile(self.here(remote), local)
        return local.stat().st_size
