"""The hub reactor: owns the state of the links and releases every message when it is due.

One place knows the links, so that a shared medium and traffic between devices are modelled once.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE
from coinfer.runtime.channels import Channels
from coinfer.runtime.context import Context, Done
from coinfer.runtime.impairments import Impairments
from coinfer.runtime.timeline import Timeline
from coinfer.runtime.wire import Crossing, Data, Envelope, Flight, Loss, Shipment, shipped


class Resend(NamedTuple):
    """A shipment that was lost, and waits to be sent again."""

    envelope: Envelope


class HubReactor:
    """All links of a cluster.

    The source sits at the medium itself: a message from it takes the receiver's downlink, one to
    it the sender's uplink. One between devices takes both, stored and forwarded in between, or the
    route between them.

    Parameters
    ----------
    cluster : Cluster
    seed : int
        Keys the jitter and the loss of every message.
    ctx : Context
    timeline : Timeline, optional
    modelled : bool
        False: messages are across as soon as they come by; only faults act on them.

    Attributes
    ----------
    impairments : Impairments
        What faults do to messages: the driver opens their windows.
    lost_messages : int
        Messages that were lost on the way.
    losses : list of Loss
        Those of them that were to reach the source.
    """

    def __init__(
        self,
        cluster: Cluster,
        seed: int,
        ctx: Context,
        timeline: Timeline | None = None,
        *,
        modelled: bool = True,
    ) -> None:
        self._channels = Channels(cluster, seed)
        self._ctx = ctx
        self._timeline = timeline
        self._modelled = modelled
        self._resend_ns = round(cluster.heartbeat_ms * 1e6)
        self.impairments = Impairments(seed)
        self.lost_messages = 0
        self.losses: list[Loss] = []

    def on_message(self, envelope: Envelope) -> None:
        """Send a message on its way."""
        if not self._modelled:
            self._release(_passing(envelope, self._ctx.now_ns))
            return
        legs = self._channels.legs(envelope.sender, envelope.to)
        self._cross(Flight(envelope, envelope.sent_ns, legs))

    def on_timer(self, token: Flight | Resend | Envelope) -> None:
        """Try the next link, or the same one again; release a message that is across."""
        if isinstance(token, Resend):
            self.on_message(token.envelope)
        elif isinstance(token, Envelope):
            self._ctx.send(token)
        elif token.lost:
            self.lose(token.envelope)
        elif token.legs:
            self._cross(token)
        else:
            self._release(token)

    def on_done(self, done: Done) -> None:
        """Nothing: a hub does not compute."""

    def on_peer(self, device: str, alive: bool) -> None:
        """Nothing: links know no peers."""

    def lose(self, envelope: Envelope) -> None:
        """Account for a message that is lost; stages are shipped until they are there."""
        self.lost_messages += 1
        body = envelope.body
        if isinstance(body, Shipment):
            at_ns = self._ctx.now_ns + self._resend_ns
            again = shipped(envelope.to, body.birth, body.attempt + 1, body.payload_bytes, at_ns)
            self._ctx.set_timer(at_ns, Resend(again))
        elif isinstance(body, Data) and envelope.to == SOURCE:
            frame_bytes = len(body.frame)
            self.losses.append(Loss(body.rows, body.payload_bytes, frame_bytes, body.spent))

    def _cross(self, flight: Flight) -> None:
        """Cross the first link that is ahead, and come back when that is over."""
        envelope, at_ns, legs, crossings, attempt, _ = flight
        leg = legs[0]
        passage = self._channels.cross(at_ns, envelope, leg, attempt)
        begin_ns, end_ns, _, lost, again_ns = passage
        if self._timeline is not None:
            self._timeline.crossed(leg.channel, at_ns, passage, envelope, attempt)
        next_ns = end_ns if again_ns is None else again_ns
        path = envelope.path.plus(queue=begin_ns - at_ns, link=next_ns - begin_ns)
        moved = msgspec.structs.replace(envelope, path=path)
        if again_ns is not None:
            flight = Flight(moved, again_ns, legs, crossings, attempt + 1)
        elif lost:
            flight = Flight(moved, end_ns, legs, crossings, attempt, lost=True)
        else:
            # What waits for its turn is not on the link yet.
            crossings += tuple([Crossing(device, begin_ns, end_ns) for device in leg.devices])
            flight = Flight(moved, end_ns, legs[1:], crossings)
        self._ctx.set_timer(next_ns, flight)

    def _release(self, flight: Flight) -> None:
        envelope, delay_ns = self.impairments.fate(flight.envelope, flight.crossings)
        if envelope is None:
            if self._timeline is not None:
                lost = flight.envelope
                self._timeline.arrived(lost.to, lost, self._ctx.now_ns, lost=True)
            self.lose(flight.envelope)
        elif delay_ns:
            path = envelope.path.plus(link=delay_ns)
            late = msgspec.structs.replace(envelope, path=path)
            self._ctx.set_timer(self._ctx.now_ns + delay_ns, late)
        else:
            self._ctx.send(envelope)


def _passing(envelope: Envelope, now_ns: int) -> Flight:
    """A message as it comes by: on the link of every device since it was sent."""
    ends = [end for end in (envelope.sender, envelope.to) if end != SOURCE]
    crossings = tuple(Crossing(end, envelope.sent_ns, now_ns) for end in ends)
    return Flight(envelope, now_ns, (), crossings)
