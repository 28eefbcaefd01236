"""Outputs of phones held against what the host computes for the same inputs.

A trial of a model and config, the first one of its repetitions, writes its outputs into a file
when it has sampled, so nothing is added to what is timed; the file is fetched and removed. What
the runner tells of the outputs of any trial (size and CRC) says whether they are already known.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from bench.device import WORK_DIR, Phone
from bench.errors import RunnerError
from bench.records import Check, Measurement, Model, PlannedTrial
from bench.trial.process import SMALL_S, Process
from bench.trial.runners import Runner
from bench.zoo.reference import MOST_BYTES, Reference

OUTPUTS = f"{WORK_DIR}/outputs"

# One command for both: a pull alone takes ten times as long as this, for a small file.
_TAKE = 'cat "$1"; code=$?; rm -f "$1"; exit $code'
_BYTES_PER_S = 1e6  # of a phone over a slow network


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
        if (remote := process.start.outputs) is not None:
            if key in self._known:
                process.phone.run(["rm", "-f", remote], deadline_s=SMALL_S)
            else:
                outputs = list(_fetched(process.phone, remote, measured))
                self._known[key] = reference.check(outputs, config.delegate, half=half)
        return self._known.get(key)


NO_HOST_CHECK = HostCheck({})


def _fetched(phone: Phone, remote: str, measured: Measurement) -> Iterator[tuple[str, memoryview]]:
    """The outputs, each with its type, as the runner told of them; the file is gone then."""
    size = sum(output.bytes for output in measured.outputs)
    if size > MOST_BYTES:
        raise RunnerError(f"{size} bytes of outputs are too many to look at.", stage="outputs")
    command = ["sh", "-c", _TAKE, "sh", remote]
    finished = phone.run(command, deadline_s=SMALL_S + size / _BYTES_PER_S)
    if finished.exit_code != 0:
        raise RunnerError("The file of outputs can't be read.", stage="outputs")
    content = memoryview(finished.stdout)
    for output in measured.outputs:
        part, content = content[: output.bytes], content[output.bytes :]
        if f"{zlib.crc32(part):08x}" != output.crc32:
            raise RunnerError("The file of outputs holds others than were told.", stage="outputs")
        yield output.type, part
