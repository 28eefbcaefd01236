"""What is started on the phone: the contract with the runner, and where binaries come from."""

from bench.runtime.binaries import Available, Binaries, find, list_available
from bench.runtime.contract import CONTRACT, RunnerReport, Tensor, parse_document, runner_argv
from bench.runtime.libraries import add, fetch

__all__ = [
    "CONTRACT",
    "Available",
    "Binaries",
    "RunnerReport",
    "Tensor",
    "add",
    "fetch",
    "find",
    "list_available",
    "parse_document",
    "runner_argv",
]
