"""Links as a suite file states them."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from coinfer.cluster.checks import UNSAID, at_least, not_negative, one_of, positive
from coinfer.cluster.traces import RateStep, check_rates, mean_bps, read_rates
from coinfer.errors import ClusterError

Read = Callable[[str], str]
"""Gives the text of a file that a suite names."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The link between one device and the medium, or a route from one device to another.

    Attributes
    ----------
    up_bps, down_bps : float
        Bit rates from and to the device; down as up where only that is said. With a trace they
        are what planners go by, and its mean where nothing is said.
    latency_ms, jitter_ms : float
        Every message takes the latency plus a keyed uniform draw from [0, jitter].
    header_bytes : int
        Charged for every message beside its payload (0 in the papers' setting, where the
        64-byte header of a frame alone would take a second).
    loss : float
        Probability that an attempt to send a message is lost.
    on_loss : {"drop", "retransmit"}
        Whether a lost message is gone, or sent again, taking its airtime again.
    retransmit_ms : float or None
        Time from the end of a lost attempt to the next one.
    retransmit_most : int
        Attempts after which a message is gone.
    trace : str or tuple of RateStep or None
        Rates over time: the path of a CSV in a suite file, and what it says in a suite that was
        read. Repeats after its end.

    Raises
    ------
    ClusterError
        If a value is impossible, or said where it would do nothing.
    """

    up_bps: float = UNSAID
    down_bps: float = UNSAID
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    header_bytes: int = 64
    loss: float = 0.0
    on_loss: str = "drop"
    retransmit_ms: float | None = None
    retransmit_most: int = 8
    trace: str | tuple[RateStep, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.trace, tuple):
            check_rates(self.trace)
            self._fill(*(mean_bps(self.trace) if self.up_bps is None else 2 * (self.up_bps,)))
        elif self.trace is None:
            if self.up_bps is None:
                raise ClusterError("link: up_bps is missing; give a bit rate, or a trace")
            self._fill(self.up_bps, self.up_bps)
        for name in ("up_bps", "down_bps"):
            positive("link", name, getattr(self, name))
        for name in ("latency_ms", "jitter_ms"):
            not_negative("link", name, getattr(self, name))
        at_least("link", "header_bytes", self.header_bytes, 0)
        self._check_loss()

    def read(self, read: Read) -> Link:
        """The same link with the content of its trace in place of the path.

        Raises
        ------
        ClusterError
            If the file cannot be read or is malformed.
        """
        if not isinstance(self.trace, str):
            return self
        return msgspec.structs.replace(self, trace=read_rates(read(self.trace), self.trace))

    def _fill(self, up_bps: float, down_bps: float) -> None:
        if self.up_bps is None:
            msgspec.structs.force_setattr(self, "up_bps", up_bps)
        if self.down_bps is None:
            msgspec.structs.force_setattr(self, "down_bps", down_bps)

    def _check_loss(self) -> None:
        if not (0 <= self.loss < 1 and math.isfinite(self.loss)):
            raise ClusterError(f"link: loss = {self.loss}; use a probability in [0, 1)")
        one_of("link", "on_loss", self.on_loss, ("drop", "retransmit"))
        if (self.on_loss == "retransmit") != (self.retransmit_ms is not None):
            raise ClusterError(
                "link: retransmit_ms is for on_loss = 'retransmit', and needed there"
            )
        positive("link", "retransmit_ms", self.retransmit_ms)
        at_least("link", "retransmit_most", self.retransmit_most, 1)
        if self.on_loss == "drop" and self.retransmit_most != 8:
            raise ClusterError("link: retransmit_most is for on_loss = 'retransmit'; leave it out")
