"""All figures of one cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from coinfer.errors import ExecutionError
from coinfer.metrics.effort import effort_figures
from coinfer.metrics.faults import fault_figures
from coinfer.metrics.latency import critical_path_ms, latency_figures, percentile_warnings
from coinfer.metrics.quality import quality_figures
from coinfer.runtime.record import Outcome
from coinfer.suite import Cell

STATICS: Final = (
    *("teacher_accuracy", "predicted_latency_ms", "total_macs", "total_memory_bytes"),
    *("accuracy_by_failures", "accuracy_by_parts_lost"),
    *("expected_accuracy", "expected_accuracy_correlated"),
    *("availability", "availability_in_full"),
)
"""Names of what is known of a deployment without a run; see `coinfer.metrics.resilience`."""

EXITS: Final = (
    *("exit_rule", "threshold", "target", "macs_saved_fraction"),
    *("accuracy_loss_points", "realised_risk", "ece"),
)
"""Names of what is told of methods that can exit early; see `coinfer.execute.exits`."""

FIGURES: Final = (
    *("requests", "ok", "degraded", "timeout", "failed"),
    *("accuracy", "accuracy_answered"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"),
    *("latency_p999_ms", "latency_mean_ms"),
    *("goodput_rps", "deadline_hit_rate", "max_rate_rps"),
    *("bytes_up_per_request", "bytes_down_per_request", "bytes_peer_per_request"),
    *("frame_bytes_per_request", "messages_per_request", "control_messages_per_request"),
    *("macs_per_request", "macs_wasted_per_request"),
    *("peak_memory_bytes", "energy_proxy_j", "rapl_j", "rapl_scope"),
    *("exit_counts", "critical_path_ms"),
    *("faults_injected", "faults_landed", "detection_mean_ms", "detection_max_ms"),
    *("recovery_mean_ms", "recovery_max_ms"),
    *("lost_messages", "corrupt_messages", "stale_messages", "foreign_messages"),
    *("duration_s", "trace_sha256", "fidelity", "emulation", "warnings"),
    *EXITS,
    *STATICS,
)
"""Names of all figures, in the order in which they are shown."""


def figures(outcome: Outcome, cell: Cell, told: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of one cell.

    Parameters
    ----------
    outcome : Outcome
    cell : Cell
    told : mapping
        Figures that no record holds: ``peak_memory_bytes``, the most that one device holds, what
        there is of `STATICS` and `EXITS`, and ``max_rate_rps`` where a rate was searched for, and
        ``emulation`` where the cell ran on boards.

    Returns
    -------
    dict
        One entry for each name in `FIGURES`, but for ``latency_p999_ms`` where there are too few
        requests for it, ``max_rate_rps`` where no rate was searched for, ``emulation`` where there
        were no boards, ``rapl_j`` and ``rapl_scope`` where the machine does not tell what it draws,
        and what of `STATICS` and `EXITS` is not known; JSON values only. Requests of the warm-up
        count nowhere.

    Raises
    ------
    ExecutionError
        If there are fewer or more records than requests: one has disappeared.
    """
    records = outcome.records
    if len(records) != cell.workload.requests:
        raise ExecutionError(
            f"{cell.key}: {len(records)} records for {cell.workload.requests} requests; "
            "a request must never disappear (please report this)"
        )
    outcome = _without_warm_up(outcome)
    records = outcome.records
    found = {
        **quality_figures(records, outcome.duration_ns, cell.deadline_ms),
        **latency_figures(records),
        **effort_figures(outcome, cell.cluster),
        **fault_figures(outcome),
        "critical_path_ms": critical_path_ms(records),
        "peak_memory_bytes": None,
        **told,
        "duration_s": outcome.duration_ns / 1e9,
        "trace_sha256": outcome.trace_sha256,
        "fidelity": msgspec.to_builtins(outcome.fidelity),
        "warnings": [*outcome.warnings, *percentile_warnings(len(records))],
    }
    return {name: found[name] for name in FIGURES if name in found}


def _without_warm_up(outcome: Outcome) -> Outcome:
    """The part of a run that counts.

    It begins when the first request that counts should have arrived. Nobody records how long a
    device computed for which request: its time is shared out by MACs.
    """
    records = tuple(r for r in outcome.records if not r.warm_up)
    if len(records) == len(outcome.records):
        return outcome
    begin_ns = min(r.intended_ns for r in records)
    macs = sum(r.macs for r in outcome.records)
    share = sum(r.macs for r in records) / macs if macs else 1.0
    return msgspec.structs.replace(
        outcome,
        records=records,
        duration_ns=max(outcome.duration_ns - begin_ns, 0),
        busy_ns={name: round(busy * share) for name, busy in outcome.busy_ns.items()},
    )
