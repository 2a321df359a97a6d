"""How often each way of setting thresholds breaks its promise: resampled calibration splits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coinfer.contract import FloatArray
from coinfer.errors import UsageError
from coinfer.methods.rules.base import BoolArray, ExitRule, exits_taken
from coinfer.methods.rules.candidates import Thresholds
from coinfer.methods.rules.curve import Costs, Curve, FloatsJ
from coinfer.methods.rules.target import Target
from coinfer.methods.rules.tuning import choose

_AT_A_TIME = 64


class Kept(NamedTuple):
    """How one way of setting thresholds fared.

    Attributes
    ----------
    broken_fraction : float
        Share of the resamplings whose loss (or harm, where the target bounds it) exceeds the limit
        on all images, of which the calibration split is a random part: what a bound is about.
    broken_on_test_fraction : float
        The same on the images that are left as a test split, whose own luck adds to it.
    realised_points : float
        Mean loss or harm on the test split.
    macs_saved_fraction : float
        Mean on the test split, against the last exit alone.
    """

    broken_fraction: float
    broken_on_test_fraction: float
    realised_points: float
    macs_saved_fraction: float


def resampled(
    rule: ExitRule,
    scores: FloatArray,
    right: BoolArray,
    thresholds: Thresholds,
    costs: Costs,
    targets: tuple[Target, ...],
    images: int,
    times: int,
    seed: int,
) -> list[Kept]:
    """Split the same images again and again into calibration and test, and set thresholds anew.

    Parameters
    ----------
    rule : ExitRule
    scores : ndarray of float32, shape (B − 1, N)
    right : ndarray of bool, shape (B, N)
        Whether each exit is right.
    thresholds : ndarray of float64, shape (J, B − 1)
        Candidates, made of none of these images.
    costs : Costs
    targets : tuple of Target
        Each of an accuracy loss or a risk.
    images : int
        Size of a calibration split; the test split is what is left.
    times : int
    seed : int

    Returns
    -------
    list of Kept
        One a target.
    """
    everything = right.shape[1]
    if not 0 < images < everything or times < 1:
        raise UsageError(f"cannot calibrate {times} times on {images} of {everything} images")
    left = np.stack([exits_taken(rule, scores, taus) for taus in thresholds])
    early, full = right[left - 1, np.arange(everything)], right[-1]
    macs = np.array(costs.of(rule)[0], np.float64)
    lost = (full[None] - early.astype(np.float32)).astype(np.float32)
    harmed = (full & ~early).astype(np.float32)
    spent = macs[left - 1].astype(np.float32)
    totals = [of.sum(axis=1, dtype=np.float64) for of in (lost, harmed, spent)]
    draws = np.random.default_rng(seed)
    found: list[list[tuple[float, float, float]]] = [[] for _ in targets]
    for start in range(0, times, _AT_A_TIME):
        picked = np.zeros((everything, min(_AT_A_TIME, times - start)), np.float32)
        for column in picked.T:
            column[draws.permutation(everything)[:images]] = 1
        sums = [(of @ picked).astype(np.float64) for of in (lost, harmed, spent)]
        for n in range(picked.shape[1]):
            inside = [of[:, n] / images for of in sums]
            told = _curve(*inside)
            for target, of_target in zip(targets, found, strict=True):
                j = choose(told, target, images)
                limited = 1 if target.risk is not None else 0
                on_test = [
                    float(total[j] - of[j, n]) / (everything - images)
                    for total, of in zip(totals, sums, strict=True)
                ]
                on_all = float(totals[limited][j]) / everything
                of_target.append((100 * on_all, 100 * on_test[limited], on_test[2]))
    whole = costs.alone_macs[-1]
    return [
        _kept(target, np.array(of_target), whole)
        for target, of_target in zip(targets, found, strict=True)
    ]


def _curve(loss: FloatsJ, harm: FloatsJ, macs: FloatsJ) -> Curve:
    """What a choice looks at; the other figures it does not need."""
    unknown = np.full(len(loss), np.nan)
    return Curve(unknown, 100 * loss, harm, macs, unknown, unknown[:, None])


def _kept(target: Target, realised: FloatsJ, whole: int) -> Kept:
    limit = target.accuracy_loss_points
    if target.risk is not None:
        limit = target.risk.epsilon_points
    assert limit is not None, "the limit is one on answers"
    on_all, on_test, macs = realised.T
    return Kept(
        broken_fraction=float((on_all > limit + 1e-9).mean()),
        broken_on_test_fraction=float((on_test > limit + 1e-9).mean()),
        realised_points=float(on_test.mean()),
        macs_saved_fraction=float(1 - macs.mean() / whole),
    )
