"""What the answers cost: messages, bytes, MACs, a proxy of the energy, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coinfer.cluster import Cluster
from coinfer.runtime.record import Outcome, Record


def effort_figures(outcome: Outcome, cluster: Cluster) -> dict[str, Any]:
    """Means per request, over all requests; the energy that was measured is that of the run."""
    records = outcome.records
    return {
        "bytes_up_per_request": _mean(records, "bytes_up"),
        "bytes_down_per_request": _mean(records, "bytes_down"),
        "bytes_peer_per_request": _mean(records, "bytes_peer"),
        "frame_bytes_per_request": _mean(records, "frame_bytes"),
        "messages_per_request": _mean(records, "messages"),
        "control_messages_per_request": _mean(records, "control_messages"),
        "macs_per_request": _mean(records, "macs"),
        "macs_wasted_per_request": _mean(records, "macs_wasted"),
        "energy_proxy_j": energy_proxy_j(outcome, cluster),
        **measured_energy(outcome),
    }


def measured_energy(outcome: Outcome) -> dict[str, Any]:
    """What the machine drew in the whole run, the warm-up included, and what that counts."""
    if outcome.energy is None:
        return {}
    return {"rapl_j": outcome.energy.joules, "rapl_scope": outcome.energy.scope}


def energy_proxy_j(outcome: Outcome, cluster: Cluster) -> float:
    """Energy of the devices per request, by a linear model of power.

    The devices idle for the whole run, draw ``busy_w`` while they compute and ``j_per_byte`` for
    what they send and receive. The source is not a device and does not count. Records do not
    tell which device a byte belonged to, so the mean ``j_per_byte`` of the cluster is charged;
    bytes between devices are charged to both ends.
    """
    seconds = outcome.duration_ns / 1e9
    compute_j = sum(
        d.idle_w * seconds + (d.busy_w - d.idle_w) * outcome.busy_ns.get(d.name, 0) / 1e9
        for d in cluster.devices
    )
    j_per_byte = sum(d.j_per_byte for d in cluster.devices) / len(cluster.devices)
    moved = sum(r.bytes_up + r.bytes_down + 2 * r.bytes_peer for r in outcome.records)
    return (compute_j + j_per_byte * moved) / len(outcome.records)


def _mean(records: Sequence[Record], field: str) -> float:
    total: int = sum(getattr(r, field) for r in records)
    return total / len(records)
