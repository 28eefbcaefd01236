"""What went wrong and what to doubt: like cases told once, with where they occurred."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bench.doubts import IN_TITLE
from bench.frame.cells import Cell
from bench.records import Trial
from bench.report import text

MOST_PLACES = 40  # of one finding; the rest is counted


class Place(NamedTuple):
    """Where something occurred."""

    cell: Cell
    trial: Trial | None  # None: all its trials together
    message: str


class Finding(NamedTuple):
    """One kind of failure or doubt."""

    kind: str
    message: str  # of the first place
    cure: str
    places: tuple[Place, ...]

    @property
    def shown(self) -> tuple[Place, ...]:
        return self.places[:MOST_PLACES]

    @property
    def counted(self) -> str:
        """In how many trials, or cells whose trials show it together, it occurred."""
        noun = "trial" if all(place.trial for place in self.places) else "cell"
        return text.counted(len(self.places), noun)

    @property
    def more(self) -> int:
        return len(self.places) - len(self.shown)


def failures(cells: Iterable[Cell]) -> list[Finding]:
    """Trials that were not ok, by stage and reason; the most frequent first."""
    found: dict[tuple[str, str], list[Place]] = {}
    for cell in cells:
        for trial in cell.trials:
            if trial.status != "ok":
                kind = f"failed: {trial.stage}" if trial.stage else trial.status
                place = Place(cell, trial, "")
                found.setdefault((kind, trial.reason or ""), []).append(place)
    return _ordered(
        Finding(text.clean(kind), text.clean(reason, text.PROSE_LIMIT), "", tuple(places))
        for (kind, reason), places in found.items()
    )


def doubts(cells: Iterable[Cell]) -> list[Finding]:
    """Doubts by kind and cure; the most frequent first."""
    found: dict[tuple[str, str], list[Place]] = {}
    for cell in cells:
        of_trials = [(trial, doubt) for trial in cell.trials for doubt in trial.doubts]
        for trial, doubt in [*of_trials, *((None, doubt) for doubt in cell.doubts)]:
            if doubt.kind not in IN_TITLE:
                message = text.clean(doubt.message, text.PROSE_LIMIT)
                place = Place(cell, trial, message)
                found.setdefault((doubt.kind, doubt.cure), []).append(place)
    return _ordered(
        Finding(
            text.clean(kind), places[0].message, text.clean(cure, text.PROSE_LIMIT), tuple(places)
        )
        for (kind, cure), places in found.items()
    )


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: (-len(f.places), f.kind, f.message))
