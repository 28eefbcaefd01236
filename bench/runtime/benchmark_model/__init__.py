"""Google's benchmark_model as a second runner: its command line, and what it printed.

It keeps its samples to itself, so a trial by it holds a report instead of a measurement.
"""

from bench.runtime.benchmark_model.argv import Tool, benchmark_model_argv
from bench.runtime.benchmark_model.result_file import ResultFile, read_result_file
from bench.runtime.benchmark_model.verdict import Generation, Outcome, parse_output

__all__ = [
    "Generation",
    "Outcome",
    "ResultFile",
    "Tool",
    "benchmark_model_argv",
    "parse_output",
    "read_result_file",
]
