"""The exit rule's threshold against brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.methods.exit_rules import calibrate_threshold, exits_at
from coinfer.training import CalibrationOutputs


def outputs(seed: int, exits: int, images: int) -> CalibrationOutputs:
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 4, images)
    logits = draws.normal(size=(exits, images, 4)).astype(np.float32)
    # Later exits are right more often, so that leaving early costs something.
    for b in range(exits):
        logits[b, np.arange(images), labels] += b
    features = draws.normal(size=(exits, images, 6)).astype(np.float32)
    return CalibrationOutputs(labels, logits, features, "")


def change(previous, current):
    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    difference = unit(current.astype(np.float64)) - unit(previous.astype(np.float64))
    return np.linalg.norm(difference, axis=1).astype(np.float32)


def loss_points(data: CalibrationOutputs, tau: float) -> float:
    """Accuracy lost at threshold tau, image by image, as the definition says."""
    right = 0
    for n in range(len(data.labels)):
        for b in range(1, len(data.logits)):
            last = b == len(data.logits) - 1
            d = change(data.features[b - 1, n : n + 1], data.features[b, n : n + 1])[0]
            if last or d <= tau:
                right += data.logits[b, n].argmax() == data.labels[n]
                break
    full = (data.logits[-1].argmax(axis=1) == data.labels).mean()
    return 100 * float(full - right / len(data.labels))


@given(
    seed=st.integers(0, 1000),
    exits=st.integers(2, 4),
    images=st.integers(20, 60),
    target=st.sampled_from([0.0, 0.3, 5.0, 100.0]),
)
@settings(max_examples=30, deadline=None)
def test_the_threshold_keeps_its_target_and_reports_the_true_loss(seed, exits, images, target):
    data = outputs(seed, exits, images)
    found = calibrate_threshold(data, target, change)
    assert found.accuracy_loss_points <= target
    assert np.isclose(loss_points(data, found.value), found.accuracy_loss_points)
    assert np.isclose(sum(found.exits), 1)
    assert found.exits[0] == 0, "a difference needs two exits: the first one never fires"


def test_any_loss_allowed_sends_every_image_out_at_the_second_exit():
    data = outputs(0, 3, 50)
    assert calibrate_threshold(data, 100.0, change).exits == (0.0, 1.0, 0.0)


def test_exits_are_the_first_that_fire():
    differences = np.array([[0.5, 0.1, 0.5], [0.1, 0.1, 0.5], [9, 9, 9]], np.float32)
    assert exits_at(differences, 0.2).tolist() == [2, 1, 3]
