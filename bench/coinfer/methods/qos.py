"""Holding a latency while devices and links get slower: a controller that opens exits.

Candidates for thresholds, from the calibrated ones to the most eager, are the rungs of a ladder,
and above them are those at which everything leaves at once. The controller climbs by `step` for a
request that is late, and comes down by a little for one that is in time, so that both balance where
the wanted share is in time. This is integral control of the
share of late requests; as a rule of updates it is adaptive conformal inference (Gibbs & Candès,
NeurIPS 2021, arXiv 2106.00170, eq. 2), whose bound holds without assuming anything about what the
devices do: of T requests, at most ``(1 − share)·T + (1 + step)/step`` are late, as long as none is
where everything leaves at the first exit, and each is judged before the next begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from coinfer.errors import UsageError
from coinfer.methods.rules import Tuned


class QoS(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be held.

    Attributes
    ----------
    latency_ms : float
        A request is late that has no answer in full after this time, counted from when the source
        begins with it. 0: nothing is held, and thresholds stay as they were calibrated.
    share : float
        Of the requests that are to be in time.
    step : float
        How far a late request opens the exits; 1 is the whole ladder.
    """

    latency_ms: float = 0.0
    share: float = 0.98
    step: float = 0.2

    def __post_init__(self) -> None:
        if not (0 <= self.latency_ms < math.inf and 0 < self.share < 1 and 0 < self.step <= 1):
            raise UsageError(
                f"qos: latency_ms = {self.latency_ms}, share = {self.share}, step = {self.step}; "
                "latency_ms is not negative, share between 0 and 1, step above 0 and at most 1"
            )

    @property
    def held(self) -> bool:
        """Whether there is anything to hold."""
        return self.latency_ms > 0


def rungs(tuned: Tuned) -> list[tuple[float, ...]]:
    """Thresholds from those that were chosen to the most eager, and those that let all out."""
    open_ = (-tuned.rule.shut,) * tuned.candidates.shape[1]
    return [*(tuple(map(float, taus)) for taus in tuned.candidates[tuned.chosen :]), open_]


class Controller:
    """State of one run: how far the exits are open.

    Parameters
    ----------
    qos : QoS
    rungs : sequence of sequence of float
        Thresholds, one for each exit but the last: from the calibrated ones to those at which
        everything leaves.

    Attributes
    ----------
    opened : float
        How far up the ladder: 0 is as calibrated, 1 and above the top.
    """

    def __init__(self, qos: QoS, rungs: Sequence[Sequence[float]]) -> None:
        self._qos = qos
        self._rungs = rungs
        self.opened = 0.0

    @property
    def latency_ns(self) -> int:
        """After which a request is late."""
        return round(self._qos.latency_ms * 1e6)

    @property
    def thresholds(self) -> Sequence[float]:
        """Those of now, one for each exit but the last."""
        last = len(self._rungs) - 1
        return self._rungs[min(math.ceil(self.opened * last), last)]

    def judged(self, late: bool, requests: int = 1) -> None:
        """Learn that requests were late, or that they were in time."""
        error = self._qos.share if late else self._qos.share - 1
        opened = self.opened + requests * self._qos.step * error
        # Below, nothing is stored up for later; above, no more than the update itself can reach
        # where opening helps, so that what it cannot help is forgotten at once.
        self.opened = min(max(opened, 0.0), 1 + self._qos.step)
