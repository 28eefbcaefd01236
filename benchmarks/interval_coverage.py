"""How often two intervals of a ratio hold the truth, with as few repetitions as phones are given.

Made-up repetitions scatter from start to start, and their samples have a tail to the right. Of
many pairs of equal cells, prints the share whose 95 % interval holds 1, and the width of that
interval: of what `bench.compare` does (Welch's t on the repetitions' log medians), and of the
hierarchical bootstrap (repetitions are drawn, then samples within them; percentiles).
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import numpy.typing as npt

from bench.frame.ratio import ratio_of

Floats = npt.NDArray[np.float64]
SAMPLES = 30
DRAWS = 400  # of a bootstrap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    asked = parser.parse_args()
    print("scatter of starts  repetitions  Welch: held, width  bootstrap: held, width")
    for scatter in (0.0, 0.005, 0.02):
        for repetitions in (2, 3, 4, 5, 10):
            dice = np.random.default_rng(1)
            welch, bootstrap = [], []
            for _ in range(asked.pairs):
                a, b = (cell(dice, repetitions, scatter) for _ in range(2))
                welch.append(of_welch(a, b))
                bootstrap.append(of_bootstrap(dice, a, b))
            print(f"{scatter:17.1%} {repetitions:12} {told(welch)} {told(bootstrap)}")


def cell(dice: np.random.Generator, repetitions: int, scatter: float) -> Floats:
    """Samples in µs, a row a repetition."""
    starts = np.exp(dice.normal(0, scatter, (repetitions, 1)))
    return np.asarray(1000 * starts * (1 + dice.exponential(1 / 60, (repetitions, SAMPLES))))


def of_welch(a: Floats, b: Floats) -> tuple[float, float]:
    """Bounds of the ratio's logarithm."""
    ratio = ratio_of(a.tolist(), b.tolist())
    return math.log(ratio.low or 1), math.log(ratio.high or 1)


def of_bootstrap(dice: np.random.Generator, a: Floats, b: Floats) -> tuple[float, float]:
    """The same, of redrawn repetitions and samples."""
    low, high = np.percentile(redrawn(dice, b) - redrawn(dice, a), [2.5, 97.5])
    return float(low), float(high)


def redrawn(dice: np.random.Generator, side: Floats) -> Floats:
    """Log medians of cells drawn from one."""
    repetitions = len(side)
    chosen = side[dice.integers(0, repetitions, (DRAWS, repetitions))]
    samples = np.take_along_axis(chosen, dice.integers(0, SAMPLES, chosen.shape), axis=2)
    return np.asarray(np.log(np.median(np.median(samples, axis=2), axis=1)))


def told(bounds: list[tuple[float, float]]) -> str:
    held = sum(low <= 0 <= high for low, high in bounds) / len(bounds)
    width = sum(high - low for low, high in bounds) / len(bounds)
    return f"{held:12.1%} {width:7.2%}"


if __name__ == "__main__":
    main()
