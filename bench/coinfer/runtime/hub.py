"""The hub reactor: owns the state of the links and releases every message when it is due.

One place knows the links, so that a shared medium and traffic between devices are modelled once.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from coinfer.cluster import Cluster
from coinfer.cluster.draws import uniform
from coinfer.contract import SOURCE
from coinfer.runtime.context import Context, Done
from coinfer.runtime.impairments import Impairments
from coinfer.runtime.wire import Crossing, Data, Envelope, Flight, Path, Shipment, Spent


class Resend(NamedTuple):
    """A shipment that was lost, and waits to be sent again."""

    envelope: Envelope


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

    Attributes
    ----------
    impairments : Impairments
        What faults do to messages: the driver opens their windows.
    lost_messages : int
        Messages that were lost on the way.
    lost_spent : dict
        Reports of what devices had spent that were lost with them.
    """

    def __init__(self, cluster: Cluster, seed: int, ctx: Context) -> None:
        self._cluster = cluster
        self._seed = seed
        self._ctx = ctx
        self._busy_until: dict[str, int] = {}
        self._resend_ns = round(cluster.heartbeat_ms * 1e6)
        self.impairments = Impairments(seed)
        self.lost_messages = 0
        self.lost_spent: list[Spent] = []

    def on_message(self, envelope: Envelope) -> None:
        """Compute when the message is due, and keep it until then."""
        due, path = envelope.sent_ns, envelope.path
        crossings: tuple[Crossing, ...] = ()
        for device, way in ((envelope.sender, "up"), (envelope.to, "down")):
            if device != SOURCE:
                begin, waited = due, path.queue_ns
                due, path = self._cross(due, path, envelope, device, way)
                # What waits for its turn is not on the link yet.
                crossings += (Crossing(device, begin + path.queue_ns - waited, due),)
        delivered = Envelope(envelope.sender, envelope.to, envelope.sent_ns, path, envelope.body)
        self._ctx.set_timer(due, Flight(delivered, crossings))

    def on_timer(self, token: Flight | Resend | Envelope) -> None:
        """Release a message that is across, unless a fault has it."""
        if isinstance(token, Resend):
            self.on_message(token.envelope)
        elif isinstance(token, Envelope):
            self._ctx.send(token)
        else:
            self._release(token)

    def lose(self, envelope: Envelope) -> None:
        """Account for a message that is lost; stages are shipped until they are there."""
        self.lost_messages += 1
        body = envelope.body
        if isinstance(body, Data):
            self.lost_spent.append(body.spent)
        elif isinstance(body, Shipment):
            at_ns = self._ctx.now_ns + self._resend_ns
            again = msgspec.structs.replace(body, attempt=body.attempt + 1)
            self._ctx.set_timer(
                at_ns, Resend(Envelope(SOURCE, envelope.to, at_ns, Path(at_ns), again))
            )

    def _release(self, flight: Flight) -> None:
        envelope, delay_ns = self.impairments.fate(*flight)
        if envelope is None:
            self.lose(flight.envelope)
        elif delay_ns:
            path = envelope.path.plus(link=delay_ns)
            late = msgspec.structs.replace(envelope, path=path)
            self._ctx.set_timer(self._ctx.now_ns + delay_ns, late)
        else:
            self._ctx.send(envelope)

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
