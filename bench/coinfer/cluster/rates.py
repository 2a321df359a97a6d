"""When the last bit of a message has left: one direction of a link, steady or after a trace."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Literal

from coinfer.cluster.links import Link
from coinfer.cluster.traces import lasts_ms
from coinfer.errors import ClusterError

Way = Literal["up", "down"]


class Rates:
    """One direction of a link.

    Parameters
    ----------
    link : Link
        As it is in a suite that was read: with the steps of its trace, not their path.
    way : {"up", "down"}

    Raises
    ------
    ClusterError
        If the trace was not read.

    Examples
    --------
    >>> Rates(Link(up_bps=1e6), "up").sent_ns(5_000, bits=1_000)
    1005000
    """

    def __init__(self, link: Link, way: Way) -> None:
        if isinstance(link.trace, str):
            raise ClusterError(
                f"link: the trace {link.trace!r} was not read; load the suite from its file, or "
                "give the steps themselves"
            )
        self._rate_bps = link.up_bps if way == "up" else link.down_bps
        self._steps: list[float] = []
        if link.trace is None:
            return
        rates = [step.up_bps if way == "up" else step.down_bps for step in link.trace]
        if len(rates) == 1:
            self._rate_bps = rates[0]
            return
        spans = [ms * 1e6 for ms in lasts_ms(link.trace)]
        self._rates = rates
        self._steps = [step.at_ms * 1e6 for step in link.trace]
        self._period_ns = self._steps[-1] + spans[-1]
        carried = (rate * span / 1e9 for rate, span in zip(rates, spans, strict=True))
        self._bits = list(accumulate(carried, initial=0.0))

    def sent_ns(self, start_ns: int, bits: int) -> int:
        """When so many bits have left that began to leave at `start_ns`."""
        if not self._steps or bits == 0:
            return start_ns + round(bits * 1e9 / self._rate_bps)
        lap, within = divmod(start_ns, self._period_ns)
        step = bisect_right(self._steps, within) - 1
        before = self._bits[step] + self._rates[step] * (within - self._steps[step]) / 1e9
        laps, rest = divmod(before + bits, self._bits[-1])
        if rest == 0:
            # The last bit of a period leaves within it, not after the pause that may follow.
            laps, rest = laps - 1, self._bits[-1]
        step = bisect_left(self._bits, rest) - 1
        at = self._steps[step] + (rest - self._bits[step]) * 1e9 / self._rates[step]
        return max(start_ns, round((lap + laps) * self._period_ns + at))
