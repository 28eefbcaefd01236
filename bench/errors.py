"""Every error that a user can meet, one tree.

    BenchError
    ├── UsageError       the request makes no sense, whatever the phone says
    │   └── SweepError   a sweep file is wrong; names the file and the line
    ├── ModelError       a model can't be made, read or counted
    ├── DeviceError      a phone can't be found, reached or written to
    │   ├── DeviceLost   the connection ended or went silent in the middle
    │   ├── DeviceTimeout  a command ran past its deadline on a phone that still answers
    │   ├── DeviceFull   the phone has no space left
    │   └── DeviceBusy   another bench works with the phone
    ├── RuntimeMissing   no runner or library for this phone is at hand
    ├── RunnerError      the runner on the phone failed, or its output can't be trusted
    │   └── ContractError  runner and host speak different contracts
    └── StoreError       results can't be written or read

Each says what went wrong, on what, and what to do next. `bench.trial` turns a
RunnerError into a failed trial; everything else rises to `bench.cli`, which
prints it as one line and picks the exit code.
"""

from __future__ import annotations


class BenchError(Exception):
    """A failure that is explained to the user instead of traced."""

    def __init__(self, what: str, *, next_step: str | None = None) -> None:
        super().__init__(what if next_step is None else f"{what} {next_step}")
        self.what = what
        self.next_step = next_step


class UsageError(BenchError):
    """The request makes no sense, whatever the phone says."""


class SweepError(UsageError):
    """A sweep file is wrong."""


class ModelError(BenchError):
    """A model can't be made, read or counted."""


class DeviceError(BenchError):
    """A phone can't be found, reached or written to."""


class DeviceLost(DeviceError):
    """The connection to a phone ended, or went silent, in the middle of something."""


class DeviceTimeout(DeviceError):
    """A command ran past its deadline on a phone that still answers."""


class DeviceFull(DeviceError):
    """The phone has no space left for what must be pushed."""


class DeviceBusy(DeviceError):
    """Another bench, here or on another computer, works with the phone."""


class RuntimeMissing(BenchError):
    """No runner or no LiteRT library for this phone is at hand."""


class RunnerError(BenchError):
    """The runner on the phone failed, or what it printed can't be trusted."""

    def __init__(self, what: str, *, stage: str, next_step: str | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.stage = stage


class ContractError(RunnerError):
    """The runner on the phone and this host speak different contracts."""


class StoreError(BenchError):
    """Results can't be written or read."""
