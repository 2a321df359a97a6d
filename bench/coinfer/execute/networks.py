"""Networks with exits among cells, and what they answer at every exit: what a sweep is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from coinfer.errors import UsageError
from coinfer.execute.prepare import fitted
from coinfer.methods import method
from coinfer.methods.rules import RULES, Costs
from coinfer.suite import Cell
from coinfer.training import OnProgress, SplitOutputs, Zoo, split_outputs


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


def exits_early(cell: Cell) -> bool:
    """Whether the method of a cell has exit rules."""
    return {"rule", "target"} <= set(cell.method.parameters)


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
    with_exits = [cell for cell in cells if exits_early(cell)]
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
