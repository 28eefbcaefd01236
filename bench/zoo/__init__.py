"""Models: written without TensorFlow, or given as files; counted, quantized and checked.

    spec = ModelSpec(family="mobilenet_v1", axes={"alpha": 0.5, "resolution": 224})
    model = realize(spec, Path("cache"))

A new family is one file with a `FAMILY` and one line in `FAMILIES`; docs/develop.md shows how.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import ModelError
from bench.records import Check, Model, ModelSpec
from bench.zoo.family import Family

if TYPE_CHECKING:
    from bench.zoo.host import HostRuntime

__all__ = ["FAMILIES", "check", "families", "family_named", "parent_of", "realize", "verify"]

# Name of each family and the module that holds it, in the order that they are listed in.
FAMILIES: dict[str, str] = {
    "mobilenet_v1": "bench.zoo.mobilenet_v1",
    "mobilenet_v2": "bench.zoo.mobilenet_v2",
    "mobilenet_v3": "bench.zoo.mobilenet_v3",
    "shufflenet_v1": "bench.zoo.shufflenet_v1",
    "shufflenet_v2": "bench.zoo.shufflenet_v2",
    "vgg16": "bench.zoo.vgg",
    "resnet101": "bench.zoo.resnet",
    "inception_v2": "bench.zoo.inception_v2",
    "inception_v3": "bench.zoo.inception_v3",
    "inception_resnet_v2": "bench.zoo.inception_resnet_v2",
}


def families() -> tuple[str, ...]:
    """The names that a sweep file can ask for."""
    return tuple(FAMILIES)


def family_named(name: str) -> Family:
    """A family by its name; ModelError names those that exist."""
    if name not in FAMILIES:
        raise ModelError(
            f"There is no family {name!r}.", next_step=f"The families are {', '.join(FAMILIES)}."
        )
    found: Family = import_module(FAMILIES[name]).FAMILY
    return found


def check(spec: ModelSpec) -> None:
    """ModelError when the model that a sweep asks for can't exist; makes and loads nothing."""
    from bench.zoo import request

    request.check(spec)


def realize(spec: ModelSpec, directory: Path) -> Model:
    """The model as a file: made in `directory`, or found there, or the user's own file.

    A model that was made is kept under a name that holds the hash of the request, with its
    record beside it; two processes may ask at once. ModelError says what can't be had.
    """
    from bench.zoo import request

    return request.realize(spec, directory)


def parent_of(spec: ModelSpec) -> ModelSpec | None:
    """The float32 model that a quantized one is made of; None when nothing was quantized here."""
    from bench.zoo import request

    return request.parent_of(spec)


def verify(
    model: Model,
    parent: Model,
    runtime: HostRuntime = "ai-edge-litert",
    *,
    directory: Path | None = None,
    python: str | None = None,
) -> Check:
    """A quantized model held against its float parent, each in a process of its own.

    A model that crashes, gives zeros or NaN, or is nothing like its parent has a `reason` in
    its Check: its latency means nothing. What was found right is remembered in `directory`.
    """
    from bench.zoo import verification

    return verification.verify(model, parent, runtime, directory=directory, python=python)
