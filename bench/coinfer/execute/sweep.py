"""Every exit rule at every threshold, from outputs that are remembered: seconds, not runs.

All exits of a network are run once over the three splits. What a rule does at a threshold is then
arithmetic. MACs and latency are what the plan predicts, and portions are not encoded: points that
matter are confirmed by a run of their cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec
import numpy as np

from coinfer.execute.networks import Network
from coinfer.execute.rivals import Rival, against, own_exits, paired_interval
from coinfer.methods.rules import (
    RULES,
    Costs,
    Curve,
    ExitRule,
    Risk,
    Scheme,
    Target,
    candidates,
    choose,
    curve,
    scores_of,
)
from coinfer.methods.rules.resampled import resampled
from coinfer.training import fit_temperature, reliability
from coinfer_kernels import backend

TARGETS: Final = (
    *(Target(accuracy_loss_points=points) for points in (0.1, 0.3, 0.5, 1.0)),
    *(Target(risk=Risk(points, 0.1, "ltt")) for points in (0.5, 1.0, 2.0)),
    *(Target(risk=Risk(points, 0.1, "crc")) for points in (0.5, 1.0, 2.0)),
)
"""What thresholds are chosen for in every sweep."""


class Swept(NamedTuple):
    """What a sweep of one network found, as plain values: rows of tables.

    Attributes
    ----------
    fronts : list of dict
        Every rule at every candidate, on the calibration and on the test split.
    choices : list of dict
        What each target chooses on the calibration split, and what comes of it on the test split.
    promises : list of dict
        How often each way of setting thresholds breaks its limit when the splits are drawn anew.
    exits : list of dict
        Accuracy and reliability of every exit on the test split.
    rivals : list of dict
        Every rule against networks without exits at their MACs and at their latency; see
        `coinfer.execute.rivals`.
    """

    fronts: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    promises: list[dict[str, Any]]
    exits: list[dict[str, Any]]
    rivals: list[dict[str, Any]]


def swept(network: Network, resamplings: int, rivals: Sequence[Rival] = (), seed: int = 0) -> Swept:
    """Every rule at every threshold, what targets choose, and how often limits are broken.

    Parameters
    ----------
    network : Network
    resamplings : int
        Zero leaves the promises out.
    rivals : sequence of Rival
        Beside the network's own exits, each for all rows.
    seed : int
        Of the resamplings and of the intervals.
    """
    found = Swept([], [], [], _exits(network), [])
    rivals = [*own_exits(network), *rivals]
    kernels = backend.load("reference")
    for name, kind in RULES.items():
        if name == "oracle":
            _oracle(network, kind, found)
            continue
        rule = kind.learn(network.validation)
        scored = [
            scores_of(rule, split, kernels)
            for split in (network.validation, network.calibration, network.test)
        ]
        # Where there is nothing to share out, budgets are no way of their own.
        schemes = ("shared",) if rule.alone or name in ("random", "patience") else get_args(Scheme)
        for scheme in schemes:
            _rule(network, rule, scheme, scored, rivals, resamplings, seed, found)
    return found


def _rule(
    network: Network,
    rule: ExitRule,
    scheme: Scheme,
    scored: list[Any],
    rivals: Sequence[Rival],
    resamplings: int,
    seed: int,
    swept: Swept,
) -> None:
    costs = network.costs[rule.name]
    on_validation, on_calibration, on_test = scored
    made = candidates(rule, on_validation, scheme)
    right = network.calibration.right
    calibrated = curve(rule, on_calibration, right, made, costs)
    tested = curve(rule, on_test, network.test.right, made, costs)
    named = {**network.name, "rule": rule.name, "scheme": scheme}
    for split, found in (("calibration", calibrated), ("test", tested)):
        for j, taus in enumerate(made):
            at = {"candidate": j, "thresholds": [float(t) for t in taus]}
            swept.fronts.append({**named, "split": split, **at, **_figures(found, j, costs)})
    for target in TARGETS if len(made) > 1 else ():
        j = choose(calibrated, target, right.shape[1])
        swept.choices.append(
            {
                **named,
                "target": msgspec.to_builtins(target),
                "candidate": j,
                "thresholds": [float(t) if np.isfinite(t) else None for t in made[j]],
                "requested": _figures(calibrated, j, costs),
                "realised": {
                    **_figures(tested, j, costs),
                    "accuracy_loss_interval": _loss_interval(
                        tested, j, len(network.test.labels), seed
                    ),
                },
            }
        )
    for rival in rivals if len(made) > 1 else ():
        for row in against(rival, rule, made, calibrated, on_test, network, seed):
            swept.rivals.append({**named, **row})
    if resamplings and len(made) > 1:
        both = np.concatenate([on_calibration, on_test], axis=1)
        answers = np.concatenate([right, network.test.right], axis=1)
        kept = resampled(
            rule, both, answers, made, costs, TARGETS, right.shape[1], resamplings, seed
        )
        for target, one in zip(TARGETS, kept, strict=True):
            swept.promises.append(
                {
                    **named,
                    "target": msgspec.to_builtins(target),
                    "resamplings": resamplings,
                    **one._asdict(),
                }
            )


def _oracle(network: Network, kind: type[ExitRule], swept: Swept) -> None:
    """One point: it has no threshold, and knows the labels of the test split."""
    rule = kind.learn(network.test)
    scores = scores_of(rule, network.test, backend.load("reference"))
    made = np.ones((1, len(scores)))
    costs = network.costs[rule.name]
    found = curve(rule, scores, network.test.right, made, costs)
    named = {**network.name, "rule": rule.name, "scheme": "shared", "split": "test"}
    swept.fronts.append(
        {**named, "candidate": 0, "thresholds": made[0].tolist(), **_figures(found, 0, costs)}
    )


def _figures(found: Curve, j: int, costs: Costs) -> dict[str, Any]:
    point = found.point(j)
    return {
        "accuracy": point.accuracy,
        "accuracy_loss_points": point.accuracy_loss_points,
        "harm_points": 100 * point.harm,
        "macs_per_request": point.macs,
        "macs_saved_fraction": 1 - point.macs / costs.alone_macs[-1],
        "latency_mean_ms": point.ns / 1e6,
        "latency_saved_fraction": 1 - point.ns / costs.alone_ns[-1],
        "exits": list(point.exits),
    }


def _loss_interval(found: Curve, j: int, images: int, seed: int) -> tuple[float, float]:
    harm, loss = float(found.harm[j]), float(found.accuracy_loss_points[j]) / 100
    return paired_interval(harm, harm - loss, images, seed)


def _exits(network: Network) -> list[dict[str, Any]]:
    """Exit by exit, the temperature from the validation split."""
    found = []
    costs = network.costs["max-probability"]
    for b, logits in enumerate(network.test.logits):
        labels = network.test.labels
        temperature = fit_temperature(network.validation.logits[b], network.validation.labels)
        before = reliability(logits, labels)
        after = reliability(logits, labels, temperature)
        found.append(
            {
                **network.name,
                "exit": b + 1,
                "accuracy": float(network.test.right[b].mean()),
                "macs": costs.macs[b],
                "macs_alone": costs.alone_macs[b],
                "temperature": temperature,
                "ece_before": before.ece,
                "ece": after.ece,
                "auroc_before": before.auroc,
                "auroc": after.auroc,
            }
        )
    return found
