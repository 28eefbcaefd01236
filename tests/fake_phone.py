"""A phone that is a few dictionaries: the engine's tests run whole sweeps on it in no time."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import __version__
from bench.device import Finished

GETPROP = """\
[ro.product.manufacturer]: [Fake]
[ro.product.model]: [{model}]
[ro.product.cpu.abilist]: [x86_64]
[ro.serialno]: [{serial}]
[ro.build.fingerprint]: [{fingerprint}]
[ro.bench.virtual]: [1]
[ro.bench.virtual.libc]: [glibc]
"""
BATTERY = "Current Battery Service state:\n  level: 80\n  scale: 100\n  temperature: 300\n"
CPUS = """\
/sys/devices/system/cpu/possible: 0-7
/sys/devices/system/cpu/cpufreq/policy0/related_cpus: 0 1 2 3
/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq: 1800000
/sys/devices/system/cpu/cpufreq/policy4/related_cpus: 4 5 6 7
/sys/devices/system/cpu/cpufreq/policy4/cpuinfo_max_freq: 2800000
"""

SELF_TEST_OUTPUT = {
    "name": "y", "type": "float32", "shape": [1], "bytes": 4, "crc32": "def3f05e", "sum": 1.0,
}  # fmt: skip

Runner = Callable[[Sequence[str]], Finished]


def document(samples_us: Sequence[float] = (100.0,) * 40, **changes: object) -> bytes:
    """What the runner prints for a measurement that went well."""
    fields: dict[str, object] = {
        "contract": 1,
        "runner_version": __version__,
        "status": "ok",
        "library_version": None,
        "abi": "x86_64",
        "pid": 1,
        "clock": "CLOCK_MONOTONIC",
        "cpu_mask": None,
        "threads": 1,
        "delegate": "xnnpack",
        "delegation": "full",
        "init_us": 1000.0,
        "compile_us": 2000.0,
        "first_inference_us": 150.0,
        "warmup_us": [110.0],
        "samples_us": list(samples_us),
        "stopped_by": "interval",
        "memory": {"before_load_kb": 1, "after_compile_kb": 2, "peak_kb": 3},
        "inputs": [],
        "outputs": [],
    }
    return json.dumps(fields | changes | {"end": "complete"}, separators=(",", ":")).encode()


def well(argv: Sequence[str]) -> Finished:
    """A runner that does what it is asked."""
    return Finished(exit_code=0, stdout=document(), stderr=b"INFO: fine\n", duration_s=0.0)


class FakePhone:
    """Keeps files, answers the probe, and hands every start of the runner to `runner`."""

    def __init__(self, serial: str = "FAKE1", runner: Runner = well) -> None:
        self.serial = serial
        self.runner = runner
        self.model = f"Fake {serial}"
        self.fingerprint = f"fake/{serial}"
        self.verified: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.started: list[list[str]] = []
        self.pushed_bytes = 0
        self.states: list[dict[str, str]] = []  # one more section set a reading; the last stays
        self.owner: str | None = None
        self._interrupted = threading.Event()

    def run(
        self, argv: Sequence[str], *, deadline_s: float, stdin: bytes | None = None
    ) -> Finished:
        if argv[0] == "sh":
            text = self._script(argv[2:]) if argv[1] == "-c" else self._probe(argv[2], argv[3])
            return Finished(exit_code=0, stdout=text.encode(), stderr=b"", duration_s=0.0)
        if argv[0] == "rm":
            self.files.pop(argv[-1], None)
            return Finished(exit_code=0, stdout=b"", stderr=b"", duration_s=0.0)
        if argv[0] == "test":
            code = 0 if self.files.get(argv[-1]) else 1
            return Finished(exit_code=code, stdout=b"", stderr=b"", duration_s=0.0)
        if any("/selftest-" in word for word in argv):
            told = document((100.0,), outputs=[SELF_TEST_OUTPUT])
            return Finished(exit_code=0, stdout=told, stderr=b"", duration_s=0.0)
        self.started.append(list(argv))
        return self.runner(argv)

    def push(self, local: Path, remote: str, *, mode: int = 0o644) -> int:
        self.files[remote] = local.read_bytes()
        self.pushed_bytes += len(self.files[remote])
        return len(self.files[remote])

    def pull(self, remote: str, local: Path) -> int:
        return local.write_bytes(self.files[remote])

    def interrupt(self) -> None:
        self._interrupted.set()

    def wait_until_interrupted(self) -> None:
        """What a runner that takes long does."""
        assert self._interrupted.wait(20)
        time.sleep(0)

    def _script(self, words: Sequence[str]) -> str:
        """The three scripts of bench.device.ensure, known by what they do."""
        text, _, *arguments = words
        if arguments[0] in ("take", "free"):
            return self._lock(*arguments)
        if "mv -f" in text:
            self.files[arguments[2]] = self.files.pop(arguments[0])
            return ""
        held = self.files.get(arguments[0])
        return "" if held is None else f"sha256 {hashlib.sha256(held).hexdigest()}\n"

    def _lock(self, verb: str, lock: str, nonce: str, owner: str, other: str, *clock: str) -> str:
        """What bench.device.lock asks of a phone."""
        if verb == "free":
            self.owner = None if owner in (self.owner, "") else self.owner
            return f"{nonce} free\n"
        if self.owner in (None, owner, other):
            self.owner = owner
            return f"{nonce} ours\n"
        return f"{nonce} held {self.owner} 1.0 boot 2.0 boot\n"

    def _probe(self, mode: str, nonce: str) -> str:
        if not mode.isalpha():  # clean.sh, which finds nothing
            return f"{mode} end\n"
        sections = {"cpus": CPUS}
        if mode == "describe":
            sections["getprop"] = GETPROP.format(
                serial=self.serial, model=self.model, fingerprint=self.fingerprint
            )
        else:
            sections["battery"] = BATTERY
            if mode == "state" and self.states:
                sections |= self.states.pop(0) if len(self.states) > 1 else self.states[0]
        body = "".join(f"\n== {nonce} {name}\n{text}" for name, text in sections.items())
        return f"{body}\n== {nonce} end\n"
