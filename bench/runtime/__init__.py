"""What is started on the phone: the contract with the runner, and where binaries come from."""

from bench.runtime.binaries import Available, Binaries, find, list_available
from bench.runtime.contract import (
    CONTRACT,
    FP16_FLAGS,
    RunnerReport,
    Tensor,
    parse_document,
    runner_argv,
)
from bench.runtime.libraries import add, fetch
from bench.runtime.self_test import judge_self_test, self_test_argv, self_test_model

__all__ = [
    "CONTRACT",
    "FP16_FLAGS",
    "Available",
    "Binaries",
    "RunnerReport",
    "Tensor",
    "add",
    "fetch",
    "find",
    "judge_self_test",
    "list_available",
    "parse_document",
    "runner_argv",
    "self_test_argv",
    "self_test_model",
]
