"""The tests and intervals against closed forms and enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.stats.resampling import (
    equivalence_p,
    false_discovery,
    interval,
    pairs_needed,
    sign_flip_p,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=8))
def test_sign_flip_counts_all_sign_patterns(effects):
    observed = abs(sum(effects))
    patterns = list(itertools.product((-1, 1), repeat=len(effects)))
    sums = [sum(s * e for s, e in zip(signs, effects, strict=True)) for signs in patterns]
    extreme = sum(total >= observed for total in sums) / len(patterns)
    assert sign_flip_p(effects) == pytest.approx(min(1.0, 2 * extreme))


@pytest.mark.parametrize("pairs", [2, 3, 6, 10])
def test_the_smallest_p_is_that_of_one_pattern_and_its_mirror(pairs):
    assert sign_flip_p([0.1 + i / 100 for i in range(pairs)]) == pytest.approx(2 / 2**pairs)


def test_pairs_needed_is_the_first_that_can_be_significant():
    for rows in (1, 5, 20):
        needed = pairs_needed(0.05, rows)
        assert 2 ** (1 - needed) * rows <= 0.05 < 2 ** (1 - (needed - 1)) * rows


def test_unbounded_effects_fall_back_on_who_won():
    assert sign_flip_p([math.inf] * 6) == pytest.approx(2 / 2**6)
    assert sign_flip_p([math.inf, -math.inf, 0.0]) == 1.0
    assert interval([math.inf, 1.0], 0.95) is None


def test_one_pair_says_nothing():
    assert sign_flip_p([5.0]) == 1.0
    assert interval([5.0], 0.95) is None
    assert equivalence_p([0.0], 1.0) == 1.0


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [interval(rng.normal(1, 1, 15).tolist(), 0.95) for _ in range(120)]
    covered = sum(low <= 1 <= high for low, high in filter(None, found)) / len(found)
    # Binomial band around 95 % for 120 trials, and the known shortfall of bootstrap at n = 15.
    assert 0.86 <= covered <= 0.99


def test_equivalence_needs_evidence_not_its_absence():
    assert equivalence_p([0.001, -0.001, 0.0005, 0.0], 0.02) < 0.01
    assert equivalence_p([0.3, -0.3, 0.1, -0.2], 0.02) > 0.3
    assert equivalence_p([0.01] * 3, 0.02) == 0
    assert equivalence_p([0.03] * 3, 0.02) == 1


def test_false_discovery_by_hand():
    # p * m / rank, made monotone from the largest down.
    assert false_discovery([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert false_discovery([]) == []
