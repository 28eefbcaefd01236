"""A phone in a folder: its commands run here, under a PATH with only the tools it has."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.device import WORK_DIR, Finished

HASHES = ("sha256sum", "md5sum")
OTHERS = ("sh", "mkdir", "find", "rm", "chmod", "mv", "cat", "uname", "touch", "sync")
TOOLS = (*OTHERS, *HASHES)

CPU_DIR = "/sys/devices/system/cpu"

# Android's programs for settings. Each call is a step; at the one that `kill-at` names, the
# phone's whole shell is killed, before the step is done or after.
_STEP = """
steps={root}/steps
step() {{
  count=$(($(cat "$steps" 2>/dev/null || echo 0) + 1))
  echo $count >"$steps"
  [ "$1-$count" = "$(cat {root}/kill-at 2>/dev/null)" ] && kill -KILL 0
}}
store={root}/global
"""
_SETTINGS = """
[ "$2" = global ] || exit 255
step before
case $1 in
  get) if [ -f "$store/$3" ]; then cat "$store/$3"; echo; else echo null; fi ;;
  put)
    if [ -f {root}/refuse ]; then
      echo >&2
      echo "Exception occurred while executing 'put':" >&2
      echo "java.lang.SecurityException: no" >&2
      exit 255
    fi
    printf '%s' "$4" >"$store/$3"
    ;;
  delete) rm -f "$store/$3"; echo "Deleted 1 rows" ;;
  list) for file in "$store"/*; do echo "${{file##*/}}=$(cat "$file")"; done ;;
esac
steps={root}/steps-after
step after
exit 0
"""
_CMD = """
step before
case "$1 $2" in
  "power set-fixed-performance-mode-enabled") echo "$3" >{root}/fixed-performance ;;
  "connectivity airplane-mode")
    case $3 in
      enable) echo enabled >{root}/airplane ;;
      disable) echo disabled >{root}/airplane ;;
      *) cat {root}/airplane ;;
    esac
    ;;
  *) echo "cmd: Can't find service: $1" >&2; exit 20 ;;
esac
steps={root}/steps-after
step after
exit 0
"""


# Android's shell is mksh; busybox is that of many custom systems.
SHELLS = [name for name in ("dash", "mksh", "busybox", "bash") if shutil.which(name)]


class FolderPhone:
    """A `Phone` whose WORK_DIR is a folder of this machine."""

    serial = "FOLDER01"

    def __init__(self, root: Path, tools: Sequence[str] = TOOLS, shell: str | None = None) -> None:
        self.verified: dict[str, str] = {}
        self.root = root
        self.cpu = root / "cpu"
        self.work = root / "work"
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        self.runs: list[Sequence[str]] = []
        self.pushes: list[str] = []
        self.on_push: Callable[[Path], None] = lambda path: None
        for tool in tools:
            found = shutil.which((shell or tool) if tool == "sh" else tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def add_tool(self, name: str, script: str) -> None:
        """A program of the phone, in the words of a shell."""
        (self.bin / name).unlink(missing_ok=True)  # a link would lead to this machine's own
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def add_settings(self, **values: str) -> None:
        """Settings, airplane mode and fixed performance, as Android 11 has them."""
        (self.root / "global").mkdir()
        for key, value in values.items():
            (self.root / "global" / key).write_bytes(os.fsencode(value))
        (self.root / "airplane").write_text("disabled\n")
        (self.root / "fixed-performance").write_text("false\n")
        self.add_tool("fsync", "")  # a real one takes long on a busy disk
        for name, script in (("settings", _SETTINGS), ("cmd", _CMD)):
            self.add_tool(name, (_STEP + script).format(root=self.root))

    def count_steps_of(self, *tools: str) -> None:
        """Let the calls of these programs of this machine be steps too."""
        for name in tools:
            # A real sync takes long on a busy disk, and nothing here is kept from a blackout.
            found = "true" if name == "sync" else shutil.which(name)
            script = f'step before\n{found} "$@"\nsteps={{root}}/steps-after\nstep after\nexit 0\n'
            self.add_tool(name, (_STEP + script).format(root=self.root))

    def kill_at(self, step: str | None) -> None:
        """Kill the phone's shell `before-N` or `after-N`, the Nth call of a program of steps."""
        for name in ("steps", "steps-after", "kill-at"):
            (self.root / name).unlink(missing_ok=True)
        if step is not None:
            (self.root / "kill-at").write_text(step)

    def add_governors(self, *governors: str) -> None:
        """A cpufreq policy each."""
        for number, governor in enumerate(governors):
            folder = self.cpu / "cpufreq" / f"policy{number * 4}"
            folder.mkdir(parents=True)
            (folder / "scaling_governor").write_text(f"{governor}\n")

    def snapshot(self) -> dict[str, bytes]:
        """Every setting of the phone."""
        files = [
            *self.root.glob("global/*"),
            *self.root.glob("cpu/cpufreq/*/scaling_governor"),
            *self.root.glob("airplane"),
            *self.root.glob("fixed-performance"),
        ]
        return {str(file.relative_to(self.root)): file.read_bytes() for file in files}

    def here(self, remote: str) -> Path:
        """Where a path of the phone lies on this machine."""
        assert remote == WORK_DIR or remote.startswith(f"{WORK_DIR}/")
        return Path(remote.replace(WORK_DIR, str(self.work)))

    def run(self, argv: Sequence[str], *, deadline_s: float) -> Finished:
        self.runs.append(argv)
        here = [argument.replace(WORK_DIR, str(self.work)) for argument in argv]
        if self.cpu.is_dir():
            here = [argument.replace(CPU_DIR, str(self.cpu)) for argument in here]
        started = time.monotonic()
        done = subprocess.run(
            here,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline_s,
            env={"PATH": str(self.bin)},
            check=False,
            start_new_session=True,  # so that killing the phone's shell is not killing the test
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
