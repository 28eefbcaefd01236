"""A sweep file (TOML) becomes a validated, ordered, seeded plan of trials.

What is wrong with a file is said with its line before anything touches a phone.
Whether a family knows an axis, and whether its values fit together, is `bench.zoo`'s to say.
"""

from __future__ import annotations

import glob
import itertools
import math
import os
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import msgspec

from bench.errors import SweepError
from bench.records import (
    Config,
    Fitness,
    Measured,
    ModelSpec,
    PlannedTrial,
    Precision,
    Record,
    RunnerName,
)
from bench.sweep.lines import Where, shown

SIZE_LIMIT = 1 << 20  # bytes of a sweep file
MOST_OF_A_TABLE, MOST_TRIALS = 10_000, 1_000_000  # what takes a phone for years is a slip
TOP_KEYS = (
    "name", "repetitions", "seed", "runner", "profile", "memory", "energy", "sustained_s",
    "shard", "prepare", "models", "config", "precision", "fitness",
)  # fmt: skip
PREPARATIONS = (  # the fields of bench.device.Preparation
    "stay_awake", "animations_off", "fixed_performance", "performance_governor", "airplane_mode",
)  # fmt: skip
RUNNERS = ("auto", "bench-runner", "benchmark_model")
CONFIG_KEYS = ("threads", "delegate", "affinity", "xnnpack")
LEAST_SUSTAINED_S, MOST_SUSTAINED_S = 2, 3600
Scalar = bool | int | float | str
R = TypeVar("R", bound=Record)


class Sweep(Record, frozen=True, kw_only=True):
    """A sweep file, read and checked."""

    name: str
    text: str  # the file as given
    file: str
    seed: int
    repetitions: int
    models: tuple[ModelSpec, ...]
    configs: tuple[Config, ...]
    precision: Precision
    runner: RunnerName | Literal["auto"] = "auto"
    profile: bool = False  # also take the times of the operators, in a process of their own
    memory: bool = False  # also take the memory after each step
    energy: bool = False  # also take the energy of an inference
    sustained_s: float = 0.0  # also run on for so long; 0: not
    fitness: Fitness = Fitness()
    shard: bool = False  # identical phones share the plan instead of running it each
    prepare: tuple[str, ...] = ()  # settings changed for the sweep and put back after it


def load(path: Path) -> Sweep:
    """Read and check a sweep file; SweepError names the line of what is wrong."""
    text = _text_of(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SweepError(f"{path}: not TOML: {error}.") from error
    except (ValueError, RecursionError) as error:  # a number of 4301 digits, a list in a thousand
        raise SweepError(f"{path}: a value in it is too long or nested too deeply.") from error
    where = Where(path, text)
    where.refuse_unknown(table, TOP_KEYS)
    sweep = Sweep(
        name=_name(table, path, where),
        text=text,
        file=str(path),
        seed=_whole(table, "seed", 1, 0, 2**31 - 1, where),
        repetitions=_whole(table, "repetitions", 1, 1, 10_000, where),
        models=_models(table, where),
        configs=_configs(table, where),
        precision=_table(Precision, "precision", table, where),
        runner=_runner(table, where),
        profile=_switch(table, "profile", where),
        memory=_switch(table, "memory", where),
        energy=_switch(table, "energy", where),
        sustained_s=_sustained(table, where),
        fitness=_table(Fitness, "fitness", table, where),
        shard=_switch(table, "shard", where),
        prepare=_prepare(table, where),
    )
    trials = len(sweep.models) * len(sweep.configs) * sweep.repetitions
    where.refuse_many(trials, MOST_TRIALS, "trials", "repetitions")
    return sweep


def plan_trials(sweep: Sweep, models: Sequence[str]) -> tuple[PlannedTrial, ...]:
    """Every model under every config, repetitions outermost, shuffled within each repetition.

    Shuffling spreads what drifts over the whole sweep (heat, charge, other processes) evenly
    over the cells instead of giving it to the last ones; the same seed gives the same order.
    """
    cells = list(itertools.product(models, sweep.configs))
    shuffle = random.Random(sweep.seed).shuffle  # noqa: S311  an order, not a secret
    order: list[tuple[int, str, Config]] = []
    for repetition in range(sweep.repetitions):
        shuffle(cells)
        order += [(repetition, model, config) for model, config in cells]
    return tuple(
        PlannedTrial(index=index, model=model, config=config, repetition=repetition)
        for index, (repetition, model, config) in enumerate(order)
    )


def line_of(sweep: Sweep, spec: ModelSpec, complaint: str) -> int | None:
    """The line of the key of a model's table that a complaint names, else of the table."""
    if spec.line is None:
        return None
    for number, line in enumerate(sweep.text.split("\n")[spec.line :], start=spec.line + 1):
        if line.lstrip().startswith("["):
            break
        key = line.partition("=")[0].strip().strip("\"'")
        if key and re.search(rf"(?<!\w){re.escape(key)}(?!\w)", complaint):
            return number
    return spec.line


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except IsADirectoryError as error:
        raise SweepError(f"{path} is a folder.", next_step="Name a sweep file (TOML).") from error
    except OSError as error:
        raise SweepError(
            f"can't read the sweep file {path}: {error.strerror or error}.",
            next_step="examples/quickstart.toml shows how one looks.",
        ) from error
    except ValueError as error:  # a NUL in the name
        raise SweepError(f"can't read the sweep file {path!r}: {error}.") from error
    if len(data) > SIZE_LIMIT:
        raise SweepError(f"{path} is larger than 1 MiB: not a sweep file.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SweepError(f"{path} is not UTF-8 text: not a sweep file.") from error


def _name(table: Mapping[str, Any], path: Path, where: Where) -> str:
    name = table.get("name", path.stem)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        where.fail(
            f"name is {shown(name)}, and it becomes a folder's name.",
            "name" if "name" in table else None,
            cure="Use up to 64 letters, digits, '.', '_' and '-'.",
        )
    return name


def _whole(
    table: Mapping[str, Any], key: str, default: int, low: int, high: int, where: Where
) -> int:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        where.fail(f"{key} must be a whole number from {low} to {high}, not {shown(value)}.", key)
    return value


def _runner(table: Mapping[str, Any], where: Where) -> Any:
    runner = table.get("runner", "auto")
    if runner not in RUNNERS:
        where.fail(f"runner must be one of {', '.join(RUNNERS)}, not {shown(runner)}.", "runner")
    return runner


def _prepare(table: Mapping[str, Any], where: Where) -> tuple[str, ...]:
    if "prepare" not in table:
        return ()
    asked = [str(point) for point in _axis(table["prepare"], "prepare", where, None)]
    for one in asked:
        if one not in PREPARATIONS:
            where.fail(
                f"prepare holds {shown(one)}; it knows {', '.join(PREPARATIONS)}.", "prepare"
            )
    return tuple(asked)


def _switch(table: Mapping[str, Any], key: str, where: Where) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        where.fail(f"{key} must be true or false, not {shown(value)}.", key)
    return value


def _models(table: Mapping[str, Any], where: Where) -> tuple[ModelSpec, ...]:
    entries = table.get("models")
    if not isinstance(entries, list) or not entries:
        where.fail("no models.", "models", cure="Add a [[models]] table.")
    specs: dict[object, ModelSpec] = {}
    for nth, entry in enumerate(entries):
        if not isinstance(entry, dict):
            where.fail(f"models holds {shown(entry)}.", "models", cure="Write it as [[models]].")
        asked = list(_specs(entry, nth, table.get("seed", 1), where))
        if "measured" in entry and len(asked) != 1:
            where.fail(
                f"measured is of one model, and this table asks for {len(asked)}.",
                "measured",
                "models",
                nth,
                cure="Give that model a [[models]] table of its own.",
            )
        for spec in asked:
            twin = specs.setdefault(_identity(spec), spec)
            if twin is not spec:
                where.fail(
                    f"{_spec_title(spec)} is asked for twice (first in line {twin.line}).",
                    None,
                    "models",
                    nth,
                )
    return tuple(specs.values())


def _specs(entry: Mapping[str, Any], nth: int, seed: int, where: Where) -> Iterator[ModelSpec]:
    """Every model of one [[models]] table."""
    line = where.line(None, "models", nth)
    values = {
        key: _axis(value, key, where, "models", nth)
        for key, value in entry.items()
        if key not in ("family", "measured")
    }
    measured = _measured(entry["measured"], nth, where) if "measured" in entry else None
    quantizations = [str(q) for q in values.pop("quantization", ["float32"])]
    patterns = values.pop("files", None)
    if (patterns is None) == ("family" not in entry):
        where.fail("a [[models]] table needs either family or files.", None, "models", nth)
    sources: list[dict[str, Any]]
    if patterns is not None:
        sources = [{"file": file} for file in _files(patterns, nth, where)]
    elif isinstance(entry["family"], str):
        sources = [{"family": entry["family"]}]
    else:
        where.fail(
            f"family must be one name, not {shown(entry['family'])}.", "family", "models", nth
        )
    asked = len(sources) * len(quantizations) * math.prod(map(len, values.values()))
    where.refuse_many(asked, MOST_OF_A_TABLE, "models", None, "models", nth)
    for source, point in itertools.product(sources, itertools.product(*values.values())):
        axes = dict(zip(values, point, strict=True))
        for quantization in quantizations:
            yield ModelSpec(
                **source,
                axes=axes,
                quantization=quantization,
                seed=seed,
                measured=measured,
                line=line,
            )


def _measured(value: Any, nth: int, where: Where) -> Measured:
    """The error that the user measured of a table's model."""
    try:
        return msgspec.convert(value, Measured)
    except msgspec.ValidationError as error:
        where.fail(
            f"measured: {error}.",
            "measured",
            "models",
            nth,
            cure='Write measured = { top1_error_pct = 8.85, dataset = "Fashion-MNIST test",'
            ' runtime = "ai-edge-litert 2.3.0" }.',
        )


def _axis(value: Any, key: str, where: Where, table: str | None, nth: int = 0) -> list[Scalar]:
    """One axis as a list of its points; a single value is an axis of one."""
    points = value if isinstance(value, list) else [value]
    if not points:
        where.fail(f"{key} is empty.", key, table, nth, cure="Give it at least one value.")
    for point in points:
        huge = isinstance(point, int) and not -(2**63) <= point < 2**63
        if huge or not isinstance(point, bool | int | float | str):
            where.fail(f"{key} holds {shown(point)}.", key, table, nth)
    if len({(type(p) is bool, p) for p in points}) < len(points):
        where.fail(f"{key} holds a value twice: {shown(points)}.", key, table, nth)
    return points


def _files(patterns: Iterable[Scalar], nth: int, where: Where) -> list[str]:
    """The files that patterns name, beside the sweep file unless absolute."""
    found: list[str] = []
    for pattern in patterns:
        base = where.path.parent
        if not isinstance(pattern, str) or not pattern or "\0" in pattern:
            where.fail(f"files holds {shown(pattern)}.", "files", "models", nth)
        literal = base / pattern  # a name may itself hold * or [
        matches = (
            [str(literal)]
            if os.path.lexists(literal)
            else sorted(_glob(str(Path(glob.escape(str(base))) / pattern)))
        )
        matches = [match for match in matches if match not in found]
        if not matches:
            where.fail(
                f"files = {shown(pattern)} names no file.",
                "files",
                "models",
                nth,
                cure=f"Paths are looked for beside the sweep file, in {base.resolve()}.",
            )
        for match in matches:
            if any("\ud800" <= char <= "\udfff" for char in match):
                where.fail(f"{match!r} is no UTF-8 text.", "files", "models", nth, "Rename it.")
        found += matches
    return found


def _configs(table: Mapping[str, Any], where: Where) -> tuple[Config, ...]:
    section = _section(table, "config", where)
    where.refuse_unknown(section, CONFIG_KEYS, "config")
    axes = {key: _axis(section[key], key, where, "config") for key in CONFIG_KEYS if key in section}
    where.refuse_many(
        math.prod(map(len, axes.values())), MOST_OF_A_TABLE, "configs", None, "config"
    )
    configs = []
    for point in itertools.product(*axes.values()):
        values: dict[str, Any] = dict(zip(axes, point, strict=True))
        configs.append(_made(Config, values, "config", where))
    return tuple(configs)


def _sustained(table: Mapping[str, Any], where: Where) -> float:
    value = table.get("sustained_s", 0)
    told = isinstance(value, int | float) and not isinstance(value, bool)
    if not told or not (value == 0 or LEAST_SUSTAINED_S <= value <= MOST_SUSTAINED_S):
        where.fail(
            f"sustained_s must be 0, or {LEAST_SUSTAINED_S} to {MOST_SUSTAINED_S} seconds,"
            f" not {shown(value)}.",
            "sustained_s",
        )
    return float(value)


def _table(kind: type[R], name: str, table: Mapping[str, Any], where: Where) -> R:
    """The record that a [table] of the file holds."""
    section = _section(table, name, where)
    where.refuse_unknown(section, kind.__struct_fields__, name)
    made: R = _made(kind, dict(section), name, where)
    return made


def _section(table: Mapping[str, Any], name: str, where: Where) -> Mapping[str, Any]:
    section = table.get(name, {})
    if not isinstance(section, dict):
        where.fail(f"{name} must be a table, not {shown(section)}.", name, cure=f"Write [{name}].")
    return section


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207  Path.glob refuses absolute patterns


def _made(kind: Any, values: dict[str, Any], table: str, where: Where) -> Any:
    """A record of `values`; what it refuses is said with the line of the key it speaks of."""
    for key, value in values.items():
        wanted = get_type_hints(kind)[key]
        try:
            msgspec.convert(value, wanted, strict=True)
        except msgspec.ValidationError:
            where.fail(f"{key} must be {_in_words(wanted)}, not {shown(value)}.", key, table)
    try:
        return kind(**values)
    except ValueError as error:
        what = str(error)
        culprit = next((key for key in values if re.search(rf"\b{key}\b", what)), None)
        held = f" ({culprit} = {shown(values[culprit])})" if culprit is not None else ""
        where.fail(f"{what}{held}.", culprit, table)


def _in_words(wanted: Any) -> str:
    if get_args(wanted):
        return "one of " + ", ".join(repr(value) for value in get_args(wanted))
    return {int: "a whole number", float: "a number"}.get(wanted, "text")


def _identity(spec: ModelSpec) -> object:
    return spec.family, spec.file, frozenset(spec.axes.items()), spec.quantization


def _spec_title(spec: ModelSpec) -> str:
    axes = ", ".join(f"{key} = {value}" for key, value in spec.axes.items())
    return f"{spec.family or spec.file!r}{f' with {axes}' if axes else ''}, {spec.quantization},"
