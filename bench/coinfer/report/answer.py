"""The suite's question, answered: which rows its findings amount to; sentences.py has the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coinfer.metrics import METRICS, Metric, metric
from coinfer.report.sentences import answer, varying_axes
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
"""Figures that are told beside the one that a finding is about."""


def answers(finding: Finding, cells: Sequence[StoredCell]) -> list[str]:
    """Sentences that a finding amounts to: one for each setting it was measured in.

    Each finding was asked before the run, by the suite; so it is judged by itself, without a
    correction for the other rows of the table.
    """
    named = metric(finding.metric, "report")

    def rows_of(one: Metric, where: dict[str, Value]) -> tuple[Row, ...]:
        return within_run(
            cells,
            [one],
            Rules(),
            base=finding.against,
            by=finding.by,
            against=[finding.compare],
            where=where,
        )

    rows = rows_of(named, finding.where)
    if not rows:
        return [f"Nothing was measured of {finding.compare} against {finding.against}."]
    varying = varying_axes(rows)
    told = []
    for row in rows:
        setting = {axis: row.where[axis] for axis in varying} | finding.where
        others = [METRICS[name] for name in _COSTS if name != finding.metric]
        costs = [cost for one in others for cost in rows_of(one, row.where)]
        told.append(answer(row, costs, setting))
    return told
