"""Every exit rule at every threshold, from outputs that are remembered: seconds, not runs.

All exits of a network are run once over the three splits. What a rule does at a threshold is then
arithmetic. MACs and latency are what the plan predicts, and portions are not encoded: points that
matter are confirmed by a run of their cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec
import numpy as np

from coinfer.errors import UsageError
from coinfer.execute.prepare import fitted
from coinfer.methods import method
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
from coinfer.suite import Cell
from coinfer.training import (
    OnProgress,
    SplitOutputs,
    Zoo,
    fit_temperature,
    reliability,
    split_outputs,
)
from coinfer_kernels import backend

TARGETS: Final = (
    *(Target(accuracy_loss_points=points) for points in (0.1, 0.3, 0.5, 1.0)),
    *(Target(risk=Risk(points, 0.1, "ltt")) for points in (0.5, 1.0, 2.0)),
    *(Target(risk=Risk(points, 0.1, "crc")) for points in (0.5, 1.0, 2.0)),
)
"""What thresholds are chosen for in every sweep."""

_INTERVAL: Final = 0.95
_DRAWS: Final = 10_000


class Network(NamedTuple):
    """One trained network on one cluster: what a sweep is about.

    Attributes
    ----------
    cell : Cell
        The first cell that has it.
    costs : dict of str to Costs
        By rule.
    validation, calibration, test : SplitOutputs
    weights_sha256 : str
    """

    cell: Cell
    costs: dict[str, Costs]
    validation: SplitOutputs
    calibration: SplitOutputs
    test: SplitOutputs
    weights_sha256: str

    @property
    def name(self) -> dict[str, Any]:
        """Coordinates that tell networks apart."""
        cell = self.cell
        return {
            "method": cell.method.variant,
            "dataset": cell.dataset,
            "cluster": cell.cluster_name,
            "train_seed": cell.train_seed,
        }

    @property
    def source(self) -> dict[str, Any]:
        """What the sweep rests on."""
        splits = {"validation": self.validation, "calibration": self.calibration, "test": self.test}
        return {
            **self.name,
            "weights_sha256": self.weights_sha256,
            **{f"{name}_sha256": split.sha256 for name, split in splits.items()},
            "images": {name: len(split.labels) for name, split in splits.items()},
        }


def networks(
    cells: Sequence[Cell], progress: OnProgress | None = None, zoo: Zoo | None = None
) -> Iterator[Network]:
    """Networks with several exits among the cells, each once.

    Parameters
    ----------
    cells : sequence of Cell
    progress : callable, optional
    zoo : Zoo, optional

    Raises
    ------
    UsageError
        If no cell has a method that exits early.
    """
    zoo = zoo or Zoo()
    with_exits = [c for c in cells if {"rule", "target"} <= set(c.method.parameters)]
    if not with_exits:
        raise UsageError("no method of the suite has exit rules to sweep; say -m distree")
    known = set()
    for cell in with_exits:
        # These do not decide the network, only what is done with it.
        free = {"rule", "thresholds", "temperature_scaling", "target", "patience"}
        fixed = {k: v for k, v in cell.method.parameters.items() if k not in free}
        what = [cell.method.base, fixed, cell.dataset, cell.cluster, cell.train_seed, cell.encoding]
        key = msgspec.json.encode(what, order="sorted")
        if key not in known:
            known.add(key)
            yield _network(cell, progress, zoo)


def _network(cell: Cell, progress: OnProgress | None, zoo: Zoo) -> Network:
    _, plan, profile, _ = fitted(cell, progress, zoo)
    kind = method(cell.method.base)
    costs = {}
    for name, rule in RULES.items():
        # The oracle spends what a rule spends that reads logits, as it does.
        asked = name if rule.deployable else "max-probability"
        parameters = msgspec.convert({**cell.method.parameters, "rule": asked}, kind.Parameters)
        costs[name] = kind(parameters).plan(profile, cell.cluster).costs
    validation, calibration, test = (
        split_outputs(plan.joint, zoo, split, cell.dataset if split == "test" else None)
        for split in ("validation", "calibration", "test")
    )
    return Network(cell, costs, validation, calibration, test, plan.joint.weights_sha256)


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
    """

    fronts: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    promises: list[dict[str, Any]]
    exits: list[dict[str, Any]]


def swept(network: Network, resamplings: int, seed: int = 0) -> Swept:
    """Every rule at every threshold, what targets choose, and how often limits are broken.

    Parameters
    ----------
    network : Network
    resamplings : int
        Zero leaves the promises out.
    seed : int
        Of the resamplings and of the intervals.
    """
    found = Swept([], [], [], _exits(network))
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
            _rule(network, rule, scheme, scored, resamplings, seed, found)
    return found


def _rule(
    network: Network,
    rule: ExitRule,
    scheme: Scheme,
    scored: list[Any],
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
                    "accuracy_loss_interval": _interval(tested, j, network.test, seed),
                },
            }
        )
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


def _interval(found: Curve, j: int, test: SplitOutputs, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of the paired loss in points; its images are of three kinds only."""
    harm, loss = found.harm[j], found.accuracy_loss_points[j] / 100
    images = len(test.labels)
    shares = np.array([harm, harm - loss, 1 - 2 * harm + loss]).clip(0, 1)
    drawn = np.random.default_rng(seed).multinomial(images, shares / shares.sum(), _DRAWS)
    losses = 100 * (drawn[:, 0] - drawn[:, 1]) / images
    tail = (1 - _INTERVAL) / 2
    low, high = np.quantile(losses, [tail, 1 - tail])
    return float(low), float(high)


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
