"""Outputs of phones held against what the host computes for the same inputs.

A trial of a model and config, the first one of its repetitions, writes its outputs into a file
when it has sampled, so nothing is added to what is timed; the file is fetched and removed. What
the runner tells of the outputs of any trial (size and CRC) says whether they are already known.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.device import WORK_DIR
from bench.errors import DeviceError, DeviceLost, DeviceTimeout, RunnerError
from bench.records import Check, Measurement, Model, PlannedTrial
from bench.trial.process import SMALL_S, Process
from bench.trial.runners import Runner
from bench.zoo.reference import MOST_BYTES, Reference

OUTPUTS = f"{WORK_DIR}/outputs"


class HostCheck:
    """The host's outputs of a sweep's models, by the SHA-256 of the file; phones share it."""

    def __init__(self, references: Mapping[str, Reference]) -> None:
        self._references = references
        self._known: dict[tuple[object, ...], Check] = {}

    def file_for(self, model: Model, planned: PlannedTrial, runner: Runner) -> str | None:
        """Where a trial is to write its outputs on the phone; None where nobody will look."""
        reference = self._references.get(model.sha256)
        if reference is None or reference.why_not is not None or planned.repetition > 0:
            return None
        return OUTPUTS if runner.identity.name == "bench-runner" else None

    def check(self, process: Process, model: Model, measured: Measurement | None) -> Check | None:
        """The check of a trial's outputs; None when they aren't known and can't become it.

        RunnerError when the runner wrote something else than it told of.
        """
        reference = self._references.get(model.sha256)
        if reference is None or measured is None:
            return None
        config = process.start.config
        if reference.why_not is not None:
            return reference.check((), config.delegate)
        told = [(output.type, output.bytes, output.crc32) for output in measured.outputs]
        half = any(option in config.xnnpack for option in ("fp16", "flags:"))
        key = (model.sha256, config.delegate, half, *told)
        if process.start.outputs is not None:
            try:
                if key not in self._known:
                    outputs = list(_fetched(process, process.start.outputs, measured))
                    self._known[key] = reference.check(outputs, config.delegate, half=half)
            finally:
                process.phone.run(["rm", "-f", process.start.outputs], deadline_s=SMALL_S)
        return self._known.get(key)


NO_HOST_CHECK = HostCheck({})


def _fetched(
    process: Process, remote: str, measured: Measurement
) -> Iterator[tuple[str, memoryview]]:
    """The outputs, each with its type, as the runner told of them."""
    size = sum(output.bytes for output in measured.outputs)
    if size > MOST_BYTES:
        raise RunnerError(f"{size} bytes of outputs are too many to look at.", stage="outputs")
    content = memoryview(_pulled(process, remote, size) if size else b"")
    for output in measured.outputs:
        part, content = content[: output.bytes], content[output.bytes :]
        if f"{zlib.crc32(part):08x}" != output.crc32:
            raise RunnerError("The file of outputs holds others than were told.", stage="outputs")
        yield output.type, part


def _pulled(process: Process, remote: str, size: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "outputs"
        try:
            process.phone.pull(remote, local)
        except (DeviceLost, DeviceTimeout):
            raise
        except DeviceError as error:
            raise RunnerError(f"The outputs can't be fetched: {error}", stage="outputs") from error
        with local.open("rb") as file:
            return file.read(size)
