"""Outputs of a phone beside those of the host: what may differ, and what may not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.zoo.likeness import MOST_ASKED_DB, difference, held_against, likeness
from bench.zoo.weights import Array

RNG = np.random.default_rng(1)
LOGITS = RNG.normal(0, 1, 1000).astype(np.float32)
INT8 = np.clip(np.round(RNG.normal(0, 40, 1000)), -128, 127).astype(np.int8)


def noisy(values: Array, db: float, seed: int = 2) -> Array:
    """The same with noise that is `db` below them."""
    noise = np.random.default_rng(seed).normal(0, 1, values.shape)
    return (values + noise * values.std() * 10 ** (-db / 20)).astype(values.dtype)


def stepped(values: Array, steps: int, share: float = 0.3) -> Array:
    """The same with some elements a few steps further."""
    moved = np.random.default_rng(3).random(values.shape) < share
    return np.clip(values.astype(int) + moved * steps, -128, 127).astype(values.dtype)


def test_the_same_outputs_differ_in_nothing() -> None:
    for values, step in ((LOGITS, 0.0), (INT8, 1.0)):
        found = held_against([values], [values.copy()], [step], [values])
        assert (found.reason, found.not_compared) == (None, None)
        assert (found.snr_db, found.top1_agreement, found.inputs) == (None, 1.0, 1)


def test_other_rounding_passes_and_the_ratio_is_told() -> None:
    for db in (120, 50, 38):
        found = held_against([LOGITS], [noisy(LOGITS, db)], [0.0], [noisy(LOGITS, 120, 4)])
        assert found.reason is None
        assert found.snr_db == pytest.approx(db, abs=1)


def test_half_precision_that_was_asked_for_may_cost_nearly_all_of_an_output() -> None:
    for db, wrong in ((21, False), (5, False), (0, True), (-36, True)):
        phone = noisy(LOGITS, db)
        found = held_against([LOGITS], [phone], [0.0], [noisy(LOGITS, 120, 4)], half=True)
        assert (found.reason is not None) == wrong
    overflown = np.where(LOGITS > 3, np.inf, LOGITS).astype(np.float32)
    assert likeness(LOGITS, overflown, 0, LOGITS, half=True).reason == "holds NaN or infinity"


@pytest.mark.parametrize("db", [-36, 0, 10, 20])
def test_a_float_model_with_more_noise_than_half_precision_makes_is_doubted(db: float) -> None:
    found = held_against([LOGITS], [noisy(LOGITS, db)], [0.0], [noisy(LOGITS, 120, 4)])
    assert found.reason is not None
    assert f"where {MOST_ASKED_DB:.0f} dB are due" in found.reason
    assert found.snr_db == pytest.approx(db, abs=1)


def test_a_phone_may_be_as_far_off_as_the_host_s_kernels_are_from_each_other() -> None:
    other = noisy(LOGITS, 23, 4)
    assert likeness(LOGITS, noisy(LOGITS, 20), 0, other).reason is None
    assert likeness(LOGITS, noisy(LOGITS, 20), 0, noisy(LOGITS, 120, 4)).reason is not None
    assert likeness(LOGITS, noisy(LOGITS, 5), 0, other).reason is not None


def test_where_the_host_s_kernels_disagree_the_phone_is_not_blamed() -> None:
    found = held_against([LOGITS], [noisy(LOGITS, 0)], [0.0], [noisy(LOGITS, 5, 4)])
    assert found.reason is None
    assert found.not_compared == "the host's own kernels disagree about it"
    assert (found.snr_db, found.inputs) == (None, 0)


def test_where_the_other_kernels_can_t_run_it_only_much_noise_is_doubted() -> None:
    assert likeness(LOGITS, noisy(LOGITS, 15), 0, None).reason is None
    assert likeness(LOGITS, noisy(LOGITS, 3), 0, None).reason is not None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros_like(LOGITS), "output 0 is nothing but zeros"),
        (np.full_like(LOGITS, 0.5), "output 0 is one value everywhere"),
        (np.where(LOGITS > 2, np.nan, LOGITS), "output 0 holds NaN or infinity"),
        (np.where(LOGITS > 2, np.inf, LOGITS), "output 0 holds NaN or infinity"),
        (np.full_like(LOGITS, np.nan), "output 0 holds NaN or infinity"),
        (LOGITS[:999], "output 0 has 999 elements of float32, on the host 1000 of float32"),
        (INT8, "output 0 has 1000 elements of int8, on the host 1000 of float32"),
        (LOGITS[::-1], "output 0 keeps a signal-to-noise ratio of -3"),
        (LOGITS * 2, "output 0 keeps a signal-to-noise ratio of 0.0 dB"),
        (LOGITS + 1, "output 0 keeps a signal-to-noise ratio of"),
    ],
)
def test_what_is_plainly_wrong_is_named(wrong: Array, words: str) -> None:
    found = held_against([LOGITS], [wrong.astype(wrong.dtype)], [0.0], [LOGITS])
    assert str(found.reason).startswith(words)


@pytest.mark.parametrize("far", [1e170, 1e200, -1.7e308])
def test_a_number_at_the_end_of_its_type_is_doubted_and_told(far: float) -> None:
    host = np.array([1.0, 2.0, 3.0])
    for ours in (host, host * 1e-160, host * 5e307):
        found = likeness(ours, np.array([far, 1.0, 2.0]), 0.0)
        assert found.reason is not None
        assert found.snr_db is None or math.isfinite(found.snr_db)


def test_no_warning_and_no_doubt_where_the_host_is_not_finite_either() -> None:
    values = LOGITS.copy()
    values[:3] = np.inf, -np.inf, np.nan
    assert held_against([values], [values.copy()], [0.0], [values]).reason is None
    near = noisy(LOGITS, 60)
    near[:3] = 0, 1, 2
    assert held_against([values], [near], [0.0], None).reason is None


def test_quantized_outputs_may_differ_by_two_steps() -> None:
    small = np.where(RNG.random(1000) < 0.02, -127, -128).astype(np.int8)
    for steps in (1, 2):
        for host in (small, INT8, np.full(1000, -128, np.int8)):
            assert likeness(host, stepped(host, steps), 1.0, host).reason is None
    reals = small.astype(np.float32) / 256
    assert (
        likeness(reals, stepped(small, 1).astype(np.float32) / 256, 1 / 256, reals).reason is None
    )
    assert likeness(reals, stepped(small, 60).astype(np.float32) / 256, 1 / 256, reals).reason


def test_a_small_output_whose_kernels_differ_by_a_step_says_what_is_far_off() -> None:
    small = np.where(RNG.random(1000) < 0.02, -127, -128).astype(np.int8)
    other = stepped(small, 1, 0.02)
    assert likeness(small, stepped(small, 2, 0.02), 1.0, other).reason is None
    assert likeness(small, INT8, 1.0, other).reason is not None


def test_int8_that_went_wrong_is_doubted() -> None:
    other = stepped(INT8, 3)
    assert likeness(INT8, stepped(INT8, 6), 1.0, other).reason is None
    assert likeness(INT8, RNG.permutation(INT8), 1.0, other).reason is not None
    assert likeness(INT8, np.full_like(INT8, 3), 1.0, other).reason is not None


def test_an_output_that_hovers_about_a_value_does_not_hide_its_noise() -> None:
    host = (100 + 5 * LOGITS).astype(np.float32)
    assert likeness(host, (100 + 5 * LOGITS[::-1]).astype(np.float32), 0, host).reason is not None


def test_another_largest_element_is_doubted_only_where_noise_can_t_explain_it() -> None:
    one_wrong = LOGITS.copy()
    one_wrong[np.argsort(LOGITS)[-10]] = LOGITS.max() + 0.01  # of a thousand
    found = held_against([LOGITS], [one_wrong], [0.0], [LOGITS])
    assert found.reason == "output 0 is largest where it is far from it on the host"
    assert found.snr_db is not None
    assert found.snr_db > MOST_ASKED_DB
    second, first = np.argsort(LOGITS)[-2:]
    host, phone = LOGITS.copy(), LOGITS.copy()
    host[second] = host[first] - np.float32(0.02)
    phone[second] = phone[first] + np.float32(0.02)
    found = held_against([host], [phone], [0.0], [host])
    assert (found.reason, found.top1_agreement) == (None, 0.0)


def test_the_worst_output_counts_and_is_named_by_its_number() -> None:
    found = held_against(
        [LOGITS * 1000, LOGITS], [LOGITS * 1000, LOGITS[::-1]], [0.0, 0.0], [LOGITS * 1000, LOGITS]
    )
    assert str(found.reason).startswith("output 1 keeps")
    assert found.snr_db is not None
    assert found.snr_db < 0


def test_another_number_of_outputs_is_not_the_phone_s_fault() -> None:
    found = held_against([LOGITS], [LOGITS, LOGITS], [0.0], None)
    assert (found.reason, found.not_compared) == (None, "the phone gives 2 outputs and the host 1")


def test_whole_numbers_are_the_same_or_not() -> None:
    classes = np.arange(10, dtype=np.int64)
    near = classes.copy()
    near[0] = 7
    assert likeness(classes, near, 0.0, classes).reason is None
    assert likeness(classes, classes[::-1], 0.0, classes).reason == "has 100% other numbers"
    assert not likeness(classes, classes[::-1], 0.0, near).tells
    flags = np.array([True])
    assert likeness(flags, ~flags, 0.0, flags).reason is not None


def test_one_number_and_none_are_outputs_too() -> None:
    one = np.array([3.0], np.float32)
    assert likeness(one, one * np.float32(1.005), 0.0, one).reason is None
    assert likeness(one, one * 2, 0.0, one).reason is not None
    assert likeness(one, one, 0.0, one).same_top is None
    assert likeness(one[:0], one[:0], 0.0, one[:0]).reason is None
    assert likeness(one.astype(np.complex64), one.astype(np.complex64), 0.0).tells is False


def test_a_host_of_zeros_asks_for_zeros() -> None:
    zeros = np.zeros(100, np.float32)
    assert likeness(zeros, zeros + np.float32(1e-6), 0.0, zeros).reason is None
    assert likeness(zeros, zeros + 1, 0.0, zeros).reason == "is one value everywhere"
    assert likeness(zeros, LOGITS[:100], 0.0, zeros).reason == "is not zero as on the host"


def test_a_large_output_is_looked_at_in_parts() -> None:
    large = np.tile(LOGITS, 700)
    whole, part = difference(large, noisy(large, 30)), difference(LOGITS, noisy(LOGITS, 30))
    assert whole.elements == 700_000
    assert whole.snr_db == pytest.approx(part.snr_db, abs=0.3)
