"""The quantization schemes and their recipes: what can be asked for, by name.

A recipe is what runs well on LiteRT's CPU delegate (XNNPACK); the others are there to compare.
Options stand beside the axes of a model: `recipe`, `io` (the type of inputs and outputs) and
`calibration` ("noise", or a folder of pictures).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import ModelError
from bench.zoo.family import Value

OPTIONS = ("recipe", "io", "calibration")


@dataclass(frozen=True)
class Scheme:
    """One way of making a model smaller."""

    recipes: Mapping[str, str]  # in words, by name; the first is the default
    least_snr_db: float  # of the outputs against the float parent's; below, something is wrong
    io: tuple[str, ...] = ("float32",)
    calibrated: bool = False


@dataclass(frozen=True)
class Choice:
    """A scheme with its options."""

    name: str
    scheme: Scheme
    recipe: str
    io: str
    calibration: str = "noise"

    @property
    def tag(self) -> str:
        """How a model's name shows it; a folder of pictures by its name."""
        tags = [self.name]
        if self.recipe != next(iter(self.scheme.recipes)):
            tags.append(self.recipe)
        if self.io != "float32":
            tags.append(f"io_{self.io}")
        if self.calibration != "noise":
            tags.append("pictures")
        return "_".join(tags)


# Random weights give 33 to 70 dB with eight bits and more, and 8 to 15 dB with four; a model
# that went wrong gives 0 dB (nothing but zeros) or less.
SCHEMES: dict[str, Scheme] = {
    "float16": Scheme(
        recipes={"weights": "weights in float16, unpacked when the model is loaded"},
        least_snr_db=30,
    ),
    "dynamic_int8": Scheme(
        recipes={
            "tensorwise": "8-bit weights, activations quantized at run time; one scale for all of"
            " a fully connected layer (tflite-runtime 2.14 gives zeros otherwise); depthwise"
            " layers stay float (XNNPACK leaves them out otherwise)",
            "stock": "8-bit weights, activations quantized at run time, as the quantizer has it",
        },
        least_snr_db=12,
    ),
    "weight_int8": Scheme(
        recipes={"weights": "8-bit weights, unpacked when the model is loaded"},
        least_snr_db=12,
    ),
    "int8": Scheme(
        recipes={"static": "8-bit weights and activations"},
        least_snr_db=10,
        io=("float32", "int8"),
        calibrated=True,
    ),
    "int16x8": Scheme(
        recipes={"static": "8-bit weights and 16-bit activations"},
        least_snr_db=12,
        io=("float32", "int16"),
        calibrated=True,
    ),
    "int4": Scheme(
        recipes={
            "dynamic": "4-bit weights, activations quantized at run time; depthwise layers stay"
            " float",
            "weights": "4-bit weights, unpacked at run time; depthwise layers stay float",
        },
        least_snr_db=3,
    ),
}


def choose(quantization: str, options: Mapping[str, Value]) -> Choice | None:
    """The scheme and its options; None for float32; ModelError names what there is."""
    if quantization != "float32" and quantization not in SCHEMES:
        raise ModelError(
            f"There is no quantization {quantization!r}.",
            next_step=f"There is float32, {', '.join(SCHEMES)}.",
        )
    scheme = SCHEMES.get(quantization)
    if scheme is None:
        for option in options:
            raise ModelError(f"float32 has no {option}.", next_step="Name a quantization with it.")
        return None
    recipe = _one_of(quantization, "recipe", tuple(scheme.recipes), options)
    io = _one_of(quantization, "io", scheme.io, options)
    calibration = options.get("calibration", "noise")
    if not isinstance(calibration, str) or not calibration:
        raise ModelError(
            f"calibration = {calibration!r} is neither noise nor a folder.",
            next_step='Write "noise" or the path of a folder of pictures.',
        )
    if calibration != "noise" and not scheme.calibrated:
        raise ModelError(
            f"{quantization} needs no calibration.", next_step="Leave calibration out."
        )
    return Choice(quantization, scheme, recipe, io, calibration)


def _one_of(
    quantization: str, option: str, known: tuple[str, ...], options: Mapping[str, Value]
) -> str:
    value = options.get(option, known[0])
    if value not in known or not isinstance(value, str):
        raise ModelError(
            f"{quantization} has no {option} {value!r}.", next_step=f"It has {', '.join(known)}."
        )
    return value
