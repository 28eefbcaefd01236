"""Who ran the model: what the tool tells of its delegates against what was asked for.

A failure to apply a delegate is often followed by timings of the CPU that look like any others.
So a latency counts as a delegate's only when the run says that this delegate took nodes; silence
is no proof. The tool may say it of the whole graph (`Explicitly applied`), its runtime of each
subgraph (`Replacing N out of M node(s)`), and the operator table by who ran each row.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.errors import RunnerError
from bench.records import Delegation, OpTime

UNNAMED = "delegate"  # of a row that a delegate ran which the table doesn't name


class Applied(NamedTuple):
    """One line that tells of a delegate in the graph; extent None: not how much."""

    family: str
    extent: str | None


class Evidence(NamedTuple):
    """What a run tells about its delegates."""

    applied: list[Applied]
    created: set[str]
    parameters: dict[str, str]
    opengl: bool
    old: bool  # of versions that had no XNNPACK yet
    ops: tuple[OpTime, ...]


def family_of(name: str) -> str:
    """The delegate as Config spells it, from what any version calls it."""
    lower = name.lower()
    for family, words in _FAMILIES:
        if any(word in lower for word in words):
            return family
    return lower or "unknown"


_FAMILIES = (
    ("xnnpack", ("xnnpack", "cpu")),
    ("nnapi", ("nnapi",)),
    # Vendors' libraries come to TensorFlow Lite as its external delegate.
    ("npu", ("dispatch", "npu", "external", "hexagon", "qnn", "tpu", "neuron", "neutron", "ethos")),
    ("flex", ("flex", "select tf")),
    ("gpu", ("gpu", "litert_cl", "litert_gl", "litert_webgpu", "opencl", "drift")),
)


# TensorFlow's own operators on the CPU, and a delegate whose line doesn't name it.
_OF_NO_PROCESSOR = ("flex", "unknown")


def delegation(asked: str | None, told: Evidence) -> Delegation | None:
    """How much of the model the delegate that was asked for ran; None: not told.

    RunnerError (stage `delegate`) when another ran, when this one took nothing, or when nothing
    shows that it ran. `asked` None accepts whatever ran.
    """
    _refuse_switches(asked, told)
    if asked is None:
        took = {applied.family for applied in told.applied if applied.extent != "none"}
        took -= {*_OF_NO_PROCESSOR}
        return _extent(told, took.pop()) if len(took) == 1 else None
    if asked == "none":
        return _of_none(told)
    _refuse_others(asked, told)
    if asked == "gpu" and told.opengl:
        raise _failure(
            "The GPU delegate fell back from OpenCL to OpenGL: its latency is another backend's."
        )
    if (
        asked == "nnapi"
        and told.parameters.get("NNAPI accelerators available") == "nnapi-reference"
    ):
        raise _failure("This phone's NNAPI has no accelerator, only its own reference on the CPU.")
    mine = [applied for applied in told.applied if applied.family == asked]
    extent = _extent(told, asked)
    if extent == "none":
        raise _failure(f"{_title(asked)} took no node of the model; what ran is the CPU.")
    if extent is None and not mine and not (asked == "xnnpack" and asked in told.created):
        raise _failure(f"Nothing that was printed shows that {_title(asked)} ran.")
    return extent


def name_rows(asked: str | None, told: Evidence) -> str:
    """Who ran the rows that the table leaves unnamed."""
    families = {applied.family for applied in told.applied} or told.created
    if asked in families and asked is not None:
        return asked
    return families.copy().pop() if len(families) == 1 else UNNAMED


def _of_none(told: Evidence) -> Delegation | None:
    took = [
        applied.family
        for applied in told.applied
        if applied.extent != "none" and applied.family not in _OF_NO_PROCESSOR
    ]
    idle = {applied.family for applied in told.applied if applied.extent == "none"}
    took += [family for family in told.created - idle if family == "xnnpack"]
    took += [op.delegate for op in told.ops if op.delegate is not None]
    if ("xnnpack", True) in _switches(told):
        took.append("xnnpack")
    if took:
        raise _failure(f"The builtin kernels were asked for, and {_title(took[0])} ran.")
    known = told.old or bool(told.ops) or ("xnnpack", False) in _switches(told)
    return "none" if known else None


def _refuse_others(asked: str, told: Evidence) -> None:
    for applied in told.applied:
        named = applied.family not in (asked, "xnnpack", *_OF_NO_PROCESSOR)
        if named and applied.extent != "none":
            raise _failure(f"{_title(asked)} was asked for, and {_title(applied.family)} ran.")
    if asked == "xnnpack":
        return
    mine = any(applied.family == asked for applied in told.applied)
    mine = mine or any(op.delegate in (asked, UNNAMED) for op in told.ops)
    if not mine and any(applied.family == "xnnpack" for applied in told.applied):
        raise _failure(f"{_title(asked)} was asked for, and XNNPACK ran on the CPU.")


def _refuse_switches(asked: str | None, told: Evidence) -> None:
    """The tool echoes what it was told to use; a delegate that isn't there is no error to it."""
    switches = _switches(told)
    if asked is not None and (asked, False) in switches:
        raise _failure(f"the tool ran with {_title(asked)} switched off.")
    used = [family for family, on in switches if on and family != "xnnpack"]
    if used and asked in ("none", "xnnpack"):
        raise _failure(f"the tool was told to use {_title(used[0])}, which wasn't asked for.")
    shown = {applied.family for applied in told.applied if applied.extent != "none"}
    shown |= {op.delegate for op in told.ops if op.delegate is not None}
    if used and asked is None and not shown.intersection(used):
        raise _failure(
            f"the tool was told to use {_title(used[0])}, and nothing shows that it ran."
        )


def _switches(told: Evidence) -> list[tuple[str, bool]]:
    """Delegates that the tool was told to use, or not to."""
    switches = []
    for name, value in told.parameters.items():
        lower = name.lower()
        if lower in _SWITCHES:
            switches.append((_SWITCHES[lower], value.strip() not in ("0", "false")))
        elif lower == "external delegate path" and value.strip():
            switches.append(("npu", True))
    return switches


_SWITCHES = {
    "use xnnpack": "xnnpack",
    "use gpu": "gpu",
    "use nnapi": "nnapi",
    "use hexagon": "npu",
    "use npu": "npu",
    "use coreml": "coreml",
}


def _extent(told: Evidence, asked: str) -> Delegation | None:
    """The least that any line tells: a subgraph or a row left to the CPU makes it partial."""
    extents = {a.extent for a in told.applied if a.family == asked and a.extent is not None}
    rows = {"own" if op.delegate in (asked, UNNAMED) else "other" for op in told.ops}
    if extents == {"none"}:
        return "none"
    if "partial" in extents or extents == {"full", "none"} or rows == {"own", "other"}:
        return "partial"
    if extents == {"full"}:
        return "partial" if rows == {"other"} else "full"
    if rows == {"own"} and any(op.delegate == asked for op in told.ops):
        return "full"
    return None


def _title(family: str) -> str:
    if family in ("xnnpack", "gpu", "nnapi", "npu"):
        return f"the {family.upper()} delegate"
    return "a delegate" if family == UNNAMED else f"the delegate {family[:80]!r}"


def _failure(what: str) -> RunnerError:
    return RunnerError(what[0].upper() + what[1:], stage="delegate")
