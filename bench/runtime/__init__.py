"""What is started on the phone: the contract with the runner, and where binaries come from."""

from bench.runtime.binaries import (
    Available,
    Binaries,
    find,
    find_benchmark_model,
    list_available,
)
from bench.runtime.cache import Kept, recorded
from bench.runtime.contract import (
    CONTRACT,
    FP16_FLAGS,
    RunnerReport,
    parse_document,
    runner_argv,
)
from bench.runtime.document import Tensor
from bench.runtime.npu import NpuLibrary, add_npu, npu_libraries
from bench.runtime.official import TOOLS, Tool
from bench.runtime.provision import add, fetch
from bench.runtime.self_test import judge_self_test, self_test_argv, self_test_model

__all__ = [
    "CONTRACT",
    "FP16_FLAGS",
    "TOOLS",
    "Available",
    "Binaries",
    "Kept",
    "NpuLibrary",
    "RunnerReport",
    "Tensor",
    "Tool",
    "add",
    "add_npu",
    "fetch",
    "find",
    "find_benchmark_model",
    "judge_self_test",
    "list_available",
    "npu_libraries",
    "parse_document",
    "recorded",
    "runner_argv",
    "self_test_argv",
    "self_test_model",
]
