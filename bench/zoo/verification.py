"""Whether a quantized model still computes what its float parent computes.

Nothing else would tell: tflite-runtime 2.14 runs a dynamically quantized model without a
complaint and gives nothing but zeros, and a benchmark would report a latency for that.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.errors import StoreError
from bench.records import Check, Model, decode, encode
from bench.zoo import cache
from bench.zoo.host import HostRuntime, ask, version_of
from bench.zoo.schemes import SCHEMES

if TYPE_CHECKING:
    from bench.zoo.weights import Array

_SEEDS = (1, 2, 3)
_DEADLINE_S = 300.0
_LEAST_SNR_DB = 3.0  # of a scheme that isn't known: anything that isn't noise


def verify(
    model: Model,
    parent: Model,
    runtime: HostRuntime,
    *,
    directory: Path | None = None,
    python: str | None = None,
) -> Check:
    known = None
    if directory is not None:
        known = directory / "checks" / f"{_key(model, parent, runtime, python)}.json"
        remembered = _remembered(known)
        if remembered is not None:
            return remembered
    found = _compared(model, parent, runtime, python)
    if known is not None and found.ok:  # a crash may have been this machine's: looked at again
        cache.write_atomically(known, lambda temporary: cache.put(temporary, encode(found)))
    return found


def _compared(model: Model, parent: Model, runtime: HostRuntime, python: str | None) -> Check:
    from bench.zoo import archive

    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "outputs.npz"
        outputs = []
        version = None
        for one, whose in ((parent, "its float parent"), (model, "it")):
            request = {
                "do": "outputs",
                "model": one.path,
                "threads": 1,
                "seeds": _SEEDS,
                "output": str(kept),
            }
            answer = ask(request, runtime=runtime, deadline_s=_DEADLINE_S, python=python)
            version = answer.get("version", version)
            if "error" in answer:
                reason = f"{whose} doesn't run on {runtime}: {answer['error']}"
                return Check(runtime=runtime, version=version, reason=reason)
            outputs.append(archive.read(kept))
    scheme = SCHEMES.get(model.quantization or "")
    judged = _judged(*outputs, least_snr_db=scheme.least_snr_db if scheme else _LEAST_SNR_DB)
    return msgspec.structs.replace(judged, runtime=runtime, version=version)


Outputs = dict[str, "Array"]  # by "number of the input.number of the output"


def _judged(parent: Outputs, model: Outputs, *, least_snr_db: float) -> Check:
    if {k: v.shape for k, v in parent.items()} != {k: v.shape for k, v in model.items()}:
        return Check(
            runtime="", reason="its outputs have other shapes than those of its float parent"
        )
    snr_db = _snr_db(parent, model)
    first = [key for key in parent if key.endswith(".0") and parent[key].size > 1]
    same = [bool(parent[key].argmax() == model[key].argmax()) for key in first]
    return Check(
        runtime="",
        reason=_wrong(parent, model, snr_db, least_snr_db),
        inputs=len(_SEEDS),
        snr_db=snr_db,
        top1_agreement=sum(same) / len(same) if same else None,
    )


def _snr_db(parent: Outputs, model: Outputs) -> float | None:
    """Signal to noise over all outputs; None when there is no signal, or noise without end."""
    signal = sum(float((value**2).sum()) for value in parent.values())
    noise = sum(float(((model[key] - parent[key]) ** 2).sum()) for key in parent)
    if not (signal > 0 and noise > 0 and math.isfinite(noise)):
        return None
    return round(10 * math.log10(signal / noise), 2) + 0.0  # no -0.0


def _wrong(parent: Outputs, model: Outputs, snr_db: float | None, least: float) -> str | None:
    if not all(math.isfinite(value.sum()) for value in model.values()):
        return "its outputs hold NaN or infinity"
    if any(parent[key].any() and not model[key].any() for key in parent):
        return "its outputs are nothing but zeros"
    for output in {key.partition(".")[2] for key in parent}:
        keys = [f"{number}.{output}" for number in range(len(_SEEDS))]
        if _kinds(parent, keys) == len(keys) and _kinds(model, keys) == 1:
            return "its outputs are the same whatever its inputs are"
    if snr_db is not None and snr_db < least:
        return (
            f"the signal-to-noise ratio of its outputs is {snr_db:.1f} dB against its float"
            f" parent, and such a model keeps {least:g} dB"
        )
    return None


def _kinds(outputs: Outputs, keys: Sequence[str]) -> int:
    """How many different values these outputs have."""
    return len({outputs[key].tobytes() for key in keys})


def _key(model: Model, parent: Model, runtime: HostRuntime, python: str | None) -> str:
    return cache.key_of(
        {
            "model": model.sha256,
            "parent": parent.sha256,
            "runtime": runtime,
            "version": version_of(runtime),
            "python": python,
            "seeds": _SEEDS,
        }
    )


def _remembered(path: Path) -> Check | None:
    try:
        return decode(path.read_bytes(), Check)
    except (OSError, StoreError):
        return None
