"""Links: who has a channel when, what is lost on it, and what faults do to messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from coinfer.cluster import FaultEvent
from coinfer.cluster.draws import uniform
from coinfer.contract import SOURCE
from simpy_model.values import Leg, Message


class Links:
    def legs(self, message: Message) -> list[Leg]:
        route = f"{message.sender}>{message.to}"
        if route in self.routes:
            ends = (message.sender, message.to)
            return [Leg(self.cluster.routes[route], self.routes[route], ends, "route")]
        ends = [(message.sender, "up"), (message.to, "down")]
        return [
            Leg(self.cluster.link(name), self.channels[name, way], (name,), way)
            for name, way in ends
            if name != SOURCE
        ]

    def airtime_ns(self, message: Message, leg: Leg) -> int:
        rate_bps = leg.link.down_bps if leg.way == "down" else leg.link.up_bps
        return round(8 * (message.payload_bytes + leg.link.header_bytes) * 1e9 / rate_bps)

    def send(self, messages: list[Message]) -> None:
        """Each by itself, or, where that is possible, all that are alike at once."""
        rest = list(messages)
        while rest:
            alike = [m for m in rest if m._replace(to=rest[0].to) == rest[0]]
            if self.cluster.broadcast == "multicast":
                alike = [m for m in alike if f"{m.sender}>{m.to}" not in self.routes]
            if self.cluster.broadcast == "multicast" and len(alike) > 1:
                rest = [m for m in rest if m not in alike]
                group = tuple(m.to for m in alike)
                self.env.process(self.multicast([m._replace(group=group) for m in alike]))
            else:
                self.env.process(self.carry(rest[0], self.legs(rest[0])))
                rest.pop(0)

    def multicast(self, messages: list[Message]) -> Iterator[Any]:
        legs = [self.legs(m) for m in messages]
        crossings: list[tuple[str, int, int]] = []
        begin_ns = None
        if messages[0].sender != SOURCE:
            # Up once, for all or for none; each receiver has a way down of its own.
            up = legs[0][0]
            begin_ns = yield from self.cross(messages[0], up, None)
            if begin_ns is None:
                return
            crossings = [(messages[0].sender, begin_ns, self.env.now)]
            legs, begin_ns = [ahead[1:] for ahead in legs], None
        elif self.cluster.medium == "shared":
            with legs[0][0].channel.request() as turn:
                yield turn
                begin_ns = self.env.now
                airtimes = [self.airtime_ns(m, n[0]) for m, n in zip(messages, legs, strict=True)]
                yield self.env.timeout(max(airtimes))
        for message, ahead in zip(messages, legs, strict=True):
            self.env.process(self.carry(message, ahead, crossings, begin_ns))

    def carry(
        self,
        message: Message,
        legs: list[Leg],
        crossed: Sequence[tuple[str, int, int]] = (),
        begun_ns: int | None = None,
    ) -> Iterator[Any]:
        crossings = list(crossed)
        for leg in legs:
            begin_ns = yield from self.cross(message, leg, begun_ns)
            if begin_ns is None:
                self.lose(message)
                return
            crossings += [(device, begin_ns, self.env.now) for device in leg.devices]
        delay_ns = 0
        for event in self.hits(message, crossings):
            if event.kind != "delay":
                self.lose(message)
                return
            delay_ns += event.delay_ns
        yield self.env.timeout(delay_ns)
        self.deliver(message)

    def cross(self, message: Message, leg: Leg, begun_ns: int | None) -> Iterator[Any]:
        """When the message got the channel, once it is across; None where it is lost."""
        link, seed = leg.link, self.scenario.seed
        to = message.group if message.group and leg.way == "up" else message.to
        key = (message.job, message.sender, to, message.label)
        for attempt in itertools.count(1):
            if begun_ns is None or attempt > 1:
                with leg.channel.request() as turn:
                    yield turn
                    begun_ns = self.env.now
                    yield self.env.timeout(self.airtime_ns(message, leg))
            drawn = uniform(seed, "loss", *key, message.rows, None, leg.way, attempt)
            if drawn >= link.loss:
                break
            if link.on_loss == "drop" or attempt == link.retransmit_most:
                return None
            yield self.env.timeout(round(link.retransmit_ms * 1e6))
        drawn = uniform(seed, "jitter", *key, leg.way)
        yield self.env.timeout(round((link.latency_ms + drawn * link.jitter_ms) * 1e6))
        return begun_ns

    def hits(self, message: Message, crossings: list[tuple[str, int, int]]) -> list[FaultEvent]:
        """Faults that a message met, and that hit it."""
        found = []
        for begin_ns, end_ns, event in self.windows:
            met = any(
                device == event.target and begin_ns <= across_ns and got_ns < end_ns
                for device, got_ns, across_ns in crossings
            )
            to = message.group if message.group and message.sender == event.target else message.to
            key = (message.job, message.sender, to, message.label, message.rows, None)
            drawn = uniform(self.scenario.seed, "fault", event.number, *key)
            if met and drawn < event.probability:
                found.append(event)
        return found

    def lose(self, message: Message) -> None:
        if message.kind == "ship":
            birth, attempt = map(int, message.name.split("."))
            beat_ns = round(self.cluster.heartbeat_ms * 1e6)
            self.after(beat_ns, self.ship, self.devices[message.to], birth, attempt + 1)

    def deliver(self, message: Message) -> None:
        if message.to == SOURCE:
            self.receive(message)
            return
        device = self.devices[message.to]
        if message.kind == "ship":
            if device.coming and message.name.startswith(f"{device.births}."):
                self.bear(device)
        elif device.up and message.sent_ns >= device.born_ns:
            self.when_on(device, lambda: self.take(device, message))
