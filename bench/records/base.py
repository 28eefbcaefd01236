"""What all records have in common, and their form on disk."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from bench.errors import StoreError

SCHEMA = 1


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all records: frozen, named fields only, unknown fields refused."""


R = TypeVar("R")


def encode(record: Record) -> bytes:
    """One line of JSON without a line end."""
    return msgspec.json.encode(record)


def decode(data: bytes | str, kind: type[R]) -> R:
    """The record in a JSON text; StoreError when it holds anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        name = getattr(kind, "__name__", str(kind))
        raise StoreError(f"not a {name} of schema {SCHEMA}: {error}") from error


def to_plain(record: Record) -> dict[str, Any]:
    """The record as plain dictionaries, lists and scalars."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def require(true: bool, message: str) -> None:
    """ValueError with the message unless it is true."""
    if not true:
        raise ValueError(message)
