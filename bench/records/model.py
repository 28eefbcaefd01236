"""Models: what a sweep asks for, the files, and what is known of their accuracy."""

from __future__ import annotations

import re

from bench.records.base import Record, require


class Published(Record, frozen=True, kw_only=True):
    """An accuracy that somebody printed, with where it stands."""

    top1_error_pct: float
    source: str  # paper and version, table
    macs_m: float | None = None  # complexity as printed beside it, million MACs
    label: str | None = None  # the model as the source calls it
    delta_pct: float | None = None  # how much lower the error is than that of ...
    paired_with: str | None = None  # ... the model that the source calls so

    def __post_init__(self) -> None:
        require(0 <= self.top1_error_pct <= 100, "an error rate lies between 0 and 100 %")


class Measured(Record, frozen=True, kw_only=True):
    """An accuracy that a user measured of this very file; never the same as a published one."""

    top1_error_pct: float
    dataset: str  # and which part of it
    runtime: str  # that ran the model on it, and its version

    def __post_init__(self) -> None:
        require(0 <= self.top1_error_pct <= 100, "an error rate lies between 0 and 100 %")
        for told in (self.dataset, self.runtime):
            require(0 < len(told.strip()) <= 200, "dataset and runtime have 1 to 200 characters")


class Check(Record, frozen=True, kw_only=True):
    """Outputs of a model held against others that they should be like."""

    runtime: str
    version: str | None = None
    reason: str | None = None  # what is wrong; None: nothing
    not_compared: str | None = None  # why nothing could be held against anything
    inputs: int = 0  # that both were given
    snr_db: float | None = None  # of the outputs; None: not told, or nothing differs
    top1_agreement: float | None = None  # share of the inputs with the same largest output

    @property
    def ok(self) -> bool:
        return self.reason is None


class Model(Record, frozen=True, kw_only=True):
    """A .tflite file and what is known of it."""

    name: str
    path: str  # on the host
    sha256: str
    size_bytes: int
    family: str | None = None  # None: a user's file
    alpha: float | None = None
    scale: float | None = None
    groups: int | None = None
    resolution: int | None = None
    quantization: str | None = None
    recipe: str | None = None  # how it was quantized, in words
    check: Check | None = None  # None: not quantized here, or not checked
    variant: str | None = None  # options that are not axes of the papers, "key=value,..."
    macs: int | None = None  # convolutions + fully connected; None: not countable
    macs_conv: int | None = None  # convolutions only
    params: int | None = None
    not_countable: str | None = None  # why macs is None
    published: tuple[Published, ...] = ()
    measured: Measured | None = None

    def __post_init__(self) -> None:
        require(bool(self.name), "a model needs a name")
        require(bool(re.fullmatch(r"[0-9a-f]{64}", self.sha256)), "sha256 is 64 hex digits")
        require(self.size_bytes > 0, "a model file is not empty")


class ModelSpec(Record, frozen=True, kw_only=True):
    """One model that a sweep asks for, before it is made: a family with its axes, or a file."""

    family: str | None = None
    file: str | None = None
    axes: dict[str, bool | int | float | str] = {}  # alpha, scale, groups, resolution, ...
    quantization: str = "float32"
    seed: int = 1  # of the weights
    measured: Measured | None = None  # as the sweep file tells it
    line: int | None = None  # of the sweep file, for errors

    def __post_init__(self) -> None:
        require(
            (self.family is None) != (self.file is None), "a model is a family or a file, not both"
        )
