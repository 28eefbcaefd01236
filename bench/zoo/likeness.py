"""Whether a phone computes what the host computes, as far as kernels may differ.

Kernels for other processors add in another order and round elsewhere, so bits are not compared.
What is allowed follows from the host itself, which has two kinds of kernels, XNNPACK's and the
builtin ones: docs/variance.md ("outputs differ from host") has the figures behind the limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from bench.records import Check

if TYPE_CHECKING:
    from bench.zoo.weights import Array

MOST_ASKED_DB = 25.0  # of any model; ARM keeps 76 dB in float32, 32 dB quantized at run time
HALF_DB = 3.0  # asked of half-precision arithmetic: some real models keep no more than 5 dB
MARGIN_DB = 12.0  # that a phone may be worse than the host's other kernels are: 4 times the noise
UNTOLD_DB = 10.0  # asked where the other kernels can't run the model
TELLING_DB = 15.0  # the host's kernels differ by more than that: the output tells nothing
NEAR_SHARE = 0.01  # of the largest element: a difference below is near enough
NEAR_STEPS = 2  # of a quantized output
NEAR_ZERO = 1e-3  # where the host has nothing but zeros
EQUAL_SHARE = 0.5  # of whole numbers that are no quantized reals, classes for example
OUTLYING = 8  # times the noise that is allowed: no noise makes another element the largest

_MOST = 1e140  # an element taken for larger would have a square beyond float64
_PART = 1 << 18  # elements looked at at once, so that large outputs don't fill the memory


class Likeness(NamedTuple):
    """One output of a phone beside the host's."""

    reason: str | None = None  # what is wrong; None: nothing
    snr_db: float | None = None  # None: nothing differs, or not told
    same_top: bool | None = None  # None: one element only
    tells: bool = True  # else the host's own kernels disagree


def held_against(
    host: Sequence[Array],
    phone: Sequence[Array],
    steps: Sequence[float],
    others: Sequence[Array] | None,
    *,
    half: bool = False,
) -> Check:
    """The outputs of a phone against the host's; the Check lacks the runtime.

    `steps` are those of outputs that are quantized reals in float32, else 0; `others` is what the
    host's other kernels give, None where they can't; `half` is that the phone was asked for
    arithmetic in half precision.
    """
    if len(host) != len(phone):
        return _untold(f"the phone gives {len(phone)} outputs and the host {len(host)}")
    found = []
    for number, (ours, theirs) in enumerate(zip(host, phone, strict=True)):
        other = others[number] if others is not None and len(others) == len(host) else None
        found.append(likeness(ours, theirs, steps[number], other, half=half))
    telling = [one for one in found if one.tells]
    if not telling:
        return _untold("the host's own kernels disagree about it")
    wrong = [f"output {n} {one.reason}" for n, one in enumerate(found) if one.reason is not None]
    told = [one.snr_db for one in telling if one.snr_db is not None]
    top = next((one.same_top for one in found if one.same_top is not None), None)
    return Check(
        runtime="",
        reason=wrong[0] if wrong else None,
        inputs=1,
        snr_db=round(min(told), 2) + 0.0 if told else None,  # no -0.0
        top1_agreement=None if top is None else float(top),
    )


def _untold(why: str) -> Check:
    return Check(runtime="", not_compared=why)


def likeness(
    host: Array, phone: Array, step: float, other: Array | None = None, *, half: bool = False
) -> Likeness:
    """One output against the host's."""
    if (host.dtype, host.size) != (phone.dtype, phone.size):
        return Likeness(
            f"has {phone.size} elements of {phone.dtype.name}, on the host {host.size} of"
            f" {host.dtype.name}"
        )
    if host.dtype.kind not in "iubf":
        return Likeness(tells=False)
    if host.dtype.kind in "iub" and not step:
        return _whole_numbers(host, phone, other)
    return _reals(host, phone, step, other, half)


def _whole_numbers(host: Array, phone: Array, other: Array | None) -> Likeness:
    if other is not None and _equal_share(host, other) < 1 - NEAR_SHARE:
        return Likeness(tells=False)
    equal = _equal_share(host, phone)
    if equal < EQUAL_SHARE:
        return Likeness(f"has {1 - equal:.0%} other numbers")
    return Likeness()


def _equal_share(a: Array, b: Array) -> float:
    return float((a.reshape(-1) == b.reshape(-1)).mean()) if a.size else 1.0


def _reals(host: Array, phone: Array, step: float, other: Array | None, half: bool) -> Likeness:
    found = difference(host, phone)
    same_top = bool(host.reshape(-1)[phone.argmax()] == host.max()) if host.size > 1 else None
    if found.broken:
        return Likeness("holds NaN or infinity", None, same_top)
    own = None if other is None else difference(host, other)
    near = max(NEAR_STEPS * step, NEAR_SHARE * found.largest or NEAR_ZERO)
    least_db = _least_db(own, near)
    if least_db is None:
        return Likeness(tells=False)
    if half:
        least_db = min(least_db, HALF_DB)
    snr_db = found.snr_db
    if found.farthest <= near:
        return Likeness(None, snr_db, same_top)
    if snr_db is None or snr_db < least_db:
        return Likeness(_what_is_wrong(phone, snr_db, least_db), snr_db, same_top)
    if same_top is False:
        lead = float(host.max()) - float(host.reshape(-1)[phone.argmax()])
        allowed = found.rms * 10 ** (-least_db / 20)
        if lead > max(near, OUTLYING * allowed):
            return Likeness("is largest where it is far from it on the host", snr_db, same_top)
    return Likeness(None, snr_db, same_top)


def _least_db(own: Difference | None, near: float) -> float | None:
    """What a phone must keep; None when the host's own kernels are too far apart."""
    if own is None or own.broken:
        return UNTOLD_DB
    if own.snr_db is None:
        return MOST_ASKED_DB
    if own.snr_db < TELLING_DB:  # a step or two are as much as all of an output that is small
        return UNTOLD_DB if own.farthest <= near else None
    return min(MOST_ASKED_DB, own.snr_db - MARGIN_DB)


def _what_is_wrong(phone: Array, snr_db: float | None, least_db: float) -> str:
    if not phone.any():
        return "is nothing but zeros"
    if phone.size > 1 and phone.min() == phone.max():
        return "is one value everywhere"
    if snr_db is None:
        return "is not zero as on the host"
    ratio = round(snr_db, 1) + 0.0  # no -0.0
    return f"keeps a signal-to-noise ratio of {ratio} dB, where {least_db:.0f} dB are due"


class Difference(NamedTuple):
    """How far two outputs are apart."""

    signal: float  # sum of squares of the first, around its mean
    noise: float  # sum of squares of the difference
    largest: float  # element of the first, without its sign
    farthest: float  # difference of two elements
    broken: bool  # the second is not finite where the first is
    elements: int

    @property
    def snr_db(self) -> float | None:
        """None when nothing differs, or nothing is there."""
        if not (self.signal > 0 and self.noise > 0):
            return None
        return 10 * (math.log10(self.signal) - math.log10(self.noise))

    @property
    def rms(self) -> float:
        """Of the signal."""
        return math.sqrt(self.signal / self.elements) if self.elements else 0.0


def difference(first: Array, second: Array) -> Difference:
    """How far `second` is from `first`, where that is finite."""
    import numpy as np

    total = squares = noise = largest = farthest = 0.0
    count, broken = 0, False
    for x, y in _parts(first, second):
        finite = np.isfinite(x) & np.isfinite(y)
        broken = broken or bool((np.isfinite(x) & ~np.isfinite(y)).any())
        x, y = x[finite], y[finite]
        if x.size == 0:
            continue
        with np.errstate(over="ignore"):
            apart = y - x
        largest = max(largest, float(abs(x).max()))
        farthest = max(farthest, float(abs(apart).max()))
        x, apart = x.clip(-_MOST, _MOST), apart.clip(-_MOST, _MOST)
        total, squares = total + float(x.sum()), squares + float((x**2).sum())
        noise += float((apart**2).sum())
        count += x.size
    # Around the mean: an output that hovers about 0.5 would pass with any noise otherwise.
    around = squares - total**2 / count if count else 0.0
    signal = around if around > 1e-9 * squares else squares
    return Difference(signal, noise, largest, farthest, broken, count)


def _parts(first: Array, second: Array) -> Iterator[tuple[Array, Array]]:
    import numpy as np

    first, second = first.reshape(-1), second.reshape(-1)
    for at in range(0, first.size, _PART):
        with np.errstate(invalid="ignore"):
            yield (
                first[at : at + _PART].astype(np.float64),
                second[at : at + _PART].astype(np.float64),
            )
