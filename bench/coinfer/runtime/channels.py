"""The channels of a cluster: who waits for whom, how long a message takes, and whether it is lost.

A link is crossed in attempts. Each takes its airtime on a channel, where messages take turns in
the order in which they come to it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from coinfer.cluster import Cluster, Link, Rates
from coinfer.cluster.draws import SEPARATOR, uniform
from coinfer.contract import SOURCE
from coinfer.runtime.wire import Data, Envelope

MEDIUM: Final = "medium"
"""The channel of all devices of a shared medium."""

Way = Literal["up", "down", "route"]


class Leg(NamedTuple):
    """One link on the way of a message.

    Attributes
    ----------
    way : {"up", "down", "route"}
    devices : tuple of str
        Whose link it is: a fault of one of them hits what crosses it.
    channel : str
        What it shares with other links.
    link : Link
    rates : Rates
    """

    way: Way
    devices: tuple[str, ...]
    channel: str
    link: Link
    rates: Rates


class Passage(msgspec.Struct, frozen=True, gc=False):
    """One attempt to cross a link.

    Attributes
    ----------
    begin_ns : int
        When it had the channel.
    end_ns : int
        When the message is at the far end; of a lost one, when its last bit had left.
    free_ns : int
        When its last bit had left, and the channel was free again.
    lost : bool
    again_ns : int or None
        When a lost one is tried again; None where it is gone.
    """

    begin_ns: int
    end_ns: int
    free_ns: int
    lost: bool = False
    again_ns: int | None = None


class Channels:
    """Every channel of a cluster, and until when it is taken.

    Parameters
    ----------
    cluster : Cluster
    seed : int
        Keys jitter and loss of every message.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._seed = seed
        self._busy_until: dict[str, int] = {}
        self._shared: dict[tuple[object, ...], tuple[int, int, int]] = {}
        self._rates: dict[tuple[Link, str], Rates] = {}
        self._legs: dict[tuple[str, str], tuple[Leg, ...]] = {}

    def legs(self, sender: str, to: str) -> tuple[Leg, ...]:
        """The way of a message: a route where there is one, else up to the medium and down."""
        known = self._legs.get((sender, to))
        if known is None:
            known = self._legs[sender, to] = self._way(sender, to)
        return known

    def cross(self, at_ns: int, envelope: Envelope, leg: Leg, attempt: int) -> Passage:
        """Try to cross a link from `at_ns` on; attempts are counted from 1."""
        link, body = leg.link, envelope.body
        to: object = envelope.to
        if envelope.group:
            alike = self._alike(envelope, leg, attempt)
            begin, free = self._share(at_ns, envelope, alike, attempt)
            if leg.way == "up":
                # Up to the medium it is one message for several receivers.
                to = envelope.group
        else:
            begin, free = self._occupy(at_ns, body.payload_bytes, (leg,))
        message = SEPARATOR.join((str(body.job), envelope.sender, str(to), body.label))
        if link.loss:
            # Two messages with the same label differ in their rows or in the part they carry.
            more = (body.rows, _part(envelope), leg.way, attempt)
            if uniform(self._seed, "loss", message, *more) < link.loss:
                return Passage(
                    begin, free, free, lost=True, again_ns=_again_ns(link, free, attempt)
                )
        delay_ms = link.latency_ms
        if link.jitter_ms:
            delay_ms += uniform(self._seed, "jitter", message, leg.way) * link.jitter_ms
        return Passage(begin, free + round(delay_ms * 1e6), free)

    def _occupy(self, at_ns: int, payload_bytes: int, legs: tuple[Leg, ...]) -> tuple[int, int]:
        """Take a channel in turn: from when on, and until the slowest of these links has it all."""
        channel = legs[0].channel
        begin = max(at_ns, self._busy_until.get(channel, 0))
        free = begin
        for leg in legs:
            bits = 8 * (payload_bytes + leg.link.header_bytes)
            free = max(free, leg.rates.sent_ns(begin, bits))
        self._busy_until[channel] = free
        return begin, free

    def _alike(self, envelope: Envelope, leg: Leg, attempt: int) -> tuple[Leg, ...]:
        """Links that one transmission crosses together, once for each receiver.

        All receivers share the way up. The way down they share where there is one medium; who has
        missed it there is sent it again alone.
        """
        if leg.way == "up":
            return (leg,) * len(envelope.group)
        if leg.channel != MEDIUM or attempt > 1:
            return (leg,)
        return tuple(self.legs(envelope.sender, to)[-1] for to in envelope.group if to != SOURCE)

    def _share(
        self, at_ns: int, envelope: Envelope, legs: tuple[Leg, ...], attempt: int
    ) -> tuple[int, int]:
        """Take a channel with the first of several receivers; the others have it with them."""
        body = envelope.body
        if len(legs) == 1:
            return self._occupy(at_ns, body.payload_bytes, legs)
        content = (envelope.sender, envelope.sent_ns, body.job, body.label, body.rows)
        key = (*content, _part(envelope), envelope.group, legs[0].way, attempt)
        begin, free, left = self._shared.pop(key, (0, 0, 0))
        if not left:
            begin, free = self._occupy(at_ns, body.payload_bytes, legs)
            left = len(legs)
        if left > 1:
            self._shared[key] = begin, free, left - 1
        return begin, free

    def _way(self, sender: str, to: str) -> tuple[Leg, ...]:
        if route := self._cluster.routes.get(f"{sender}>{to}"):
            return (self._leg(route, "route", f"{sender}>{to}", (sender, to)),)
        ends: list[tuple[Way, str]] = [("up", sender), ("down", to)]
        shared = self._cluster.medium == "shared"
        return tuple(
            self._leg(
                self._cluster.link(device), way, MEDIUM if shared else f"{way}:{device}", (device,)
            )
            for way, device in ends
            if device != SOURCE
        )

    def _leg(self, link: Link, way: Way, channel: str, devices: tuple[str, ...]) -> Leg:
        column: Literal["up", "down"] = "down" if way == "down" else "up"
        rates = self._rates.get((link, column))
        if rates is None:
            rates = self._rates[link, column] = Rates(link, column)
        return Leg(way, devices, channel, link, rates)


def _part(envelope: Envelope) -> object:
    """Which part of an output a message carries."""
    return envelope.body.select if isinstance(envelope.body, Data) else None


def _again_ns(link: Link, free_ns: int, attempt: int) -> int | None:
    """When to try again what was lost at this attempt."""
    if link.retransmit_ms is None or attempt >= link.retransmit_most:
        return None
    return free_ns + round(link.retransmit_ms * 1e6)
