"""What is sure of many ratios at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.frame.ratio import ERROR_RATE, Ratio

Verdict = Literal["slower", "faster", "same", "can't tell"]
VERDICTS: tuple[Verdict, ...] = ("slower", "faster", "can't tell", "same")  # as in the columns


def verdicts(ratios: Sequence[Ratio]) -> list[tuple[Verdict, str | None]]:
    """A verdict for each ratio and, where nothing is sure, why.

    Of all ratios together, the chance of any wrong slower or faster is at most `ERROR_RATE`,
    and so is that of any wrong same.
    """
    told = [number for number, ratio in enumerate(ratios) if ratio.method is not None]
    changed = holm([_p_changed(ratios[number]) for number in told])
    same = holm([_known(ratios[number].p_same) for number in told])
    chances = dict(zip(told, zip(changed, same, strict=True), strict=True))
    return [_verdict(ratio, chances.get(number)) for number, ratio in enumerate(ratios)]


def holm(chances: Sequence[float]) -> list[float]:
    """Chances adjusted for their number (Holm, 1979), in the order given."""
    adjusted = [0.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda n: chances[n])):
        highest = max(highest, min(1.0, chances[place] * (len(chances) - rank)))
        adjusted[place] = highest
    return adjusted


def _verdict(ratio: Ratio, chances: tuple[float, float] | None) -> tuple[Verdict, str | None]:
    if chances is None:
        return "can't tell", "a single repetition does not tell what differs from start to start"
    changed, same = chances
    if changed < ERROR_RATE:
        return ("slower" if _known(ratio.p_slower) < _known(ratio.p_faster) else "faster"), None
    if same < ERROR_RATE:
        return "same", None
    return "can't tell", "too few repetitions, or too far apart"


def _p_changed(ratio: Ratio) -> float:
    """Both directions are asked about, so the smaller chance counts twice."""
    return min(1.0, 2 * min(_known(ratio.p_slower), _known(ratio.p_faster)))


def _known(chance: float | None) -> float:
    return 1.0 if chance is None else chance
