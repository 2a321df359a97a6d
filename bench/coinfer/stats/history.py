"""One suite over many runs: each run against the one before, and the last against the first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from coinfer.metrics import Metric
from coinfer.stats.compare import Side, questions_between
from coinfer.stats.verdicts import Row, Rules, judge
from coinfer.suite.schema import Value

_Key: TypeAlias = tuple[object, ...]


class Series(msgspec.Struct, frozen=True):
    """One figure in one setting, from run to run.

    Attributes
    ----------
    metric : str
    where : dict of str to value
    runs : tuple of str
        Labels, oldest first.
    means : tuple of float or None
        None where a run has no such figure.
    steps : tuple of Row or None
        Each run against the one before it, so one fewer than runs.
    overall : Row or None
        The last run against the first: small steps add up, each of them below the threshold.
    """

    metric: str
    where: dict[str, Value]
    runs: tuple[str, ...]
    means: tuple[float | None, ...]
    steps: tuple[Row | None, ...]
    overall: Row | None


def history(runs: Sequence[Side], metrics: Sequence[Metric], rules: Rules) -> tuple[Series, ...]:
    """Judge all steps of all figures as one table.

    Parameters
    ----------
    runs : sequence of Side
        Oldest first, with labels that differ; at least two.
    metrics : sequence of Metric
    rules : Rules
    """
    pairs = [*itertools.pairwise(runs)]
    if len(runs) > 2:
        pairs.append((runs[0], runs[-1]))
    rows = judge([q for base, new in pairs for q in questions_between(base, new, metrics)], rules)
    found = {(_key(row), row.base, row.new): row for row in rows}
    labels = tuple(side.label for side in runs)
    series = []
    for key, example in {_key(row): row for row in rows}.items():
        steps = tuple(found.get((key, *pair)) for pair in itertools.pairwise(labels))
        series.append(
            Series(
                *(example.metric, example.where, labels, _means(steps), steps),
                overall=found.get((key, labels[0], labels[-1])),
            )
        )
    return tuple(series)


def _key(row: Row) -> _Key:
    return row.metric, *row.where.items()


def _means(steps: Sequence[Row | None]) -> tuple[float | None, ...]:
    """Figure of every run, from the steps that end there, or else begin there."""
    ends = [None, *(None if step is None else step.new_mean for step in steps)]
    begins = [*(None if step is None else step.base_mean for step in steps), None]
    return tuple(begin if end is None else end for end, begin in zip(ends, begins, strict=True))
