"""Static rivals of a network with exits: what the same MACs, or the same time, buy without them.

A rival takes the same for every row: one of the network's own exits for all, or any method of the
suite that has no exits, such as a single distilled student or a small ensemble. A rule is held
against it at the candidate that loses least on the calibration split among those that take no more
there; both answer the same test images, so the difference is a paired one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from coinfer.contract import FloatArray
from coinfer.errors import PlanError
from coinfer.execute.cell import test_images
from coinfer.execute.networks import Network, exits_early
from coinfer.execute.prepare import prepare
from coinfer.execute.resilience import total_macs
from coinfer.methods.rules import Curve, ExitRule, Target, choose, exits_taken
from coinfer.methods.rules.candidates import Thresholds
from coinfer.runtime.runner import Runner
from coinfer.runtime.survivors import Survivors
from coinfer.suite import Cell
from coinfer.training import OnProgress, Zoo
from coinfer.training.modules import build
from coinfer_kernels import backend

_INTERVAL: Final = 0.95
_DRAWS: Final = 10_000


class Rival(NamedTuple):
    """A network without exits.

    Attributes
    ----------
    name : str
    macs : int
        Of all its devices and the source.
    ns : int
        Until it answers, as its plan predicts it.
    right : ndarray of bool, shape (N,)
        On the test images.
    """

    name: str
    macs: int
    ns: int
    right: npt.NDArray[np.bool_]


def own_exits(network: Network) -> list[Rival]:
    """The network cut off at each of its exits, without the heads and messages of the others."""
    costs = network.costs["fixed"]
    every = zip(costs.alone_macs, costs.alone_ns, network.test.right, strict=True)
    return [Rival(f"exit {b}", *of) for b, of in enumerate(every, 1)]


def rivals(
    cells: Sequence[Cell], network: Network, progress: OnProgress | None = None
) -> list[Rival]:
    """Methods without exits among the cells, on the data, cluster and seed of the network.

    Parameters
    ----------
    cells : sequence of Cell
    network : Network
    progress : callable, optional
    """
    where = _where(network.cell)
    chosen = {c.method.variant: c for c in cells if not exits_early(c) and _where(c) == where}
    return [_rival(cell, progress) for cell in chosen.values()]


def _where(cell: Cell) -> tuple[Any, ...]:
    return cell.dataset, cell.cluster_name, cell.train_seed, cell.encoding


def _rival(cell: Cell, progress: OnProgress | None) -> Rival:
    prepared = prepare(cell, progress, Zoo())
    deployment = prepared.deployment
    if not Survivors.can_tell(deployment) or deployment.predicted_latency_ns is None:
        raise PlanError(f"{cell.method.variant}: no static rival; leave it out with -m")
    images, labels = test_images(cell.dataset)
    # As in the rest of a sweep, nothing is encoded.
    told = Survivors(
        deployment, images, "raw", backend.load(cell.kernels), Runner(build, memo=False)
    )
    right = told.answers(cell.cluster.names).labels == labels
    return Rival(cell.method.variant, total_macs(prepared), deployment.predicted_latency_ns, right)


def against(
    rival: Rival,
    rule: ExitRule,
    made: Thresholds,
    calibrated: Curve,
    scores: FloatArray,
    network: Network,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """A rule at the MACs of a rival, and at its latency: a row each.

    Parameters
    ----------
    rival : Rival
    rule : ExitRule
    made : ndarray of float64, shape (J, B − 1)
        Candidates for the thresholds.
    calibrated : Curve
        What they do on the calibration split.
    scores : ndarray of float32, shape (B − 1, N)
        Of the rule on the test split.
    network : Network
    seed : int
        Of the intervals.

    Yields
    ------
    dict
        ``difference_points`` is the accuracy of the rule less the rival's; it and all that
        belongs to a candidate are None where no candidate takes as little.
    """
    named = {
        "rival": rival.name,
        "rival_accuracy": float(rival.right.mean()),
        "rival_macs": rival.macs,
        "rival_latency_ms": rival.ns / 1e6,
    }
    limits = {
        "macs": Target(mean_macs=rival.macs),
        "latency": Target(mean_latency_ms=rival.ns / 1e6),
    }
    right = network.test.right
    macs, ns = (np.array(of) for of in network.costs[rule.name].of(rule))
    for equal, target in limits.items():
        row = {**named, "equal": equal, "candidate": None, "difference_points": None}
        try:
            j = choose(calibrated, target, len(network.calibration.labels))
        except PlanError:
            yield row
            continue
        left = exits_taken(rule, scores, made[j])
        early = right[left - 1, np.arange(len(left))]
        better, worse = float((early & ~rival.right).mean()), float((rival.right & ~early).mean())
        low, high = paired_interval(better, worse, len(left), seed)
        yield row | {
            "candidate": j,
            "accuracy": float(early.mean()),
            "macs_per_request": float(macs[left - 1].mean()),
            "latency_mean_ms": float(ns[left - 1].mean()) / 1e6,
            "difference_points": 100 * (better - worse),
            "difference_interval": (low, high),
        }


def paired_interval(more: float, less: float, images: int, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of a paired difference in points, whose images are of three kinds only.

    Parameters
    ----------
    more, less : float
        Shares of the images that count +1 and -1.
    images : int
    seed : int

    Examples
    --------
    >>> low, high = paired_interval(0.02, 0.01, 10_000, seed=0)
    >>> low < 1 < high
    True
    """
    shares = np.array([more, less, 1 - more - less]).clip(0, 1)
    drawn = np.random.default_rng(seed).multinomial(images, shares / shares.sum(), _DRAWS)
    differences = 100 * (drawn[:, 0] - drawn[:, 1]) / images
    tail = (1 - _INTERVAL) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)
