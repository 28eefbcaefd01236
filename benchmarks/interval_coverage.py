"""How often the intervals of a ratio hold the truth, and how often a comparison is wrong.

Made-up repetitions scatter by 2 % from start to start, in five ways: normal, skewed (a tail of
slow starts), bimodal (seven of ten starts in one mode, the others 4 % above), two modes (half and
half) and heavy-tailed (Student's t with 2 degrees of freedom); the first table has normal starts
of which one side scatters a quarter as much, too. Prints, for 2 to 8 repetitions:

1. of pairs of equal cells, the share whose 95 % interval holds 1, and its width in the median
   case: by ranks, by Welch's t, and by a hierarchical bootstrap (repetitions are drawn, then
   samples within them; percentiles);
2. of whole comparisons of so many cells, as `bench.compare` judges them at 3 %, the share with a
   false verdict, of the worst of the five: any slower or faster where all are equal, any slower
   where all are at the threshold, any same there; and the share of cells a tenth slower that is
   told, of normal starts.

Of m and m repetitions, ranks are used up to a number of cells, told first.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from bench.frame.ratio import ERROR_RATE, Ratio, Repetitions, ratio_of, repetitions, typical
from bench.frame.verdict import Verdict, verdicts
from bench.stats import ranks

Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float]
SAMPLES = 30
DRAWS = 400  # of a bootstrap
SCATTER = 0.02
THRESHOLD = 0.03
REPETITIONS = (2, 3, 4, 5, 6, 8)
Shape = tuple[int, ...]
STARTS: dict[str, Callable[[np.random.Generator, Shape], Floats]] = {
    "normal": lambda dice, shape: dice.normal(0, 1, shape),
    "skewed": lambda dice, shape: dice.exponential(1, shape),
    "bimodal": lambda dice, shape: 2 * (dice.random(shape) < 0.3) + dice.normal(0, 1 / 8, shape),
    "two modes": lambda dice, shape: 2 * (dice.random(shape) < 0.5) + dice.normal(0, 1 / 8, shape),
    "heavy-tailed": lambda dice, shape: dice.standard_t(2, shape) / 2,
}

UNEQUAL = "unequal"  # normal, but one side scatters a quarter as much as the other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=500, help="of the first table, a line")
    parser.add_argument("--cells", type=int, default=2000, help="of the second table, a line")
    asked = parser.parse_args()
    limits = (f"{m}: {math.ceil(ERROR_RATE / ranks.least_p(m, m)) - 1}" for m in REPETITIONS)
    print(f"By rank up to so many cells, by repetitions a side: {', '.join(limits)}\n")
    print(
        "| starts | repetitions | rank: held | width | t: held | width | bootstrap: held | width |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind in (*STARTS, UNEQUAL):
        for count in REPETITIONS:
            print(f"| {kind} | {count} | {' | '.join(intervals(kind, count, asked.pairs))} |")
    print("\n| repetitions | cells | method | equal: false | at the threshold: slower | same |"
          " a tenth slower: told |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for count in REPETITIONS:
        for cells in (1, 10, 50):
            told = " | ".join(families(count, cells, asked.cells // cells))
            print(f"| {count} | {cells} | {told} |", flush=True)


def intervals(kind: str, count: int, pairs: int) -> Iterator[str]:
    """How often each interval holds the truth, and how wide it is."""
    dice = np.random.default_rng(1)
    found: dict[str, list[Bounds]] = {"rank": [], "t": [], "bootstrap": []}
    for _ in range(pairs):
        starts = [STARTS.get(kind, STARTS["normal"])(dice, (count,)) for _ in range(2)]
        if kind == UNEQUAL:
            starts[0] /= 4
        a, b = (sampled(dice, side) for side in starts)
        sides = repetitions(a.tolist()), repetitions(b.tolist())
        # As the only pair by ranks, where they suffice; as one of very many by t.
        ratios = [ratio_of(*sides, threshold=THRESHOLD, pairs=many) for many in (1, 10**9)]
        told = {ratio.method: ratio for ratio in ratios}
        for method, ratio in told.items():
            found[str(method)].append((math.log(ratio.low or 1), math.log(ratio.high or 1)))
        found["bootstrap"].append(bootstrap(dice, a, b))
    for bounds in found.values():
        held = [lower <= 0 <= upper for lower, upper in bounds]
        yield f"{np.mean(held):.1%}" if held else "–"
        yield f"{np.median([upper - lower for lower, upper in bounds]):.1%}" if held else "–"


def sampled(dice: np.random.Generator, starts: Floats) -> Floats:
    """Samples in µs with a tail to the right, a row a repetition."""
    noise = 1 + dice.exponential(1 / 60, (len(starts), SAMPLES))
    return np.asarray(1000 * np.exp(SCATTER * starts)[:, None] * noise)


def bootstrap(dice: np.random.Generator, a: Floats, b: Floats) -> Bounds:
    """Bounds of the ratio's logarithm, of redrawn repetitions and samples."""
    low, high = np.percentile(redrawn(dice, b) - redrawn(dice, a), [2.5, 97.5])
    return float(low), float(high)


def redrawn(dice: np.random.Generator, side: Floats) -> Floats:
    """Log medians of cells drawn from one."""
    chosen = side[dice.integers(0, len(side), (DRAWS, len(side)))]
    samples = np.take_along_axis(chosen, dice.integers(0, SAMPLES, chosen.shape), axis=2)
    return np.asarray(np.log(np.median(np.median(samples, axis=2), axis=1)))


def families(count: int, cells: int, rounds: int) -> Iterator[str]:
    """Shares of whole comparisons with a wrong verdict, and of cells with a right one."""
    methods: set[str] = set()

    def compared(kind: str, apart: float, rounds: int) -> list[list[Verdict]]:
        dice, found = np.random.default_rng(2), []
        for _ in range(rounds):
            a, b = (SCATTER * STARTS[kind](dice, (cells, count)) for _ in range(2))
            ratios = judged(a, b + apart)
            methods.update(ratio.method or "none" for ratio in ratios)
            found.append([verdict for verdict, _ in verdicts(ratios)])
        return found

    def worst(apart: float, wrong: set[Verdict]) -> str:
        shares = {
            kind: float(
                np.mean([bool(wrong & {*found}) for found in compared(kind, apart, rounds)])
            )
            for kind in STARTS
        }
        kind = max(shares, key=lambda kind: shares[kind])
        return f"{shares[kind]:.1%} ({kind})" if shares[kind] else "0.0%"

    told = [worst(0, {"slower", "faster"}), worst(math.log1p(THRESHOLD), {"slower"}),
            worst(math.log1p(THRESHOLD), {"same"})]  # fmt: skip
    slower = compared("normal", math.log(1.1), max(rounds // 4, 1))
    yield ", ".join(sorted(methods))
    yield from told
    yield f"{np.mean([verdict == 'slower' for found in slower for verdict in found]):.1%}"


def judged(a: Floats, b: Floats) -> list[Ratio]:
    """The ratios of one comparison, from log medians: samples without any noise of their own."""
    sides = [
        [Repetitions(tuple(logs), float(np.var(logs, ddof=1))) for logs in side.tolist()]
        for side in (a, b)
    ]
    floors = (typical(sides[0]), typical(sides[1]))
    return [
        ratio_of(*pair, threshold=THRESHOLD, pairs=len(a), floors=floors)
        for pair in zip(*sides, strict=True)
    ]


if __name__ == "__main__":
    main()
