"""The hub reactor: owns the state of the links and releases every message when it is due.

One place knows the links, so that a shared medium and traffic between devices are modelled once.
"""

from __future__ import annotations

from typing import NamedTuple

from coinfer.cluster import Cluster
from coinfer.contract import SOURCE
from coinfer.runtime.channels import Channels, Leg
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
        if self._modelled:
            legs = self._channels.legs(envelope.sender, envelope.to)
            self._cross(envelope, envelope.sent_ns, legs)
        else:
            self._release(envelope, _passing(envelope, self._ctx.now_ns))

    def on_timer(self, token: Flight | Resend | Envelope) -> None:
        """Try the next link, or the same one again; release a message that is across."""
        if isinstance(token, Flight):
            if token.lost:
                self.lose(token.envelope)
            elif token.legs:
                ahead = token.legs, token.crossings, token.attempt
                self._cross(token.envelope, token.at_ns, *ahead)
            else:
                self._release(token.envelope, token.crossings)
        elif isinstance(token, Envelope):
            self._ctx.send(token)
        else:
            self.on_message(token.envelope)

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

    def _cross(
        self,
        envelope: Envelope,
        at_ns: int,
        legs: tuple[Leg, ...],
        crossings: tuple[Crossing, ...] = (),
        attempt: int = 1,
    ) -> None:
        """Cross the first link that is ahead, and come back when that is over."""
        leg = legs[0]
        passage = self._channels.cross(at_ns, envelope, leg, attempt)
        if self._timeline is not None:
            self._timeline.crossed(leg.channel, at_ns, passage, envelope, attempt)
        begin_ns, next_ns = passage.begin_ns, passage.end_ns
        if passage.again_ns is not None:
            next_ns = passage.again_ns
            attempt += 1
        elif not passage.lost:
            # What waits for its turn is not on the link yet.
            crossings = (*crossings, Crossing(leg.devices, begin_ns, next_ns))
            legs, attempt = legs[1:], 1
        lost = passage.lost and passage.again_ns is None
        moved = envelope.later(queue=begin_ns - at_ns, link=next_ns - begin_ns)
        self._ctx.set_timer(next_ns, Flight(moved, next_ns, legs, crossings, attempt, lost))

    def _release(self, envelope: Envelope, crossings: tuple[Crossing, ...]) -> None:
        if not self.impairments.begun:
            self._ctx.send(envelope)
            return
        fated, delay_ns = self.impairments.fate(envelope, crossings)
        if fated is None:
            if self._timeline is not None:
                self._timeline.arrived(envelope.to, envelope, self._ctx.now_ns, lost=True)
            self.lose(envelope)
        elif delay_ns:
            self._ctx.set_timer(self._ctx.now_ns + delay_ns, fated.later(link=delay_ns))
        else:
            self._ctx.send(fated)


def _passing(envelope: Envelope, now_ns: int) -> tuple[Crossing, ...]:
    """Crossings of a message as it comes by: on the link of every device since it was sent."""
    devices = tuple(end for end in (envelope.sender, envelope.to) if end != SOURCE)
    return (Crossing(devices, envelope.sent_ns, now_ns),)
