"""Who was answered, in time, and rightly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from coinfer.runtime.record import Record

STATUSES: Final = ("ok", "degraded", "timeout", "failed")


def quality_figures(
    records: Sequence[Record], duration_ns: int, deadline_ms: float
) -> dict[str, Any]:
    """Count by status; accuracy, goodput and exits.

    An unanswered request counts as wrong in ``accuracy`` and is left out of
    ``accuracy_answered``. Only ok and degraded answers within the deadline are goodput.
    """
    answered = [r for r in records if r.answered_ns is not None]
    correct = sum(r.prediction == r.label for r in answered)
    in_time = answered_in_time(records, deadline_ms)
    statuses = Counter(r.status for r in records)
    exits = Counter(r.exit for r in answered)
    return {
        "requests": len(records),
        **{status: statuses[status] for status in STATUSES},
        "accuracy": correct / len(records),
        "accuracy_answered": correct / len(answered) if answered else None,
        "goodput_rps": in_time / (duration_ns / 1e9) if duration_ns else None,
        "deadline_hit_rate": in_time / len(records),
        "exit_counts": {str(number): exits[number] for number in sorted(exits)},
    }


def answered_in_time(records: Sequence[Record], deadline_ms: float) -> int:
    """Count the requests with an ok or degraded answer within the deadline."""
    return sum(_in_time(record, deadline_ms) for record in records)


def _in_time(record: Record, deadline_ms: float) -> bool:
    if record.answered_ns is None:
        return False
    waited_ns = record.answered_ns - record.intended_ns
    return record.status in ("ok", "degraded") and waited_ns <= deadline_ms * 1e6
