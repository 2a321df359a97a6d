"""Resilience figures of made-up answers, against closed forms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import comb

from coinfer.cluster import Cluster, Device, Link
from coinfer.metrics.resilience import (
    SUBSETS,
    accuracy_by_failures,
    correlated,
    expectation,
    resilience_figures,
)

LABELS = np.arange(1000) % 10


class Answers(NamedTuple):
    labels: np.ndarray
    degraded: np.ndarray


def by_share(left: int, of: int) -> Answers:
    """The first share of the images is right, the rest wrong; nothing left means no answer."""
    right = np.arange(len(LABELS)) < len(LABELS) * left // of
    labels = np.where(right, LABELS, (LABELS + 1) % 10) if left else np.full_like(LABELS, -1)
    return Answers(labels, np.full(len(LABELS), left < of))


def cluster(count: int, p: float, groups: dict[str, tuple[str, ...]] | None = None) -> Cluster:
    devices = tuple(
        Device(name=f"d{n}", macs_per_s=1e6, failure_probability=p) for n in range(count)
    )
    return Cluster(devices=devices, links={"*": Link(up_bps=1e6)}, groups=groups or {})


def test_expectations_under_independent_failures_in_closed_form() -> None:
    parts = [tuple(f"d{n}" for n in range(8)), ("d8",), ("d9",)]
    found = resilience_figures(
        cluster(10, 0.2), lambda left: by_share(len(left), 10), LABELS, parts
    )
    # Right is the share that is left, whose mean is 1 − p.
    assert found["expected_accuracy"] == pytest.approx(0.8)
    assert found["availability"] == pytest.approx(1 - 0.2**10)
    assert found["availability_in_full"] == pytest.approx(0.8**10)
    assert found["expected_accuracy_correlated"] is None
    for failed, curve in found["accuracy_by_failures"].items():
        for name in ("mean", "worst", "best"):
            assert curve[name] == pytest.approx(1 - int(failed) / 10)
        assert curve["subsets"] == comb(10, int(failed))
    # Of ten devices, eight, one and one go at once.
    of_parts = found["accuracy_by_parts_lost"]
    assert [of_parts[lost]["subsets"] for lost in "0123"] == [1, 3, 3, 1]
    assert of_parts["1"]["mean"] == pytest.approx((0.2 + 0.9 + 0.9) / 3)
    assert (of_parts["2"]["worst"], of_parts["2"]["best"]) == pytest.approx((0.1, 0.8))
    assert of_parts["3"]["mean"] == 0.0


def test_devices_that_fail_together_leave_more_or_nothing() -> None:
    """Two replicas: a pair survives one loss, unless both go at once."""
    pair = {"rack": ("d0", "d1")}

    def ask(left: frozenset[str]) -> Answers:
        return by_share(1 if left else 0, 1)

    found = resilience_figures(cluster(2, 0.1, pair), ask, LABELS, [("d0", "d1")])
    assert found["expected_accuracy"] == pytest.approx(1 - 0.01)
    assert found["expected_accuracy_correlated"] == pytest.approx(1 - 0.1)
    chances = correlated(cluster(3, 0.1, pair))
    assert chances == [(("d0", "d1"), pytest.approx(0.1)), (("d2",), 0.1)]


def test_worst_and_best_are_of_single_subsets() -> None:
    """Only d0 matters."""
    names = [("d0",), ("d1",), ("d2",)]
    curve = accuracy_by_failures(names, lambda left: by_share(int("d0" in left), 1), LABELS)
    assert (curve["1"]["worst"], curve["1"]["best"]) == (0.0, 1.0)
    assert curve["1"]["mean"] == pytest.approx(2 / 3)
    assert curve["3"]["mean"] == 0.0


def test_the_interval_covers_the_truth_of_the_images() -> None:
    """A t interval of a share of 1000 images is that of the normal approximation, nearly."""
    curve = accuracy_by_failures([("d0",)], lambda left: by_share(8, 10), LABELS)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert curve["0"]["ci_low"] == pytest.approx(0.8 - half, abs=2e-4)
    assert curve["0"]["ci_high"] == pytest.approx(0.8 + half, abs=2e-4)


def test_large_clusters_are_sampled_near_the_truth() -> None:
    names = tuple(f"d{n}" for n in range(40))
    value = dict(zip(names, np.linspace(0, 2, 40), strict=True))

    def ask(left: frozenset[str]) -> Answers:
        return by_share(round(1000 * sum(value[n] for n in left) / 40), 1000)

    curve = accuracy_by_failures([(n,) for n in names], ask, LABELS)
    assert curve["0"]["subsets"] == 1
    for failed in (1, 6, 12):
        found = curve[str(failed)]
        assert found["subsets"] == SUBSETS
        assert found["ci_low"] <= 1 - failed / 40 <= found["ci_high"]
    share = expectation(names, [((n,), 0.1) for n in names], ask, LABELS)
    assert share.right == pytest.approx(0.9, abs=0.01)
