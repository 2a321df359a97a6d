"""The figures that can be compared: which way is better, and how differences are told."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from coinfer.errors import UsageError


class Metric(NamedTuple):
    """One figure that can be compared.

    Attributes
    ----------
    name : str
        Key among a cell's figures.
    better : {"lower", "higher"}
    scale : {"ratio", "share"}
        ``ratio``: positive amounts, compared by their quotient. ``share``: fractions of the
        requests, compared by their difference in points.
    noun : str
        What is counted, in plain words.
    unit : str
    time : bool
        Whether less is *faster*, not merely better.
    """

    name: str
    better: Literal["lower", "higher"]
    scale: Literal["ratio", "share"]
    noun: str
    unit: str = ""
    time: bool = False


_ALL: Final = (
    Metric("accuracy", "higher", "share", "accuracy"),
    Metric("accuracy_answered", "higher", "share", "accuracy of answered requests"),
    Metric("deadline_hit_rate", "higher", "share", "requests within the deadline"),
    Metric("latency_p50_ms", "lower", "ratio", "median latency", "ms", time=True),
    Metric("latency_p95_ms", "lower", "ratio", "95th percentile of latency", "ms", time=True),
    Metric("latency_p99_ms", "lower", "ratio", "99th percentile of latency", "ms", time=True),
    Metric("latency_p999_ms", "lower", "ratio", "p99.9 of latency", "ms", time=True),
    Metric("latency_mean_ms", "lower", "ratio", "mean latency", "ms", time=True),
    Metric("goodput_rps", "higher", "ratio", "goodput", "requests/s"),
    Metric("max_rate_rps", "higher", "ratio", "highest rate in time", "requests/s"),
    Metric("macs_per_request", "lower", "ratio", "MACs per request", "MACs"),
    Metric("macs_saved_fraction", "higher", "share", "MACs saved by exits"),
    Metric("realised_risk", "lower", "share", "requests harmed by early exits"),
    Metric("macs_wasted_per_request", "lower", "ratio", "wasted MACs per request", "MACs"),
    Metric("bytes_up_per_request", "lower", "ratio", "bytes up per request", "B"),
    Metric("bytes_down_per_request", "lower", "ratio", "bytes down per request", "B"),
    Metric("bytes_peer_per_request", "lower", "ratio", "bytes between devices per request", "B"),
    Metric("messages_per_request", "lower", "ratio", "messages per request", ""),
    Metric("energy_proxy_j", "lower", "ratio", "energy proxy per request", "J"),
    Metric("peak_memory_bytes", "lower", "ratio", "peak memory of a device", "B"),
    Metric("total_memory_bytes", "lower", "ratio", "memory of all devices", "B"),
    Metric("total_macs", "lower", "ratio", "MACs of all replicas", "MACs"),
    Metric("expected_accuracy", "higher", "share", "accuracy expected under failures"),
    Metric("availability", "higher", "share", "requests expected to be answered"),
)

METRICS: Final[dict[str, Metric]] = {m.name: m for m in _ALL}

BENCHMARK_METRICS: Final[dict[str, Metric]] = {
    m.name: m
    for m in (
        Metric("time_ns", "lower", "ratio", "time of a call", "ns", time=True),
        Metric("ratio_to_memcpy", "lower", "ratio", "time in memcpys", "", time=True),
        Metric(
            *("ratio_to_best_peer", "lower", "ratio", "time over that of the best peer", ""),
            time=True,
        ),
    )
}
"""What can be compared of a file of pytest-benchmark."""


def metric(name: str, origin: str = "--metric", among: Mapping[str, Metric] = METRICS) -> Metric:
    """Look a metric up.

    Raises
    ------
    UsageError
        If there is none of that name; says which there are.
    """
    found = among.get(name)
    if found is None:
        close = difflib.get_close_matches(name, among, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(f"{origin}: {name!r} is no metric; {meant}allowed: {', '.join(among)}")
    return found
