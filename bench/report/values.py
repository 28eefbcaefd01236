"""Columns of the comparison table, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from bench.report import text


class Head(NamedTuple):
    """A column."""

    key: str
    label: str
    unit: str = ""
    note: str = ""
    numeric: bool = True
    minor: Literal["", "narrow", "always"] = ""  # when hidden at first, to be brought back


class Value(NamedTuple):
    """What stands in a row under one head."""

    shown: str
    number: float | None = None  # what to sort by; None: by what is shown
    detail: str = ""  # smaller, beside it
    best: bool = False
    link: str = ""  # id of what it is made of
    flag: str = ""  # a reason for care, in words
    note: str = ""
    name: bool = False  # a foreign string
    bad: bool = False  # not measured though asked for


def number(value: float | None, show: Callable[..., str]) -> Value:
    """A figure that sorts by itself, or the sign for none."""
    return Value(show(value) if value is not None else text.NONE, value)
