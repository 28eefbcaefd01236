"""What a family of models is: its axes, the names of its models, and how one is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import ModelError

if TYPE_CHECKING:
    from bench.zoo.writer import Tensor

Value = bool | int | float | str

# The axes of the papers have fields of their own in a Model; the others are options.
PAPER_AXES = ("alpha", "scale", "groups", "resolution")


@dataclass(frozen=True)
class Axis:
    """One axis of a family: its default, what it accepts, and how a name shows it."""

    default: Value
    accept: Callable[
        [Value], Value
    ]  # the value as the family wants it; ValueError: what it must be
    tag: Callable[[Value], str]
    always: bool = False  # shown in the name even when it has its default
    form: bool = False  # how the same network is written: printed accuracies stay its own


@dataclass(frozen=True)
class Family:
    """A network with its axes. `build` writes its layers into a graph and returns the logits."""

    name: str
    axes: Mapping[str, Axis]
    build: Callable[..., Tensor]
    # How the number of parameters that is published for it comes about: a key of
    # bench.zoo.conventions.CONVENTIONS.
    params_convention: str | None = None
    refuse: Callable[..., None] = lambda **axes: (
        None
    )  # ModelError for values that don't fit together

    def values(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """All axes with their values; ModelError for what the family doesn't accept."""
        unknown = [key for key in given if key not in self.axes]
        if unknown:
            raise ModelError(
                f"{self.name} has no axis {unknown[0]!r}.",
                next_step=f"Its axes are {', '.join(self.axes)}.",
            )
        values: dict[str, Value] = {}
        for key, axis in self.axes.items():
            try:
                values[key] = axis.accept(given.get(key, axis.default))
            except ValueError as error:
                raise ModelError(
                    f"{key} = {given[key]!r} makes no {self.name}: it must be {error}."
                ) from None
        self.refuse(**values)
        return values

    def title(self, values: Mapping[str, Value]) -> str:
        """The name of one model, like mobilenet_v1_0.5_224."""
        tags = [
            axis.tag(values[key])
            for key, axis in self.axes.items()
            if axis.always or values[key] != axis.default
        ]
        return "_".join([self.name, *tags])

    def options_in_words(self, values: Mapping[str, Value], *, forms: bool = True) -> str:
        """What differs from the defaults and is no axis of the papers, as "key=value,..."."""
        return ",".join(
            f"{key}={value}"
            for key, value in values.items()
            if key not in PAPER_AXES
            and value != self.axes[key].default
            and (forms or not self.axes[key].form)
        )


def factor(default: float = 1.0, most: float = 4.0) -> Axis:
    """A width: any number above 0."""

    def accept(value: Value) -> Value:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("a number")
        if not (math.isfinite(value) and 0 < value <= most):
            raise ValueError(f"more than 0 and at most {most:g}")
        return float(value)

    return Axis(default, accept, tag=repr, always=True)


def whole(default: int, most: int, *, prefix: str, always: bool = False, least: int = 1) -> Axis:
    """A whole number."""

    def accept(value: Value) -> Value:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return Axis(default, accept, tag=lambda value: f"{prefix}{value}", always=always)


def choice(
    default: Value, *others: Value, prefix: str = "", always: bool = False, form: bool = False
) -> Axis:
    """One of a few values."""
    known = (default, *others)

    def accept(value: Value) -> Value:
        # 1 == True, and 1.0 == 1: the type decides too.
        if not any(value == one and type(value) is type(one) for one in known):
            raise ValueError(f"one of {', '.join(str(one) for one in known)}")
        return value

    return Axis(default, accept, tag=lambda value: f"{prefix}{value}", always=always, form=form)


def switch(default: bool, *, tag: str) -> Axis:
    """On or off; the name shows the tag when it isn't the default."""

    def accept(value: Value) -> Value:
        if not isinstance(value, bool):
            raise ValueError("true or false")
        return value

    return Axis(default, accept, tag=lambda value: tag)


def resolution(default: int = 224, least: int = 1) -> Axis:
    """Height and width of the picture, in pixels."""
    return whole(default, 4096, prefix="", always=True, least=least)


def classes() -> Axis:
    return whole(1000, 100_000, prefix="classes")


def divisible(channels: float, step: int = 8) -> int:
    """The nearest multiple of `step` that keeps nine tenths: the MobileNet authors' rounding."""
    nearest = max(step, int(channels + step / 2) // step * step)
    return nearest + step if nearest < 0.9 * channels else nearest
