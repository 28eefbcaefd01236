"""From what a sweep asks for to a model file and its record."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import ModelError
from bench.records import Model, ModelSpec
from bench.zoo import cache, family_named, published
from bench.zoo.family import PAPER_AXES, Family, Value

SCHEMES = ("float32",)


def check(spec: ModelSpec) -> None:
    if spec.quantization not in SCHEMES:
        raise ModelError(
            f"There is no quantization {spec.quantization!r}.",
            next_step=f"There is {', '.join(SCHEMES)}.",
        )
    if spec.family is not None:
        if not 0 <= spec.seed < 2**63:
            raise ModelError(f"A seed is a number from 0 to 2^63 - 1, not {spec.seed}.")
        family_named(spec.family).values(spec.axes)
    elif spec.axes:
        raise ModelError(
            f"{next(iter(spec.axes))!r} can't be chosen for a model that is given as a file.",
            next_step="Take it out, or name a family instead of files.",
        )


def realize(spec: ModelSpec, directory: Path) -> Model:
    check(spec)
    if spec.family is None:
        return _given(Path(spec.file or ""), directory.absolute())
    return _made(family_named(spec.family), spec, directory.absolute())


def _made(family: Family, spec: ModelSpec, directory: Path) -> Model:
    values = family.values(spec.axes)
    options = ",".join(f"{key}={value}" for key, value in family.options(values).items())
    variant, title = options, family.title(values)
    if spec.seed != 1:
        variant = f"{options},seed={spec.seed}".lstrip(",")
        title += f"_seed{spec.seed}"
    name = f"{title}_{spec.quantization}"
    request = {
        "generator": _generator(),
        "family": family.name,
        "values": values,
        "seed": spec.seed,
        "quantization": spec.quantization,
    }
    path = directory / f"{name}-{cache.key_of(request)}.tflite"
    facts = cache.cached(path, lambda: _written(family, values, name, spec.seed))
    axes = {axis: values[axis] for axis in PAPER_AXES if axis in values}
    return _model(
        name,
        path,
        facts,
        family=family.name,
        quantization=spec.quantization,
        variant=variant or None,
        published=published.lookup(family.name, values, options, spec.quantization),
        **axes,
    )


@functools.cache
def _generator() -> str:
    """The version of what writes models: a hash of its source, so that no stale model is used."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def _written(family: Family, values: Mapping[str, Value], name: str, seed: int) -> memoryview:
    from bench.zoo.writer import Graph

    graph = Graph(name, seed)
    return graph.finish(family.build(graph, **values))


def _given(path: Path, directory: Path) -> Model:
    facts = cache.facts_of(path)
    return _model(_spelled(path.stem), _reachable(path.absolute(), directory, facts), facts)


def _model(name: str, path: Path, facts: cache.Facts, **declared: Any) -> Model:
    return Model(
        name=name,
        path=str(path),
        sha256=facts.sha256,
        size_bytes=facts.size_bytes,
        macs=facts.macs,
        macs_conv=facts.macs_conv,
        params=facts.params,
        not_countable=facts.not_countable,
        **declared,
    )


def _spelled(text: str) -> str:
    """A file name as text that JSON can hold: bytes that are no UTF-8 are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _reachable(path: Path, directory: Path, facts: cache.Facts) -> Path:
    """The file itself; through a link when its path is no UTF-8 and so fits into no record."""
    if _spelled(str(path)) == str(path):
        return path
    link = directory / f"{facts.sha256[:16]}.tflite"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    except OSError as error:
        raise ModelError(
            f"The path of {_spelled(path.name)!r} isn't UTF-8, and no link to it can be made in"
            f" {str(directory)!r}: {error.strerror}.",
            next_step="Rename the file.",
        ) from error
    return link
