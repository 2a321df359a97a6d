"""Temperature, calibration error and AUROC against a grid, a loop and all pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.training import fit_temperature, reliability


def drawn(seed: int, temperature: float, images: int = 400):
    """Logits whose labels were drawn from their softmax at this temperature."""
    draws = np.random.default_rng(seed)
    logits = draws.normal(size=(images, 5)).astype(np.float32) * 3
    p = np.exp(logits / temperature)
    p /= p.sum(axis=1, keepdims=True)
    labels = np.array([draws.choice(5, p=row / row.sum()) for row in p.astype(np.float64)])
    return logits, labels


def nll(logits, labels, t):
    z = logits.astype(np.float64) / t
    return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels])


@given(seed=st.integers(0, 100), temperature=st.sampled_from([0.7, 1.0, 2.5]))
@settings(max_examples=10, deadline=None)
def test_the_temperature_is_the_best_of_a_grid(seed, temperature):
    logits, labels = drawn(seed, temperature)
    found = fit_temperature(logits, labels)
    grid = np.geomspace(0.1, 10, 400)
    assert nll(logits, labels, found) <= min(nll(logits, labels, t) for t in grid) + 1e-6
    assert 0.6 < found / temperature < 1.6


@given(seed=st.integers(0, 100), t=st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=10, deadline=None)
def test_calibration_error_and_auroc_are_those_of_their_definitions(seed, t):
    logits, labels = drawn(seed, 2.0, 120)
    z = np.exp(logits.astype(np.float64) / t)
    confidence = (z / z.sum(axis=1, keepdims=True)).max(axis=1)
    right = logits.argmax(axis=1) == labels
    ece = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            ece += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    pairs = [(a > b) + (a == b) / 2 for a in confidence[right] for b in confidence[~right]]
    found = reliability(logits, labels, t)
    assert np.isclose(found.ece, ece)
    assert np.isclose(found.auroc, np.mean(pairs))


def test_scaling_mends_the_error_and_no_wrong_answer_has_no_auroc():
    logits, labels = drawn(3, 2.5, 3000)
    t = fit_temperature(logits, labels)
    assert reliability(logits, labels, t).ece < 0.5 * reliability(logits, labels).ece
    assert reliability(logits, logits.argmax(axis=1)).auroc is None
