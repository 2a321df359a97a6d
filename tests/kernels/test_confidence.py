"""Confidence and feature change against the float64 reference, with the stated tolerances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coinfer_kernels import ExitScores

RULES = ("max-prob", "entropy", "margin", "energy")
KINDS = ("l2", "relative-l2", "cosine")


def assert_scores(actual, expected):
    """The accuracy that docs/kernels.md promises."""
    for name in ("max_prob", "entropy", "margin", "energy"):
        ours, exact = getattr(actual, name), getattr(expected, name)
        relative = {"max_prob": 2e-6, "entropy": 0, "margin": 1e-5, "energy": 3e-7}[name]
        # 1e-37: below, float32 itself has less than full precision.
        absolute = {"max_prob": 0, "entropy": 2e-6, "margin": 1e-37, "energy": 1e-6}[name]
        np.testing.assert_allclose(ours, exact, rtol=relative, atol=absolute, err_msg=name)
        assert ours.dtype == np.float32
    assert np.array_equal(actual.label, expected.label)
    assert actual.label.dtype == np.int64


def test_every_number_of_classes(backend, reference, rng):
    for classes in (*range(1, 131), 1000):
        logits = 4 * rng.standard_normal((5, classes), dtype=np.float32)
        assert_scores(backend.exit_scores(logits), reference.exit_scores(logits))


def test_every_number_of_rows(backend, reference, rng):
    for classes in (2, 10, 33):
        for rows in (*range(70), 1024):
            logits = 4 * rng.standard_normal((rows, classes), dtype=np.float32)
            assert_scores(backend.exit_scores(logits), reference.exit_scores(logits))


@pytest.mark.parametrize("spread", [0.01, 1, 10, 1000, 1e30])
def test_every_spread(backend, reference, rng, spread):
    logits = (spread * rng.standard_normal((64, 100))).astype(np.float32)
    assert_scores(backend.exit_scores(logits), reference.exit_scores(logits))
    assert_scores(
        backend.exit_scores(logits[:, :10].copy()), reference.exit_scores(logits[:, :10].copy())
    )


def test_large_offsets_do_not_overflow(backend):
    for classes in (10, 100):
        for offset in (-3e38, 3e38, 88.8, -104.0):
            scores = backend.exit_scores(np.full((3, classes), offset, np.float32))
            np.testing.assert_allclose(scores.max_prob, 1 / classes, rtol=2e-6)
            np.testing.assert_allclose(scores.entropy, np.log(classes), rtol=1e-6)
            assert (scores.margin == 0).all()


def test_the_first_of_equals_is_the_label(backend):
    for classes in (3, 10, 32, 33, 64, 129):
        for first in {0, 1, classes // 2, classes - 2}:
            logits = np.zeros((2, classes), np.float32)
            logits[:, first:] = 5
            assert (backend.exit_scores(logits).label == first).all()
    zeros = np.array([[-0.0, 0.0, -0.0]], np.float32)
    assert backend.exit_scores(zeros).label[0] == 0


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
def test_bad_rows_have_no_scores_and_never_exit(backend, rng, bad):
    for classes in (1, 2, 10, 31, 33, 64, 100, 130):
        for place in {0, classes // 2, classes - 1}:
            logits = rng.standard_normal((9, classes), dtype=np.float32)
            logits[4, place] = bad
            scores = backend.exit_scores(logits)
            for name in ("max_prob", "entropy", "margin", "energy"):
                assert np.isnan(getattr(scores, name)).tolist() == [row == 4 for row in range(9)]
            assert scores.label[4] == -1
            assert (np.delete(scores.label, 4) >= 0).all()
            for rule, always in zip(RULES, (-1.0, 1e9, -1.0, 1e9), strict=True):
                exits = backend.should_exit(logits, rule, always)
                assert exits.tolist() == [row != 4 for row in range(9)]


def test_minus_infinity_is_a_class_of_probability_zero(backend, reference, rng):
    for classes in (3, 10, 40, 100):
        logits = rng.standard_normal((8, classes), dtype=np.float32)
        logits[:, ::2] = -np.inf
        logits[:, 1] = 3
        assert_scores(backend.exit_scores(logits), reference.exit_scores(logits))
        alone = np.full((2, classes), -np.inf, np.float32)
        assert np.isnan(backend.exit_scores(alone).max_prob).all()
        assert (backend.exit_scores(alone).label == -1).all()
        assert not backend.should_exit(alone, "energy", np.inf).any()
        alone[:, 2] = 1
        certain = backend.exit_scores(alone)
        assert (certain.max_prob == 1).all()
        assert (certain.margin == 1).all()
        assert (certain.entropy < 1e-30).all()
        assert (certain.label == 2).all()


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=70),
        elements=st.floats(-80, 80, width=32)
        | st.just(-np.inf)
        | st.sampled_from([np.nan, np.inf]),
    )
)
def test_any_logits(backend, reference, logits):
    assert_scores(backend.exit_scores(logits), reference.exit_scores(logits))


def test_decisions_follow_from_the_scores(backend, rng):
    for rows, classes in ((0, 3), (1, 10), (63, 10), (64, 10), (65, 10), (200, 50)):
        logits = 3 * rng.standard_normal((rows, classes), dtype=np.float32)
        scores = backend.exit_scores(logits)
        for rule, score in zip(RULES, scores[:4], strict=True):
            # A score itself as the threshold: equality must count as confident.
            for threshold in map(float, score[:3]):
                exits = backend.should_exit(logits, rule, threshold)
                wide = score.astype(np.float64)
                above = rule in ("max-prob", "margin")
                expected = wide >= threshold if above else wide <= threshold
                assert exits.dtype == np.bool_
                assert np.array_equal(exits, expected)


def test_thresholds_are_not_rounded_to_float32(backend):
    logits = np.zeros((1, 3), np.float32)
    score = float(backend.exit_scores(logits).max_prob[0])
    assert backend.should_exit(logits, "max-prob", score)[0]
    assert not backend.should_exit(logits, "max-prob", np.nextafter(score, 1))[0]


def test_outputs_are_filled_in_place(backend, rng):
    logits = rng.standard_normal((6, 10), dtype=np.float32)
    out = ExitScores.empty(6)
    assert backend.exit_scores(logits, out) is out
    assert_scores(out, backend.exit_scores(logits))
    decisions = np.empty(6, np.bool_)
    assert backend.should_exit(logits, "margin", 0.2, decisions) is decisions
    assert np.array_equal(decisions, backend.should_exit(logits, "margin", 0.2))


@pytest.mark.parametrize("kind", KINDS)
def test_feature_change_at_every_width(backend, reference, rng, kind):
    for width in (*range(131), 5000):
        previous = rng.standard_normal((3, width), dtype=np.float32)
        for size in (0, 1e-6, 1e-3, 1, 100):
            noise = rng.standard_normal((3, width), dtype=np.float32)
            current = previous + np.float32(size) * noise
            np.testing.assert_allclose(
                backend.feature_change(previous, current, kind),
                reference.feature_change(previous, current, kind),
                rtol=1e-6,
                atol=1e-7,
                err_msg=f"width {width}, change {size}",
            )


def test_feature_change_of_known_vectors(backend):
    previous = np.array([[3, 4], [1, 0], [1, 0], [0, 0], [1, 0], [0, 0]], np.float32)
    current = np.array([[6, 8], [0, 2], [-1, 0], [0, 0], [0, 0], [0, 2]], np.float32)
    expected = {
        "l2": [0, np.sqrt(2), 2, 0, 1, 1],
        "relative-l2": [1, np.sqrt(5), 2, 0, 1, np.inf],
        "cosine": [0, 1, 2, 0, 1, 1],
    }
    for kind, values in expected.items():
        np.testing.assert_allclose(
            backend.feature_change(previous, current, kind), values, rtol=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_feature_change_of_what_is_not_finite_is_nan(backend, bad):
    previous, current = np.ones((4, 37), np.float32), np.ones((4, 37), np.float32)
    previous[1, 36] = bad
    current[2, 5] = bad
    previous[3, 5] = current[3, 5] = bad
    for kind in KINDS:
        change = backend.feature_change(previous, current, kind)
        assert np.isnan(change).tolist() == [False, True, True, True]


def test_feature_change_takes_feature_maps_and_extremes(backend, reference, rng):
    previous, current = rng.standard_normal((2, 5, 3, 4, 7), dtype=np.float32)
    for scale in (1e-20, 1, 1e30):
        for kind in KINDS:
            p, c = previous * np.float32(scale), current * np.float32(scale)
            np.testing.assert_allclose(
                backend.feature_change(p, c, kind),
                reference.feature_change(p, c, kind),
                rtol=1e-6,
                atol=1e-7,
            )
    assert backend.feature_change(previous[:0], current[:0], "l2").shape == (0,)
