"""One start of a runner on a phone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.device import Phone
from bench.errors import DeviceTimeout, RunnerError
from bench.trial.attempt import Attempt
from bench.trial.runners import Result, Runner, Start

# Loading, compiling, the first inference and the last one of each phase are not bounded by the
# runner; two minutes is what the slowest phones need for the largest models.
UNBOUNDED_ALLOWANCE_S = 120.0
MOST_RESULT_BYTES = 16 << 20  # figures of every operator are some hundred KB
SMALL_S = 20.0  # for a command that does next to nothing


class Process(NamedTuple):
    """One start of a runner, as often as it is needed."""

    phone: Phone
    runner: Runner
    start: Start

    def argv(self) -> list[str]:
        """The command."""
        return self.runner.argv(self.start)

    def run(self, attempt: Attempt) -> Result:
        """Run it to its end and read what it gave; RunnerError when that is nothing."""
        try:
            return self._run(attempt)
        except RunnerError as failure:
            if not self.runner.has_another_way(failure):
                raise
            attempt.adds(argv=tuple(self.argv()))
            return self._run(attempt)

    def _run(self, attempt: Attempt) -> Result:
        runner, precision = self.runner, self.start.precision
        deadline_s = precision.max_seconds + precision.warmup_max_seconds + UNBOUNDED_ALLOWANCE_S
        if runner.result_file is not None:  # an older one must not be taken for this one's
            self.phone.run(["rm", "-f", runner.result_file], deadline_s=SMALL_S)
        try:
            finished = self.phone.run(self.argv(), deadline_s=deadline_s)
        except DeviceTimeout as error:  # it is the runner that hangs, on a phone that answers
            raise RunnerError(error.what, stage="run", next_step=error.next_step) from error
        attempt.said(finished.stderr or b"")
        written = self._written(runner.result_file) if runner.result_file else None
        try:
            return runner.read(finished, self.start, written)
        except ValueError as error:  # a record refuses what it told
            what = f"What the runner told makes no sense: {error}."
            raise RunnerError(what, stage="output") from error

    def _written(self, remote: str) -> bytes | None:
        """The result file; None where this version of the runner writes none."""
        there = self.phone.run(["test", "-s", remote], deadline_s=SMALL_S)
        if there.exit_code != 0:
            return None
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "result"
            self.phone.pull(remote, local)
            if local.stat().st_size > MOST_RESULT_BYTES:
                raise RunnerError("The result file is too large to be one.", stage="output")
            return local.read_bytes()
