"""Two runs, devices, builds or runtimes set side by side, cell by cell.

Cells are paired that are equal in all but what is compared. What else differs is refused by
name: a ratio that means two things at once means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from bench.errors import UsageError
from bench.frame import columns
from bench.frame.cells import Cell, pool_cells
from bench.frame.names import clean
from bench.frame.ratio import Ratio, Repetitions, ratio_of, repetitions, typical
from bench.frame.trials import AnyPath, Values, frame_of, read_runs
from bench.frame.verdict import VERDICTS, Verdict, verdicts

THRESHOLD = 0.03  # share of the median below which a difference is of no interest


class Pair(NamedTuple):
    """One cell on both sides."""

    a: Cell
    b: Cell
    ratio: Ratio  # of b over a
    verdict: Verdict
    reason: str | None  # why it can't be told


class Comparison(NamedTuple):
    """All pairs, the most telling first, and what found no partner that was measured."""

    pairs: tuple[Pair, ...]
    lost: tuple[Cell, ...]  # in the second, where no trial was ok of what the first has measured
    only_a: tuple[Cell, ...]
    only_b: tuple[Cell, ...]
    differs: tuple[str, ...]
    threshold: float

    def of(self, verdict: Verdict) -> tuple[Pair, ...]:
        """The pairs with a verdict."""
        return tuple(pair for pair in self.pairs if pair.verdict == verdict)

    def frame(self) -> pd.DataFrame:
        """One row a pair."""
        return frame_of(columns.PAIR_COLUMNS, [_row(pair) for pair in self.pairs])

    def _repr_html_(self) -> str:
        frame = self.frame()
        for foreign in ("model", "device_a", "device_b"):
            frame[foreign] = [clean(str(name)) for name in frame[foreign]]
        html: str = frame.to_html(index=False, escape=True)
        return html


def compare(
    a: AnyPath | Iterable[AnyPath],
    b: AnyPath | Iterable[AnyPath],
    *,
    differs: Collection[str] = (),
    threshold: float = THRESHOLD,
    a_where: Mapping[str, str] | None = None,
    b_where: Mapping[str, str] | None = None,
) -> Comparison:
    """Set the cells of `b` against the equal ones of `a`.

    `differs` names what is compared and may differ, out of `FIELDS`: nothing for two runs of
    one thing, `["library"]` for two runtimes, `["device"]` for two phones. `a_where` and
    `b_where` choose within a side, by the same names: `{"device": "Pixel 8"}`.
    A ratio above 1 means that `b` takes longer. Verdicts hold at `threshold`: slower and
    faster by more than it, same within it, all at 95 % for the whole comparison (Holm).
    """
    _known([*differs, *(a_where or {}), *(b_where or {})])
    if not 0 < threshold < 1:
        raise UsageError(f"the threshold is a share between 0 and 1, not {threshold}.")
    free = _implied(differs)
    chosen_a = _chosen(pool_cells(read_runs(a)), a_where)
    chosen_b = _chosen(pool_cells(read_runs(b)), b_where)
    side_a = _by_partner(chosen_a, "first", free)
    side_b = _by_partner(chosen_b, "second", free)
    lost = {_partner(cell, free): cell for cell in chosen_b if not _any_ok(cell)}
    partners = [partner for partner in side_a if partner in side_b]
    for partner in partners:
        _refuse_other(side_a[partner], side_b[partner], free)
    pairs = _judged([(side_a[p], side_b[p]) for p in partners], threshold)
    return Comparison(
        pairs=tuple(sorted(pairs, key=_importance)),
        lost=tuple(lost[p] for p in side_a if p in lost and p not in side_b),
        only_a=tuple(cell for p, cell in side_a.items() if p not in side_b and p not in lost),
        only_b=tuple(cell for partner, cell in side_b.items() if partner not in side_a),
        differs=tuple(differs),
        threshold=threshold,
    )


# What a cell is of, by name. Several values mean that its trials differ among themselves.
FIELDS: dict[str, Callable[[Cell], set[str]]] = {
    "device": lambda cell: {cell.device_id},
    "system": lambda cell: {cell.device.fingerprint or "not told"},
    "virtual": lambda cell: {"virtual" if cell.virtual else "phone"},
    "model": lambda cell: {cell.model.name},
    "file": lambda cell: {trial.model_sha256 for trial in cell.trials},
    "threads": lambda cell: {str(cell.config.threads)},
    "delegate": lambda cell: {cell.config.delegate},
    "affinity": lambda cell: {cell.config.affinity},
    "xnnpack": lambda cell: {cell.config.xnnpack},
    "runner": lambda cell: {t.runner.sha256 for t in cell.trials if t.runner},
    "library": lambda cell: {
        t.runner.library_sha256 or "in the runner" for t in cell.trials if t.runner
    },
    "input": lambda cell: {measured.input_source for measured in cell.measurements},
    "clock": lambda cell: {measured.clock for measured in cell.measurements},
}
PAIRED_BY = ("device", "model", "threads", "delegate", "affinity", "xnnpack")
# A phone brings its own build of Android; another ABI brings other binaries and another clock.
_BROUGHT = {
    "device": ("system", "virtual", "runner", "library", "clock"),
    "model": ("file",),
}


def _known(names: Iterable[str]) -> None:
    for name in names:
        if name not in FIELDS:
            raise UsageError(
                f"{name!r} can't be compared.", next_step=f"Name one of {', '.join(FIELDS)}."
            )


def _implied(differs: Collection[str]) -> set[str]:
    return {*differs, *(brought for name in differs for brought in _BROUGHT.get(name, ()))}


def _chosen(cells: Sequence[Cell], where: Mapping[str, str] | None) -> list[Cell]:
    """The cells that have the wanted values; a device is known by title or id."""

    def fits(cell: Cell, name: str, wanted: str) -> bool:
        told = {cell.title, cell.device_id} if name == "device" else FIELDS[name](cell)
        return wanted in told

    chosen = [c for c in cells if all(fits(c, *one) for one in (where or {}).items())]
    if where and not chosen:
        told = ", ".join(f"{name} {wanted}" for name, wanted in where.items())
        raise UsageError(f"no trial is of {told}.", next_step="Look at the run with bench show.")
    return chosen


Partner = tuple[str, ...]  # what a cell and its partner share


def _partner(cell: Cell, free: set[str]) -> Partner:
    return tuple(next(iter(FIELDS[name](cell))) for name in PAIRED_BY if name not in free)


def _any_ok(cell: Cell) -> bool:
    return any(trial.status == "ok" for trial in cell.trials)


def _by_partner(cells: Sequence[Cell], side: str, free: set[str]) -> dict[Partner, Cell]:
    """The measured cells by what their partners must share with them."""
    found: dict[Partner, Cell] = {}
    for cell in (cell for cell in cells if cell.latency is not None):
        for name, values in ((name, told(cell)) for name, told in FIELDS.items()):
            if len(values) > 1:
                raise UsageError(
                    f"trials of {cell.model.name} on {cell.title} in the {side} run differ in"
                    f" {name}: {_listed(values)}.",
                    next_step="Compare one run at a time.",
                )
        partner = _partner(cell, free)
        if partner in found:
            names = [
                n for n in FIELDS if FIELDS[n](found[partner]) != FIELDS[n](cell)
            ]  # fmt: skip
            raise UsageError(
                f"{cell.model.name} is in the {side} run with more than one {names[0]}.",
                next_step=f"Choose a {names[0]} on each side.",
            )
        found[partner] = cell
    return found


def _refuse_other(a: Cell, b: Cell, free: set[str]) -> None:
    for name, told in FIELDS.items():
        if name not in free and told(a) != told(b):
            raise UsageError(
                f"{a.model.name} on {a.title}: the sides differ in {name}"
                f" ({_listed(told(a))}; {_listed(told(b))}).",
                next_step=f"If that is what you compare, say so: differs {name}.",
            )


def _listed(values: set[str]) -> str:
    return ", ".join(value[:40] for value in sorted(values)) or "none"


def _judged(cells: Sequence[tuple[Cell, Cell]], threshold: float) -> list[Pair]:
    """Verdicts of all pairs at once, so that their number can't breed false ones."""
    sides_a, sides_b = (_side([pair[side] for pair in cells]) for side in (0, 1))
    sides = list(zip(sides_a, sides_b, strict=True))
    tellable = sum(min(len(a.logs), len(b.logs)) > 1 for (a, _), (b, _) in sides)
    ratios = [
        ratio_of(a, b, threshold=threshold, pairs=tellable, floors=(floor_a, floor_b))
        for (a, floor_a), (b, floor_b) in sides
    ]
    return [
        Pair(*both, ratio, *verdict)
        for both, ratio, verdict in zip(cells, ratios, verdicts(ratios), strict=True)
    ]


def _side(cells: Sequence[Cell]) -> list[tuple[Repetitions, float]]:
    """The repetitions of each cell, and how much those of its device scatter."""
    told = [repetitions(_samples(cell)) for cell in cells]
    on_device: dict[str, list[Repetitions]] = {}
    for cell, each in zip(cells, told, strict=True):
        on_device.setdefault(cell.device_id, []).append(each)
    scatter = {device: typical(of_device) for device, of_device in on_device.items()}
    return [(each, scatter[cell.device_id]) for cell, each in zip(cells, told, strict=True)]


def _samples(cell: Cell) -> list[tuple[float, ...]]:
    return [measured.samples_us for measured in cell.measurements]


def _importance(pair: Pair) -> tuple[int, float, str]:
    """Verdicts in their order, then the largest change first."""
    change = max(pair.ratio.ratio, 1 / pair.ratio.ratio)
    return (VERDICTS.index(pair.verdict), -change, pair.a.model.name)


def _row(pair: Pair) -> Values:
    """The values of `columns.PAIR_COLUMNS`."""
    a, b = pair.a.latency, pair.b.latency
    return (
        pair.a.model.name,
        pair.a.title,
        pair.b.title,
        pair.a.virtual or pair.b.virtual,
        pair.a.config.threads,
        pair.a.config.delegate,
        pair.a.config.affinity,
        pair.a.config.xnnpack,
        a.median if a else None,
        b.median if b else None,
        pair.ratio.ratio,
        pair.ratio.low,
        pair.ratio.high,
        pair.ratio.method,
        a.repetitions if a else 0,
        b.repetitions if b else 0,
        pair.verdict,
        pair.reason,
    )
