"""Float models made smaller, by litert-quantizer in a process of its own.

The quantizer runs a model to calibrate it, so a model that crashes its runtime would take this
process along; and its 150 MB of libraries would stay in memory for the whole sweep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.errors import ModelError
from bench.zoo import cache
from bench.zoo.host import ask
from bench.zoo.schemes import Choice

CALIBRATION_INPUTS = 8  # seeded noise; as many pictures are used when a folder is given
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".npy")
_MOST_PICTURES = 256
_SEED = 1001  # of the noise: other inputs than those that the result is checked with
_DEADLINE_S = 900.0


def quantized(parent: Path, path: Path, choice: Choice) -> tuple[cache.Facts, str]:
    """The quantized form of a float model, cached at `path`, and its recipe in words."""
    pictures = pictures_of(choice)
    words = recipe_in_words(choice, pictures)

    def write(temporary: Path) -> None:
        answer = ask(
            {
                "model": str(parent),
                "output": str(temporary),
                "scheme": choice.name,
                "recipe": choice.recipe,
                "io": choice.io,
                "seed": _SEED,
                "noise": CALIBRATION_INPUTS,
                "pictures": [str(picture) for picture in pictures],
            },
            script="quantize_process.py",
            runtime="ai-edge-litert",
            deadline_s=_DEADLINE_S,
        )
        if "error" in answer:
            raise ModelError(
                f"{parent.name!r} can't be quantized to {choice.name}: {answer['error']}.",
                next_step="Take another scheme, or give a float model that the quantizer takes.",
            )

    return cache.cached(path, write), words


def identity(choice: Choice) -> dict[str, Any]:
    """All that the bytes of a quantized model depend on, beside its parent."""
    return {
        "quantizer": metadata.version("litert-quantizer"),
        "scheme": choice.name,
        "recipe": choice.recipe,
        "io": choice.io,
        "pictures": [hashlib.sha256(p.read_bytes()).hexdigest() for p in pictures_of(choice)],
    }


def pictures_of(choice: Choice) -> Sequence[Path]:
    """The pictures that a model is calibrated with, in the order of their names."""
    if choice.calibration == "noise":
        return ()
    folder = Path(choice.calibration)
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    except OSError as error:
        raise ModelError(
            f"The calibration folder {str(folder)!r} can't be read: {error.strerror}.",
            next_step="Check the path.",
        ) from error
    if not found:
        raise ModelError(
            f"The calibration folder {str(folder)!r} holds no pictures.",
            next_step=f"Put some there: {', '.join(PICTURES)}.",
        )
    return found[:_MOST_PICTURES]


def recipe_in_words(choice: Choice, pictures: Sequence[Path]) -> str:
    words = f"{choice.recipe}: {choice.scheme.recipes[choice.recipe]}"
    if choice.scheme.calibrated:
        source = f"{len(pictures)} pictures" if pictures else f"{CALIBRATION_INPUTS} noise inputs"
        words += f"; {choice.io} inputs and outputs; calibrated on {source}"
    return words
