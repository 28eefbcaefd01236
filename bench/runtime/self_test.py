"""Whether the own runner can be trusted on a phone: one inference whose result is known exactly.

A tiny model multiplies zeros and ones by small whole numbers, so every processor, with or without
XNNPACK, must give the same bytes. To be run on first use of a runner and a library on a phone; a
phone that fails it is measured with benchmark_model, and the reason belongs into the record.
"""

from __future__ import annotations

import base64
import zlib

from bench.errors import RunnerError
from bench.records import Config, Precision
from bench.runtime.contract import parse_document, runner_argv

# tests/tiny_models.py makes these bytes again (`exact`) and NumPy computes the checksum anew.
_MODEL = """
    eNqNUj1PAkEQfcsdcNGLXHEhFBQWmljYKZ2JVMbCwsLeHPEglwgmAhq7+wH+JymMsfAX+BOo7c+Z2VlYDSZuGHLz8d6+
    mdkugKuzi6MUXXSQIkGMCHxC8kAx4JksMfRNdhkA9IPhmNRtKSakL9AXiAk4IWuRTfP7h2Iyur7Jh9n8diY4rokUE8lN
    1pj3bm5r2H+rqsrlBsVsCq0pyfY0vtQaqxl9yr4ADeFuaM25pMoFpTl/amv65Jd9i5Gz+E9NiHCld1ZMnqCzSCW9480w
    JM/GeR6vZO9kH4odZ8WEETXm2YDfVvyuvdcc0N+h3hXL5PmOpsySw0ZzxpulUf5AuduyszV3x2L3O6rRzq0pc2OozwmP
    2/l1VmFkcNLDseaHtBMui3TXbq8OW1djbZ9aG6sfa83A0w9Snq56dqcp/Tis8bCPqsP1Hqw0t6V/rN/LD55I3zRrK8bZ
    KPf6dZqNp6f1B4/upJb8erubuGq6Y8590SzsrhDEsieLYr6ejfe+AeRdQyk=
"""
_OUTPUT_CRC32 = "def3f05e"
_PRECISION = Precision(
    interval=0, min_samples=1, max_samples=1, max_seconds=10, warmup_max_seconds=0
)


def self_test_model() -> bytes:
    """The .tflite file to push."""
    return zlib.decompress(base64.b64decode(_MODEL))


def self_test_argv(*, runner: str, library: str, model: str) -> list[str]:
    """The command that runs it once; all paths are the phone's."""
    return runner_argv(
        runner=runner, library=library, model=model, config=Config(), precision=_PRECISION
    )


def judge_self_test(
    stdout: bytes, stderr: bytes, exit_code: int, *, runner_version: str | None = None
) -> str | None:
    """None when runner and library are fit to measure on this phone, else why they are not."""
    try:
        report = parse_document(stdout, stderr, exit_code, runner_version=runner_version)
    except RunnerError as error:
        return str(error)
    found = [output.crc32 for output in report.measurement.outputs]
    if found != [_OUTPUT_CRC32]:
        return (
            "LiteRT computed a wrong result on this phone: the self-test's output has the "
            f"checksum {', '.join(found) or 'of nothing'}, not {_OUTPUT_CRC32}."
        )
    return None
