"""The hub reactor: owns the state of the links and releases every message when it is due.

One place knows the links, so that a shared medium and traffic between devices are modelled once.
"""

from __future__ import annotations

from coinfer.cluster import Cluster
from coinfer.cluster.draws import uniform
from coinfer.contract import SOURCE
from coinfer.runtime.context import Context, Done
from coinfer.runtime.wire import Envelope, Path


class HubReactor:
    """All links of a cluster.

    The source sits at the medium itself: a message from it takes the receiver's downlink, one to
    it the sender's uplink, one between devices both, stored and forwarded in between.

    Parameters
    ----------
    cluster : Cluster
    seed : int
        Keys the jitter of every message.
    ctx : Context
    """

    def __init__(self, cluster: Cluster, seed: int, ctx: Context) -> None:
        self._cluster = cluster
        self._seed = seed
        self._ctx = ctx
        self._busy_until: dict[str, int] = {}

    def on_message(self, envelope: Envelope) -> None:
        """Compute when the message is due, and keep it until then."""
        due, path = envelope.sent_ns, envelope.path
        if envelope.sender != SOURCE:
            due, path = self._cross(due, path, envelope, envelope.sender, "up")
        if envelope.to != SOURCE:
            due, path = self._cross(due, path, envelope, envelope.to, "down")
        delivered = Envelope(envelope.sender, envelope.to, envelope.sent_ns, path, envelope.body)
        self._ctx.set_timer(due, delivered)

    def on_timer(self, token: Envelope) -> None:
        """Release a message."""
        self._ctx.send(token)

    def on_done(self, done: Done) -> None:
        """Nothing: a hub does not compute."""

    def on_peer(self, device: str, alive: bool) -> None:
        """Nothing: links know no peers."""

    def _cross(
        self, at_ns: int, path: Path, envelope: Envelope, device: str, way: str
    ) -> tuple[int, Path]:
        """Time and path at the far end of one link, crossed from `at_ns` on."""
        link = self._cluster.link(device)
        rate_bps = link.up_bps if way == "up" else link.down_bps
        body = envelope.body
        bits = 8 * (body.payload_bytes + link.header_bytes)
        channel = "medium" if self._cluster.medium == "shared" else f"{way}:{device}"
        start = max(at_ns, self._busy_until.get(channel, 0))
        free = start + round(bits * 1e9 / rate_bps)
        self._busy_until[channel] = free
        delay_ms = link.latency_ms
        if link.jitter_ms:
            key = (self._seed, "jitter", body.job, envelope.sender, envelope.to, body.label, way)
            delay_ms += uniform(*key) * link.jitter_ms
        due = free + round(delay_ms * 1e6)
        return due, path.plus(queue=start - at_ns, link=due - start)
