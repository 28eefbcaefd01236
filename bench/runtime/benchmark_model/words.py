"""What the tool and its runtime say in words: delegates that were applied, and failures."""

from __future__ import annotations

import re

from bench.runtime.benchmark_model.delegation import Applied, family_of


def read_applied(text: str) -> Applied | None:
    """What a line tells of a delegate in the graph; None for any other line."""
    found = _APPLIED.match(text) or _NOT_EXECUTED.match(text)
    if found:
        extents = {"completely": "full", "partially": "partial", "not": "none"}
        return Applied(family_of(found["name"]), extents.get(found["how"] or ""))
    found = _REPLACED.match(text)
    if found and found["total"] is None:  # of old versions: more than one partition is a rest
        return Applied(family_of(found["name"]), _part(found["parts"] == "1"))
    found = found or _DELEGATED.match(text)
    if found:
        some = int(found["some"])
        extent = _part(some == int(found["total"])) if some else "none"
        return Applied(family_of(found["name"]), extent)
    found = _SPLIT.match(text)
    return Applied("gpu", _part(int(found["rest"]) == 0)) if found else None


def read_created(text: str) -> str | None:
    """The family of a delegate that was created, which doesn't mean that it took anything."""
    found = _CREATED.match(text)
    return family_of(found["name"] or found["unit"]) if found else None


def read_failure(text: str) -> str | None:
    """The stage that a line reports as failed; None for a line that reports no failure."""
    found = _FAILED.search(text)
    return found.lastgroup if found else None


def _part(every: bool) -> str:
    return "full" if every else "partial"


_APPLIED = re.compile(
    r"(?:Explicitly applied|Applied) (?P<name>.{1,200}?) delegate"
    r"(?:, and the model graph will be (?P<how>completely|partially) executed .*|\.?)$"
)
_NOT_EXECUTED = re.compile(
    r"Though (?P<name>.{1,200}?) delegate is .*the model graph will (?P<how>not) be executed"
)
_REPLACED = re.compile(
    r"Replacing (?P<some>\d{1,9})(?: out of (?P<total>\d{1,9}))? node\(s\) with delegate "
    r"\((?P<name>[^)]{0,200})\) node, yielding (?P<parts>\d{1,9}) partitions"
)
_DELEGATED = re.compile(
    r"(?:\[[^\]]{1,60}\] )?(?P<name>\w{1,100})(?: delegate)?: (?P<some>\d{1,9}) nodes delegated "
    r"out of (?P<total>\d{1,9}) nodes"
)
_SPLIT = re.compile(
    r"\d{1,9} operations? will run on the GPU, and the remaining (?P<rest>\d{1,9}) "
)
_CREATED = re.compile(
    r"Created TensorFlow Lite (?:(?P<name>.{1,100}?) )?delegate for (?P<unit>.{1,100}?)\.$"
)
_FAILED = re.compile(
    r"(?P<delegate>Failed to apply .{1,200} delegate|Disallowed CPU fallback"
    r"|after delegate application failure|acceleration is unsupported on this platform"
    r"|delegate isn't supported|delegate is not supported on"
    r"|(?:Could not|Failed to|Unable to) create .{0,200}delegate"
    r"|TfLiteGpuDelegate (?:Init|Prepare|Invoke|Eval)|Created 0 GPU delegate kernels"
    r"|No operations will run on the GPU|NN API returned error"
    r"|Node number \d+ \(\w*[Dd]elegate\w*\) failed)"
    r"|(?P<model>Failed to load model|Could not open '|not a valid Flatbuffer"
    r"|model allocation is null|Failed to construct interpreter"
    r"|Failed to initialize the interpreter|unresolved custom op|Didn't find op for builtin opcode"
    r"|Select TensorFlow op\(s\), included in the given model|Failed to compile model)"
    r"|(?P<compile>Failed to allocate tensors|Node number \d+ \([^)]*\) failed to prepare"
    r"|Failed to set thread number)"
    r"|(?P<run>Node number \d+ \([^)]*\) failed to invoke|Failed to invoke|^Run failed"
    r"|Compiled model not initialized)"
    r"|(?P<arguments>Failed to parse flag|Please specify the name of your TF Lite input file"
    r"|The number of items in --|^usage: |^Output mode)"
    r"|(?P<process>^Benchmarking failed|^Aborted|^Segmentation fault|^Killed|^Bus error"
    r"|^Illegal instruction|terminating (?:with|due to) uncaught)"
)
