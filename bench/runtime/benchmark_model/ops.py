"""The tables of an operator profile, old and new.

A profile is printed for the initialization and for the runs, each as a table in the order of
running, one by time, and one by type; only the first of the runs is read. Versions differ in
columns (with or without [start], [mem KB], [times called]), in banners, in tabs or spaces between
columns, and in node types that hold spaces and commas: so the header says which column is which,
and a row must fit it exactly. Times of one call are multiplied by [times called], because a row
may stand for several nodes of one name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from bench.errors import RunnerError
from bench.records import OpTime
from bench.runtime.benchmark_model.delegation import UNNAMED, family_of

_MAX_NAME_CHARS = 4096


class Profile(NamedTuple):
    """The operators of one inference, and the time of all of them as the tool sums it."""

    ops: tuple[OpTime, ...]
    total_us: float | None


class _Row(NamedTuple):
    op: str
    name: str | None
    mean_ms: float
    calls: float


class _Section:
    """One graph's tables; `rows` are of the table in the order of running."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self.declared: int | None = None  # Number of nodes executed
        self.total_us: float | None = None
        self.tables = 0


def read_profile(lines: list[str]) -> Profile | None:
    """The profile of the runs; None when the tool printed no table of them at all.

    RunnerError (stage `profile`) for a table that is cut or damaged.
    """
    if not lines:
        return None
    sections = _read_sections(lines)
    graph = sections.get("graph")
    if graph is None or graph.tables == 0:
        raise _cut("the table of the runs is missing")
    _refuse_cut(graph)
    rows = [row for row in graph.rows if not _is_bookkeeping(row.op)]
    inside = sections.get("inside")
    ops = _operators(rows, None)
    if inside is not None:  # its rows are what the graph's delegate nodes did
        _refuse_cut(inside)
        owners = {op.delegate for op in ops if op.delegate is not None}
        owner = owners.pop() if len(owners) == 1 else UNNAMED
        ops = [op for op in ops if op.delegate is None] + _operators(inside.rows, owner)
    numbered = tuple(
        OpTime(index=i, op=op.op, name=op.name, mean_us=op.mean_us, delegate=op.delegate)
        for i, op in enumerate(ops)
    )
    return Profile(numbered, graph.total_us)


def _read_sections(lines: list[str]) -> dict[str, _Section]:
    """Sections by name: initialization, graph, inside (of delegates), subgraph."""
    sections: dict[str, _Section] = {}
    phase = "graph"
    name = phase
    banner: str | None = None
    columns: tuple[str, ...] | None = None
    for line in lines:
        if "\t" in line and line[0] != "[":  # a row, of this table or of one that isn't read
            if columns is not None:
                sections[name].rows.append(_row(line, columns))
            continue
        heading = _heading(line)
        if heading is not None:
            phase = heading if heading in ("graph", "initialization") else phase
            name = heading if phase == "graph" else phase
            if heading == "primary":
                name = phase
            banner = columns = None
            continue
        if line.startswith("==="):
            banner, columns = line.strip("= "), None
            continue
        section = sections.setdefault(name, _Section())
        header = _header(line)
        if header is not None:
            unnamed = banner is None and section.tables == 0
            ordered = bool(header) and (banner == "Run Order" or unnamed)
            section.tables += ordered
            columns = header if ordered and section.tables == 1 else None
            banner = None
        elif _take_total(section, line):
            columns = None
        elif columns is not None:
            section.rows.append(_row(line, columns))
    return sections


def _heading(line: str) -> str | None:
    if line.startswith("Profiling Info for "):
        return "initialization"
    if line.startswith("Operator-wise Profiling Info"):
        return "graph"
    if line.startswith("Primary graph"):
        return "primary"
    if line.startswith("Delegate internal"):
        return "inside"
    if line.startswith("Subgraph (index: ") and line.endswith(":"):
        return "subgraph"
    return None


def _header(line: str) -> tuple[str, ...] | None:
    """The columns that a header names, lower case; of the summary by type: none."""
    if line.startswith("[Node type]") or line.startswith("node type, count"):
        return ()
    if line.startswith("[node type]"):
        return tuple(column.lower() for column in re.findall(r"\[([^\]\[]{1,40})\]", line))
    if line.startswith("node type, "):
        return (",", *(c.strip().lower().replace("_", " ") for c in line.split(",")))
    return None


def _take_total(section: _Section, line: str) -> bool:
    found = re.search(r"Number of nodes executed: (\d{1,9})$", line)
    if found:
        section.declared = int(found[1])
        return True
    if line.startswith("Timings (microseconds): count="):
        found = re.search(r" avg=([0-9.e+]{1,24})", line) or _ONLY.search(line)
        section.total_us = _number(found[1]) if found else None
        return True
    return line.endswith(" nodes observed")


_ONLY = re.compile(r" curr=([0-9.e+]{1,24})")


def _row(line: str, columns: tuple[str, ...]) -> _Row:
    fields = _fields(line, columns)
    if fields is None:
        raise _cut(f"this row doesn't fit its header: {line[:200]!r}")
    names = columns[1:] if columns[0] == "," else columns
    by_name = dict(zip(names, fields, strict=False))
    mean = by_name.get("avg ms")
    calls = by_name.get("times called", "1")
    if mean is None:
        raise _cut("it has no column of milliseconds")
    name = by_name.get("name", "")[:_MAX_NAME_CHARS].replace("\t", ",")
    if not float(mean) < 1e9:
        raise _cut("it holds a time that can't be")
    # 0 calls: old versions don't count, and a rounded-down average of less than 1.
    return _Row(by_name["node type"], name or None, float(mean), max(1.0, float(calls)))


def _fields(line: str, columns: tuple[str, ...]) -> list[str] | None:
    """The row's fields, each of its column's kind; None when it doesn't fit."""
    if columns[0] == ",":
        return _comma_fields(line, columns[1:])
    found = (_tabbed(columns) if "\t" in line else _spaced(columns)).match(line)
    return [field or "" for field in found.groups()] if found else None


def _comma_fields(line: str, columns: tuple[str, ...]) -> list[str] | None:
    """Node types hold commas of their own, so the fields are counted from the right."""
    fields = [field.strip() for field in line.rsplit(",", len(columns) - 1)]
    fit = len(fields) == len(columns) and all(
        re.fullmatch(_kind(column), field) for field, column in zip(fields, columns, strict=True)
    )
    return fields if fit else None


def _kind(column: str) -> str:
    if column == "node type":
        return r"\S.*"
    if column == "name":
        return r".*"
    if "%" in column:
        return r"-?(?:\d{1,9}(?:\.\d{1,9})?(?:e[+-]\d{1,3})?|nan|inf)%"
    if column == "times called":
        return r"\d{1,9}(?:\.\d{1,9})?"
    return r"\d{1,12}(?:\.\d{1,9})?(?:e[+-]\d{1,3})?"


@lru_cache(maxsize=16)
def _tabbed(columns: tuple[str, ...]) -> re.Pattern[str]:
    """A row as the tool prints it: padded fields between tabs, the name last and perhaps empty."""
    inner = [f"({_kind(column)})" for column in columns[1:-1]]
    last = r"(?: *\t *(.*))?" if columns[-1] == "name" else rf" *\t *({_kind(columns[-1])})"
    return re.compile(r"([^\t]*[^\t ])" + "".join(rf" *\t *{x}" for x in inner) + last + "$")


@lru_cache(maxsize=16)
def _spaced(columns: tuple[str, ...]) -> re.Pattern[str]:
    """A row whose tabs became spaces: a type may hold single spaces, columns stand apart."""
    inner = [f"({_kind(column)})" for column in columns[1:-1]]
    last = r"\s*(.*)" if columns[-1] == "name" else rf"\s+({_kind(columns[-1])})"
    return re.compile(r"(\S+(?: \S+)*?)\s+" + r"\s+".join(inner) + last + "$")


def _operators(rows: list[_Row], owner: str | None) -> list[OpTime]:
    return [
        OpTime(
            index=0,
            op=row.op[:_MAX_NAME_CHARS],
            name=row.name,
            mean_us=round(row.mean_ms * row.calls * 1000, 6),
            delegate=owner or _owner(row),
        )
        for row in rows
    ]


def _owner(row: _Row) -> str | None:
    if row.name is not None and row.name.startswith("Delegate/"):
        return UNNAMED
    if "delegate" in row.op.lower() or row.op.startswith("LITERT_"):
        family = family_of(row.op)
        return UNNAMED if family == "delegate" else family
    return None


def _is_bookkeeping(op: str) -> bool:
    """Rows beside the operators: what the start cost, and LiteRT's own handling of buffers."""
    return op in _BOOKKEEPING or op.startswith("LiteRT::Run[")


_BOOKKEEPING = {"AllocateTensors", "ModifyGraphWithDelegate", "Misc Runtime Ops"}


def _refuse_cut(section: _Section) -> None:
    if section.declared is None or section.declared != len(section.rows) or not section.rows:
        raise _cut(f"{len(section.rows)} of {section.declared or 'its'} rows came")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _cut(how: str) -> RunnerError:
    return RunnerError(
        f"The operator profile is cut or damaged: {how}.",
        stage="profile",
        next_step="Run the trial again.",
    )
