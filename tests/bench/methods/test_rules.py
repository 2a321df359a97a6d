"""Every exit rule against its definition in float64, and what runs against what is tuned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.cluster.draws import uniform
from coinfer.methods.rules import RULES, candidates, exits_taken, scores_of
from coinfer.training import SplitOutputs
from coinfer_kernels import backend

KERNELS = backend.load("reference")
CLASSES = 4


def outputs(seed: int, exits: int = 3, images: int = 60) -> SplitOutputs:
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, CLASSES, images)
    logits = draws.normal(size=(exits, images, CLASSES)).astype(np.float32)
    # Later exits are right more often, so that leaving early costs something.
    for b in range(exits):
        logits[b, np.arange(images), labels] += b
    features = draws.normal(size=(exits, images, 6)).astype(np.float32)
    return SplitOutputs(labels, logits, features, "")


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def entropy(z):
    p = softmax(z)
    return -(p * np.log(p)).sum()


def margin(z):
    low, high = np.sort(softmax(z))[-2:]
    return high - low


def logit_score(score):
    """The score of exit b, its logits divided by the temperature."""
    return lambda data, learnt, t, b, n: score(data.logits[b].astype(np.float64)[n] / t)


def difference(data, learnt, t, b, n):
    if b == 0:
        return np.nan
    return np.linalg.norm(unit(data.features[b, n]) - unit(data.features[b - 1, n]))


def class_mean(data, learnt, t, b, n):
    if b:
        return difference(data, learnt, t, b, n)
    means = [learnt.features[0][learnt.labels == c].mean(axis=0) for c in range(CLASSES)]
    return min(np.linalg.norm(unit(data.features[0, n]) - unit(m)) for m in means)


def patience(data, learnt, t, b, n):
    if b == 0:
        return np.nan
    said, run = data.logits[: b + 1, n].argmax(axis=1), 0
    while run < b and said[b - run] == said[b - run - 1]:
        run += 1
    return run


def harmless(data, learnt, t, b, n):
    right = data.logits[:, n].argmax(axis=1) == data.labels[n]
    return right[b] or not right[-1]


DEFINITIONS = {
    "feature-difference": difference,
    "class-mean": class_mean,
    "max-probability": logit_score(lambda z: softmax(z).max()),
    "entropy": logit_score(entropy),
    "margin": logit_score(margin),
    "energy": lambda data, learnt, t, b, n: (
        -t * np.log(np.exp(data.logits[b, n].astype(np.float64) / t).sum())
    ),
    "patience": patience,
    "fixed": lambda data, learnt, t, b, n: b + 1,
    "random": lambda data, learnt, t, b, n: uniform("exit", n, b + 1),
    "never": lambda data, learnt, t, b, n: np.nan,
    "oracle": harmless,
}


def learnt_rule(name: str, validation: SplitOutputs, data: SplitOutputs):
    """A rule that is learnt on the validation split; the oracle looks at the rows themselves."""
    return RULES[name].learn(data if name == "oracle" else validation)


def test_every_rule_has_a_definition_here():
    assert set(DEFINITIONS) == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_scores_are_those_of_the_definition(name):
    data, validation = outputs(1), outputs(2)
    rule = learnt_rule(name, validation, data)
    found = scores_of(rule, data, KERNELS)
    images = len(data.labels)
    expected = [
        [DEFINITIONS[name](data, validation, rule.temperature(b + 1), b, n) for n in range(images)]
        for b in range(2)
    ]
    np.testing.assert_allclose(found, np.array(expected, np.float64), rtol=2e-5, atol=1e-6)
    assert np.isnan(found[: rule.first - 1]).all(), "no row leaves before `first`"


@pytest.mark.parametrize("name", [n for n in RULES if RULES[n].reads_logits])
def test_without_temperature_scaling_logits_are_taken_as_they_are(name):
    rule = RULES[name].learn(outputs(3), temperature_scaling=False)
    assert {rule.temperature(b) for b in (1, 2, 3)} == {1.0}


@given(
    name=st.sampled_from(sorted(RULES)),
    scheme=st.sampled_from(["shared", "budgeted"]),
    seed=st.integers(0, 500),
    exits=st.integers(2, 4),
)
@settings(max_examples=60, deadline=None)
def test_rows_leave_at_the_first_exit_that_fires(name, scheme, seed, exits):
    """Row by row, as the definition says, for every candidate; and the first lets nothing out."""
    data, validation = outputs(seed, exits, 20), outputs(seed + 1, exits, 30)
    rule = learnt_rule(name, validation, data)
    scores = scores_of(rule, data, KERNELS)
    made = candidates(rule, scores_of(rule, data, KERNELS), scheme)
    assert set(exits_taken(rule, scores, made[0])) == {exits}
    for taus in made[:: max(1, len(made) // 8)]:
        for n, found in enumerate(exits_taken(rule, scores, taus)):
            fires = [
                (s >= t) if rule.high else (s <= t)
                for s, t in zip(map(float, scores[:, n]), taus, strict=True)
            ]
            assert found == (fires.index(True) + 1 if True in fires else exits)


@pytest.mark.parametrize("name", ["feature-difference", "class-mean", "entropy", "margin"])
def test_candidates_go_from_safe_to_eager(name):
    """What fixed-sequence testing is about: a later candidate lets rows out no later."""
    data = outputs(5, 4, 300)
    rule = learnt_rule(name, data, data)
    scores = scores_of(rule, data, KERNELS)
    for scheme in ("shared", "budgeted"):
        made = candidates(rule, scores, scheme)
        left = np.array([exits_taken(rule, scores, taus) for taus in made])
        # With a budget an exit's own threshold may tighten again, as more leave before it.
        later = np.diff(left if scheme == "shared" else left.mean(axis=1), axis=0)
        assert (later <= 0).all()
        assert (left[-1] == rule.first).mean() > 0.9


def test_budgeted_shares_fall_geometrically():
    data = outputs(6, 4, 1000)
    rule = RULES["max-probability"].learn(data)
    scores = scores_of(rule, data, KERNELS)
    for taus in candidates(rule, scores, "budgeted")[1::20]:
        shares = np.bincount(exits_taken(rule, scores, taus), minlength=5)[1:]
        whole = shares[shares > 30]
        ratios = whole[1:] / whole[:-1]
        np.testing.assert_allclose(ratios, ratios[0] if len(ratios) else 1, rtol=0.1)
