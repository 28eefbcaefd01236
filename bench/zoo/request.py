"""From what a sweep asks for to a model file and its record."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import ModelError
from bench.records import Model, ModelSpec, Published
from bench.zoo import cache, family_named, published, quantize, schemes
from bench.zoo.family import PAPER_AXES, Family, Value
from bench.zoo.schemes import Choice


def check(spec: ModelSpec) -> None:
    options, axes = _split(spec.axes)
    choice = schemes.choose(spec.quantization, options)
    if choice is not None:
        quantize.pictures_of(choice)
    if spec.family is not None:
        if not 0 <= spec.seed < 2**63:
            raise ModelError(f"A seed is a number from 0 to 2^63 - 1, not {spec.seed}.")
        family_named(spec.family).values(axes)
    elif axes:
        raise ModelError(
            f"{next(iter(axes))!r} can't be chosen for a model that is given as a file.",
            next_step="Take it out, or name a family instead of files.",
        )


def parent_of(spec: ModelSpec) -> ModelSpec | None:
    if spec.quantization == "float32":
        return None
    axes = _split(spec.axes)[1]
    return msgspec.structs.replace(spec, quantization="float32", axes=axes, measured=None)


def realize(spec: ModelSpec, directory: Path) -> Model:
    check(spec)
    return msgspec.structs.replace(_realized(spec, directory), measured=spec.measured)


def _realized(spec: ModelSpec, directory: Path) -> Model:
    directory = directory.absolute()
    choice = schemes.choose(spec.quantization, _split(spec.axes)[0])
    parent = parent_of(spec)
    if choice is not None and parent is not None:
        return _quantized(spec, realize(parent, directory), choice, directory)
    if spec.family is None:
        return _given(Path(spec.file or ""), directory)
    return _made(family_named(spec.family), spec, directory)


def _made(family: Family, spec: ModelSpec, directory: Path) -> Model:
    values = family.values(spec.axes)
    variant, title = family.options_in_words(values), family.title(values)
    if spec.seed != 1:
        variant = f"{variant},seed={spec.seed}".lstrip(",")
        title += f"_seed{spec.seed}"
    name = f"{title}_float32"
    identity = {
        "generator": _generator(),
        "family": family.name,
        "values": values,
        "seed": spec.seed,
    }
    path = directory / f"{name}-{cache.key_of(identity)}.tflite"
    facts = cache.cached(path, lambda temporary: _write(temporary, family, values, name, spec.seed))
    return _model(
        name,
        path,
        facts,
        family=family.name,
        quantization="float32",
        variant=variant or None,
        published=published.lookup(family, values, "float32"),
        **{axis: values[axis] for axis in PAPER_AXES if axis in values},
    )


def _write(path: Path, family: Family, values: Mapping[str, Value], name: str, seed: int) -> None:
    from bench.zoo.writer import Graph

    graph = Graph(name, seed)
    cache.put(path, graph.finish(family.build(graph, **values)))


@functools.cache
def _generator() -> str:
    """The version of what writes models: a hash of its source, so that no stale model is used."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def _quantized(spec: ModelSpec, parent: Model, choice: Choice, directory: Path) -> Model:
    if spec.family is None:
        _refuse_quantized(Path(parent.path))
    name = f"{parent.name.removesuffix('_float32')}_{choice.tag}"
    identity = {"parent": parent.sha256, **quantize.identity(choice)}
    # A user's file may be called anything; the cache's own names are plain.
    stem = name if spec.family is not None else parent.sha256[:16]
    path = directory / f"{stem}-{cache.key_of(identity)}.tflite"
    facts, recipe = quantize.quantized(Path(parent.path), path, choice)
    found: tuple[Published, ...] = ()
    if spec.family is not None:
        family = family_named(spec.family)
        found = published.lookup(family, family.values(_split(spec.axes)[1]), choice.name)
    return msgspec.structs.replace(
        _model(name, path, facts),
        family=parent.family,
        quantization=choice.name,
        recipe=recipe,
        variant=parent.variant,
        published=found,
        **{axis: getattr(parent, axis) for axis in PAPER_AXES},
    )


def _refuse_quantized(path: Path) -> None:
    from bench.zoo.complexity import count

    stored = count(path).weight_bytes
    if 2 * stored.get("float32", 0) <= sum(stored.values()):
        kinds = ", ".join(sorted(stored)) or "no"
        raise ModelError(
            f"{path.name!r} can't be quantized: it holds {kinds} weights.",
            next_step="Give the float32 model that it was made of.",
        )


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


def _split(axes: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """The options of the quantization, and the axes of the family."""
    options = {key: value for key, value in axes.items() if key in schemes.OPTIONS}
    return options, {key: value for key, value in axes.items() if key not in options}


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
