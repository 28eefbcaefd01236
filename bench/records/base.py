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
        record = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        _refuse_other_schema(data)
        name = getattr(kind, "__name__", str(kind))
        raise StoreError(f"not a {name} of schema {SCHEMA}: {error}.") from error
    if getattr(record, "schema", SCHEMA) != SCHEMA:  # its fields may mean something else
        _refuse_other_schema(data)
    return record


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA


def _refuse_other_schema(data: bytes | str) -> None:
    try:
        schema = msgspec.json.decode(data, type=_Versioned).schema
    except (msgspec.MsgspecError, ValueError):
        return
    if schema != SCHEMA:
        raise StoreError(f"written with schema {schema}; this bench reads schema {SCHEMA}.")


def to_plain(record: Record) -> dict[str, Any]:
    """The record as plain dictionaries, lists and scalars."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def require(true: bool, message: str) -> None:
    """ValueError with the message unless it is true."""
    if not true:
        raise ValueError(message)
