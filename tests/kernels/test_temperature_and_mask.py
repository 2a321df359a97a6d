"""Temperature and masks of the confidence kernels, against formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coinfer_kernels import ExitScores

RULES = ("max-prob", "entropy", "margin", "energy")
KINDS = ("l2", "relative-l2", "cosine")
TEMPERATURES = (0.01, 0.5, 1.0, 1.7, 3.0, 100.0)


def by_formula(logits, temperature):
    """The five confidences by their definitions, in float64."""
    z = logits.astype(np.float64) / temperature
    most = z.max(axis=1, keepdims=True)
    log_sum = (most + np.log(np.exp(z - most).sum(axis=1, keepdims=True)))[:, 0]
    p = np.exp(z - log_sum[:, None])
    ranked = np.sort(p, axis=1)
    second = ranked[:, -2] if p.shape[1] > 1 else 0
    entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(axis=1)
    return ExitScores(
        p.max(axis=1),
        entropy,
        ranked[:, -1] - second,
        -temperature * log_sum,
        logits.argmax(axis=1),
    )


def assert_close(actual, exact, temperature):
    """What docs/kernels.md promises; energy is a product with the temperature."""
    np.testing.assert_allclose(actual.max_prob, exact.max_prob, rtol=2e-6)
    np.testing.assert_allclose(actual.entropy, exact.entropy, atol=2e-6)
    # The formula cancels where the two largest are close: allow for float64's own error.
    np.testing.assert_allclose(actual.margin, exact.margin, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(
        actual.energy, exact.energy, rtol=3e-7, atol=1e-6 * max(1, temperature)
    )
    assert np.array_equal(actual.label, exact.label)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_scores_at_a_temperature(backend, rng, temperature):
    for rows, classes in ((1, 10), (3, 1), (5, 2), (33, 10), (7, 31), (7, 33), (5, 100), (3, 1000)):
        for spread in (0.1, 4.0, 50.0):
            logits = (spread * rng.standard_normal((rows, classes))).astype(np.float32)
            exact = by_formula(logits, temperature)
            assert_close(backend.exit_scores(logits, None, temperature), exact, temperature)
            out = ExitScores.empty(rows)
            assert backend.exit_scores(logits, temperature=temperature, out=out) is out
            assert_close(out, exact, temperature)


def test_large_logits_keep_their_accuracy(backend, rng):
    """Shifted before divided: a common offset must not matter."""
    logits = rng.integers(-8, 8, (40, 10)).astype(np.float32)
    for temperature in (0.5, 3.0):
        plain = backend.exit_scores(logits, None, temperature)
        moved = backend.exit_scores(logits + np.float32(2**20), None, temperature)
        for name in ("max_prob", "entropy", "margin", "label"):
            assert np.array_equal(getattr(plain, name), getattr(moved, name))


def test_the_label_does_not_depend_on_the_temperature(backend, rng):
    logits = rng.standard_normal((64, 20), dtype=np.float32)
    for temperature in (1e-30, 1e-3, 1e3, 1e30):
        scores = backend.exit_scores(logits, None, temperature)
        assert np.array_equal(scores.label, logits.argmax(axis=1))
    cold, hot = (backend.exit_scores(logits, None, t) for t in (1e-30, 1e30))
    assert (cold.max_prob == 1).all()
    assert (cold.margin == 1).all()
    np.testing.assert_allclose(hot.max_prob, 1 / 20, rtol=2e-6)
    np.testing.assert_allclose(hot.entropy, np.log(20), rtol=1e-6)
    assert np.isfinite(cold.energy).all()


def test_not_finite_logits_at_a_temperature(backend):
    logits = np.zeros((4, 5), np.float32)
    logits[0, 1], logits[1, 2], logits[2], logits[3, :4] = np.nan, np.inf, -np.inf, -np.inf
    for temperature in (0.1, 10.0):
        scores = backend.exit_scores(logits, None, temperature)
        assert np.isnan(scores.max_prob).tolist() == [True, True, True, False]
        assert scores.label.tolist() == [-1, -1, -1, 4]
        assert scores.max_prob[3] == 1
        assert not backend.should_exit(logits, "energy", np.inf, None, temperature)[:3].any()


@pytest.mark.parametrize("temperature", [0, -1.0, np.inf, -np.inf, np.nan])
def test_temperatures_that_are_refused(backend, temperature):
    logits = np.zeros((2, 3), np.float32)
    for call in (
        lambda: backend.exit_scores(logits, None, temperature),
        lambda: backend.should_exit(logits, "margin", 0.5, None, temperature),
    ):
        with pytest.raises(ValueError, match="temperature must be positive and finite, not"):
            call()


def decided(score, rule, threshold):
    wide = score.astype(np.float64)
    return wide >= threshold if rule in ("max-prob", "margin") else wide <= threshold


def test_decisions_follow_from_scores_with_temperature_and_mask(backend, rng):
    for rows, classes in ((1, 10), (63, 10), (65, 10), (40, 33), (200, 50), (2500, 10)):
        logits = 3 * rng.standard_normal((rows, classes), dtype=np.float32)
        logits[rows // 2, 1] = np.nan
        for temperature in (0.7, 2.5):
            for mask in (None, rng.random(rows) < 0.5, np.zeros(rows, bool), np.ones(rows, bool)):
                scores = backend.exit_scores(logits, None, temperature, mask)
                for rule, score in zip(RULES, scores[:4], strict=True):
                    # A score itself as the threshold: equality must count as confident.
                    for threshold in map(float, np.nan_to_num(score[:2])):
                        expected = decided(score, rule, threshold)
                        out = rng.random(rows) < 0.5
                        exits = backend.should_exit(logits, rule, threshold, out, temperature, mask)
                        assert exits is out
                        assert np.array_equal(exits, expected)


def assert_only_rows(masked, full, mask, untouched):
    """Rows that are there are as without a mask, bit for bit; the others were left alone."""
    assert np.array_equal(masked[mask], full[mask], equal_nan=True)
    assert np.array_equal(masked[~mask], untouched[~mask], equal_nan=True)


@pytest.mark.parametrize("classes", [1, 2, 10, 32, 33, 100])
def test_rows_that_are_gone_have_no_scores(backend, rng, classes):
    for rows in (0, 1, 2, 9, 16, 17, 64, 130, 700, 2500):  # the last in several pieces
        logits = rng.standard_normal((rows, classes), dtype=np.float32)
        full = backend.exit_scores(logits, None, 1.3)
        gone = logits.copy()
        for share in (0.0, 0.1, 0.5, 0.9, 1.0):
            mask = rng.random(rows) < share
            gone[~mask] = np.nan  # what lies there must not matter
            blank = ExitScores(*[np.full(rows, np.nan, np.float32) for _ in range(4)],
                               np.full(rows, -1))  # fmt: skip
            before = ExitScores(*[np.full(rows, 7, np.float32) for _ in range(4)], np.full(rows, 7))
            out = ExitScores(*[array.copy() for array in before])
            fresh = backend.exit_scores(gone, None, 1.3, mask)
            assert backend.exit_scores(gone, out, 1.3, mask) is out
            for name in ExitScores._fields:
                assert_only_rows(*(getattr(s, name) for s in (fresh, full)), mask,
                                 getattr(blank, name))  # fmt: skip
                assert_only_rows(*(getattr(s, name) for s in (out, full)), mask,
                                 getattr(before, name))  # fmt: skip
            gone[:] = logits


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_gone_have_no_change(backend, rng, kind):
    for rows, shape in (
        (0, (3,)),
        (1, (5,)),
        (9, (7,)),
        (64, (2, 3, 4)),
        (40, (1000,)),
        (2500, (3,)),
    ):
        p = rng.standard_normal((rows, *shape), dtype=np.float32)
        c = p + rng.standard_normal((rows, *shape), dtype=np.float32)
        full = backend.feature_change(p, c, kind)
        for share in (0.0, 0.3, 1.0):
            mask = rng.random(rows) < share
            gone = np.where(mask.reshape(-1, *[1] * len(shape)), c, np.float32(np.nan))
            blank = np.full(rows, np.nan, np.float32)
            assert_only_rows(backend.feature_change(p, gone, kind, None, mask), full, mask, blank)
            out = np.full(rows, 7, np.float32)
            assert backend.feature_change(p, gone, kind, out, mask) is out
            assert_only_rows(out, full, mask, np.full(rows, 7))
        assert np.array_equal(backend.feature_change(p, c, kind, np.empty_like(full)), full)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    logits=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.floats(-80, 80, width=32) | st.sampled_from([np.nan, np.inf, -np.inf]),
    ),
    temperature=st.floats(0.01, 100),
    seed=st.integers(0, 100),
)  # fmt: skip
def test_any_logits_at_any_temperature(backend, reference, logits, temperature, seed):
    mask = np.random.default_rng(seed).random(len(logits)) < 0.7
    ours = backend.exit_scores(logits, None, temperature, mask)
    exact = reference.exit_scores(logits, None, temperature, mask)
    for name, relative, absolute in (("max_prob", 2e-6, 0), ("entropy", 0, 2e-6),
                                     ("margin", 1e-5, 1e-37),
                                     ("energy", 3e-7, 1e-6 * max(1, temperature))):  # fmt: skip
        np.testing.assert_allclose(
            getattr(ours, name), getattr(exact, name), relative, absolute, err_msg=name
        )
    assert np.array_equal(ours.label, exact.label)


def test_masks_of_other_kinds(backend):
    logits = np.zeros((3, 4), np.float32)
    labels = np.zeros(3, np.int64)
    calls = (
        lambda mask: backend.exit_scores(logits, None, 1.0, mask),
        lambda mask: backend.should_exit(logits, "margin", 0.5, None, 1.0, mask),
        lambda mask: backend.feature_change(logits, logits, "l2", None, mask),
        lambda mask: backend.count_agreement(labels, labels, labels.astype("i4"), 1, None, mask),
    )
    for call in calls:
        call([True, False, True])
        with pytest.raises(TypeError, match="mask must be an array of bool, not int64"):
            call(np.ones(3, np.int64))
        for wrong in (np.ones(2, bool), np.ones((3, 1), bool), np.True_):
            with pytest.raises(ValueError, match=r"mask must have the shape \(3,\)"):
                call(wrong)
        with pytest.raises(ValueError, match="mask must be C-contiguous"):
            call(np.ones(6, bool)[::2])


def test_decisions_may_replace_the_mask(backend):
    logits = np.array([[9, 0], [0, 0], [9, 0], [0, 9]], np.float32)
    mask = np.array([True, True, False, True])
    assert backend.should_exit(logits, "margin", 0.9, mask, 1.0, mask) is mask
    assert mask.tolist() == [True, False, False, True]
    labels, counts = np.arange(4), np.array([1, 5, 5, 0], np.int32)
    assert backend.count_agreement(labels, labels, counts, 2, mask, mask) is mask
    assert mask.tolist() == [True, False, False, False]
    assert counts.tolist() == [2, 5, 5, 1]
