"""Accuracy and availability when devices fail: exact over all subsets of a small cluster.

Failed devices are known to be failed (crashed, or late in every request); what a request takes that
is under way when one fails is for a run with that fault to show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from coinfer.cluster import Cluster
from coinfer.cluster.draws import seed32

EXACT_DEVICES: Final = 12
"""Up to so many devices every subset is evaluated; above, subsets are drawn [ours]."""

SUBSETS: Final = 200
"""Subsets drawn for each number of failed devices."""

MOST_FAILED: Final = 12
"""Failed devices in a large cluster, at most."""

DRAWS: Final = 2000
"""Random states of a large cluster for expectations."""

CONFIDENCE: Final = 0.95

Chances = Sequence[tuple[tuple[str, ...], float]]
"""What fails as one, and with which probability; all of these independently of each other."""


class Answered(Protocol):
    """Answers to the test images."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Label of each image, negative where there is no answer."""
        ...

    @property
    def degraded(self) -> npt.NDArray[np.bool_]:
        """Where something was missing."""
        ...


Ask = Callable[[frozenset[str]], Answered]
"""From the devices that are left to the answers."""


class Share(NamedTuple):
    """Shares of the images.

    Attributes
    ----------
    right, answered, in_full : float
        Answered rightly; at all; with nothing missing.
    """

    right: float
    answered: float
    in_full: float


def resilience_figures(
    cluster: Cluster, ask: Ask, labels: npt.NDArray[np.int64], parts: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    """Figures of a deployment under failures.

    Parameters
    ----------
    cluster : Cluster
    ask : callable
    labels : ndarray of int64, shape (images,)
    parts : sequence of tuple of str
        The devices of each part of the answer: those with the same work.

    Returns
    -------
    dict
        ``accuracy_by_failures``, and ``accuracy_by_parts_lost``, which is the same where all
        devices of a part fail as one; see `accuracy_by_failures`. ``expected_accuracy``,
        ``availability`` (share of requests answered) and ``availability_in_full`` (with nothing
        missing) where devices fail independently with their `failure_probability`;
        ``expected_accuracy_correlated`` where instead the members of each of the cluster's groups
        fail together, with the mean of their probabilities, None without such groups.
    """
    names = cluster.names
    single = [((device.name,), device.failure_probability) for device in cluster.devices]
    expected = expectation(names, single, ask, labels)
    together = None
    if cluster.groups:
        together = expectation(names, correlated(cluster), ask, labels).right
    return {
        "accuracy_by_failures": accuracy_by_failures([(n,) for n in names], ask, labels),
        "accuracy_by_parts_lost": accuracy_by_failures(parts, ask, labels),
        "expected_accuracy": expected.right,
        "expected_accuracy_correlated": together,
        "availability": expected.answered,
        "availability_in_full": expected.in_full,
    }


def accuracy_by_failures(
    units: Sequence[tuple[str, ...]], ask: Ask, labels: npt.NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Accuracy against the number f of units that fail.

    Parameters
    ----------
    units : sequence of tuple of str
        Devices that fail as one: each device of the cluster by itself, used or not, or the devices
        of each part of the answer.
    ask : callable
    labels : ndarray of int64, shape (images,)

    Returns
    -------
    dict
        From f as text to ``mean``, ``worst`` and ``best`` over the subsets, ``subsets``, their
        number, and ``ci_low`` and ``ci_high``, a t interval of the mean: over the images, whose
        share of subsets answered rightly is one value each, and, where subsets were drawn, with the
        variance between subsets added.
    """
    exact = len(units) <= EXACT_DEVICES
    everyone = frozenset(chain.from_iterable(units))
    found = {}
    for failed in range(len(units) + 1 if exact else MOST_FAILED + 1):
        right = np.zeros(len(labels))
        accuracies = []
        for lost in _subsets(units, failed, exact):
            hits = ask(everyone.difference(*lost)).labels == labels
            right += hits
            accuracies.append(float(hits.mean()))
        found[str(failed)] = _summary(right / len(accuracies), np.array(accuracies), exact)
    return found


def expectation(
    names: Sequence[str], chances: Chances, ask: Ask, labels: npt.NDArray[np.int64]
) -> Share:
    """Mean over random failures: exact over their subsets, or over `DRAWS` random ones.

    Parameters
    ----------
    names : sequence of str
    chances : sequence of (devices, probability)
    ask : callable
    labels : ndarray of int64, shape (images,)
    """
    total = np.zeros(3)
    for lost, weight in _states(chances):
        answers = ask(frozenset(names) - lost)
        answered = answers.labels >= 0
        right = (answers.labels == labels).mean()
        total += weight * np.array([right, answered.mean(), (answered & ~answers.degraded).mean()])
    return Share(*map(float, total))


def correlated(cluster: Cluster) -> Chances:
    """Groups of the cluster that fail as one, and the devices that are in none."""
    single = {device.name: device.failure_probability for device in cluster.devices}
    grouped = {name for members in cluster.groups.values() for name in members}
    together = [
        (members, float(np.mean([single[name] for name in members])))
        for members in cluster.groups.values()
    ]
    return [*together, *(((n,), p) for n, p in single.items() if n not in grouped)]


def _subsets(
    units: Sequence[tuple[str, ...]], failed: int, exact: bool
) -> Iterator[tuple[tuple[str, ...], ...]]:
    if exact or failed in (0, len(units)):
        yield from combinations(units, failed)
        return
    draws = np.random.default_rng(seed32("failed devices", len(units), failed))
    for _ in range(SUBSETS):
        yield tuple(units[n] for n in draws.choice(len(units), failed, replace=False))


def _states(chances: Chances) -> Iterator[tuple[frozenset[str], float]]:
    """Sets of lost devices with their probabilities."""
    probability = np.array([p for _, p in chances])
    if len(chances) <= EXACT_DEVICES:
        for state in np.ndindex(*(2,) * len(chances)):
            down = np.array(state, dtype=bool)
            weight = float(np.where(down, probability, 1 - probability).prod())
            if weight > 0:
                yield _lost(chances, down), weight
        return
    draws = np.random.default_rng(seed32("random failures", len(chances)))
    for _ in range(DRAWS):
        yield _lost(chances, draws.random(len(chances)) < probability), 1 / DRAWS


def _lost(chances: Chances, down: npt.NDArray[np.bool_]) -> frozenset[str]:
    return frozenset(
        n for (names, _), dead in zip(chances, down, strict=True) if dead for n in names
    )


def _summary(
    per_image: npt.NDArray[np.float64], accuracies: npt.NDArray[np.float64], exact: bool
) -> dict[str, float]:
    # Late, and not `scipy.stats`, which takes a second to load.
    from scipy.special import stdtrit

    mean = float(per_image.mean())
    variance = per_image.var(ddof=1) / len(per_image)
    if not exact and len(accuracies) > 1:
        variance += accuracies.var(ddof=1) / len(accuracies)
    half = float(stdtrit(len(per_image) - 1, (1 + CONFIDENCE) / 2) * np.sqrt(variance))
    return {
        "mean": mean,
        "worst": float(accuracies.min()),
        "best": float(accuracies.max()),
        "ci_low": max(mean - half, 0.0),
        "ci_high": min(mean + half, 1.0),
        "subsets": len(accuracies),
    }
