"""The suite's question, answered in sentences of plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from coinfer.metrics import METRICS, Metric, metric
from coinfer.report.numbers import amount, percent, points, ratio, span
from coinfer.stats import Row, Rules, within_run
from coinfer.store import StoredCell
from coinfer.suite import Finding
from coinfer.suite.schema import Value

_COSTS: Final = (
    "accuracy",
    "latency_p50_ms",
    "macs_per_request",
    "bytes_up_per_request",
    "peak_memory_bytes",
)


def answers(finding: Finding, cells: Sequence[StoredCell]) -> list[str]:
    """Sentences that a finding amounts to: one for each setting it was measured in.

    Each finding was asked before the run, by the suite; so it is judged by itself, without a
    correction for the other rows of the table.
    """
    named = metric(finding.metric, "report")
    rules = Rules()
    rows = within_run(
        cells,
        [named],
        rules,
        base=finding.against,
        by=finding.by,
        against=[finding.compare],
        where=finding.where,
    )
    if not rows:
        return [f"Nothing was measured of {finding.compare} against {finding.against}."]
    varying = {a for row in rows for a in row.where if len({r.where[a] for r in rows}) > 1}
    sentences = []
    for row in rows:
        setting = {axis: row.where[axis] for axis in row.where if axis in varying} | finding.where
        sentence = _sentence(named, row, setting)
        costs = [
            cost
            for name in _COSTS
            if name != finding.metric
            for cost in within_run(
                cells,
                [METRICS[name]],
                rules,
                base=finding.against,
                by=finding.by,
                against=[finding.compare],
                where=row.where,
            )
        ]
        sentences.append(sentence if row.ratio is None else f"{sentence} {_cost(costs)}")
    return sentences


def _sentence(named: Metric, row: Row, setting: Mapping[str, Value]) -> str:
    said = " and ".join(f"{axis} = {value}" for axis, value in setting.items())
    where = f"With {said}, " if said else ""
    seeds = f"{row.pairs} seed" + ("s" if row.pairs != 1 else "")
    if row.verdict in ("missing", "not-comparable"):
        return f"{where}{row.new} and {row.base} cannot be compared: {row.reason}."
    sizes = f"{_value(named, row.new_mean)} against {_value(named, row.base_mean)}"
    size = f"{sizes}{_size(named, row)}{seeds})"
    if row.verdict == "same":
        return f"{where}{row.new} and {row.base} have the same {named.noun}: {size}."
    if row.verdict == "inconclusive":
        the = "the" if where else "The"
        told = f"{the} {named.noun} of {row.new} against that of {row.base} is inconclusive"
        return f"{where}{told}: {size}; {row.reason}."
    return f"{where}{_claim(named, row)}: {size}."


def _claim(named: Metric, row: Row) -> str:
    if named.time:
        return f"{row.new} answers {row.verdict} than {row.base} ({named.noun})"
    more = (row.verdict == "better") == (named.better == "higher")
    amount_word = "more" if more else "less" if named.scale == "share" else "fewer"
    verb = "keeps" if named.scale == "share" else "takes"
    return f"{row.new} {verb} {amount_word} {named.noun} than {row.base}"


def _size(named: Metric, row: Row) -> str:
    """Size of the effect and the interval; ends inside an open bracket."""
    if named.scale == "share" and row.difference is not None:
        interval = (
            f"{points(row.difference_low)} to {points(row.difference_high)}, "
            if row.difference_low is not None and row.difference_high is not None
            else ""
        )
        return f", {points(row.difference)} points ({interval}"
    if row.ratio is None:
        return " ("
    around = span(row.ci_low, row.ci_high)
    return f", {ratio(row.ratio)} ({around}{', ' if around else ''}"


def _value(named: Metric, value: float | None) -> str:
    if named.scale == "share":
        return percent(value)
    return "no answer in time" if value is None else amount(value, named.unit)


def _cost(rows: Sequence[Row]) -> str:
    """Say what the difference costs, by the figures that are worse by more than the threshold."""
    told = [_one_cost(row) for row in rows if _is_worse(row)]
    if told:
        return f"It costs {', '.join(told)}."
    nouns = [METRICS[row.metric].noun for row in rows if row.ratio is not None]
    return f"It costs nothing in {', '.join(nouns)}." if nouns else ""


def _is_worse(row: Row) -> bool:
    if row.regression:
        return True
    change = row.difference
    if change is None:
        change = None if row.ratio is None else row.ratio - 1
    if change is None or abs(change) <= row.threshold or row.verdict == "same":
        return False
    return (change > 0) == (METRICS[row.metric].better == "lower")


def _one_cost(row: Row) -> str:
    named = METRICS[row.metric]
    doubt = "" if row.regression else " (not certain)"
    if row.difference is not None:
        return f"{points(abs(row.difference)).lstrip('+')} points of {named.noun}{doubt}"
    size = "unbounded" if row.ratio is None else ratio(row.ratio)
    return f"{size} the {named.noun}{doubt}"
