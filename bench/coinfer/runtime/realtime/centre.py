"""The centre of the star: knows which life of each device is up, and reaches that one alone.

The hub's process has it where links are modelled; in native mode the source's has.
"""

from __future__ import annotations

from typing import Any

import msgspec

from coinfer.cluster import Cluster, FaultEvent
from coinfer.runtime.hub import HubReactor
from coinfer.runtime.lives import Life, Turnstile
from coinfer.runtime.realtime.liveness import Liveness
from coinfer.runtime.realtime.packets import Parcel, System, address
from coinfer.runtime.realtime.transport import RouterPort
from coinfer.runtime.wire import Envelope, Shipment


class Centre:
    """Delivers to devices, listens for their beats, and does to links what faults ask for.

    Parameters
    ----------
    port : RouterPort
    run : int
    cluster : Cluster

    Attributes
    ----------
    lives : dict of str to Life
    watch : Liveness
    hub : HubReactor
        Set by whoever makes it.
    """

    def __init__(self, port: RouterPort, run: int, cluster: Cluster) -> None:
        self._port = port
        self._run = run
        self._turnstile = Turnstile()
        self.lives = {name: Life() for name in cluster.names}
        self.watch = Liveness(cluster)
        self._accounts: dict[str, dict[str, Any]] = {}
        self.hub: HubReactor

    def deliver(self, envelope: Envelope, now_ns: int) -> None:
        """Hand an envelope to the device that it is for, unless it is for a former life."""
        life = self.lives[envelope.to]
        if not self._turnstile.admits(life, envelope):
            return
        if isinstance(envelope.body, Shipment):
            self.lives[envelope.to] = Life(births=life.births, born_ns=now_ns)
            self.watch.born(envelope.to, now_ns)
        to = address(envelope.to, life.births)
        self._port.send(to, Parcel(self._run, now_ns, envelope, life.births))

    def heard(self, beat: System, now_ns: int) -> None:
        """Note a beat of a device, unless it is one of a former life."""
        self._accounts[address(beat.name, beat.birth)] = beat.info
        life = self.lives[beat.name]
        if life.up and beat.birth == life.births:
            self.watch.heard(beat.name, now_ns)

    def obey(self, order: System, now_ns: int) -> None:
        """Carry out what the source orders: a life has changed, or a link is impaired."""
        if order.kind == "life":
            self.lives[order.name] = life = msgspec.convert(order.info["life"], Life)
            if life.rejoin >= 0:
                self.watch.give_up(order.name, now_ns)
        else:
            fault = msgspec.convert(order.info["fault"], FaultEvent)
            begin_ns = order.info["at_ns"]
            self.hub.impairments.begin(fault, begin_ns)
            if fault.kind == "partition":
                self.watch.mute(order.name, begin_ns + fault.duration_ns)

    def report(self) -> dict[str, Any]:
        """What became of messages, and the last accounts of all devices."""
        return {
            "accounts": self._accounts,
            "hits": self.hub.impairments.hits,
            "passed_ns": self.hub.impairments.passed_ns,
            "lost_with": self._turnstile.lost_messages,
            "lost": self.hub.lost_messages
            + self._turnstile.lost_messages.total()
            + self._port.undelivered,
            "losses": self.hub.losses,
            "stale": self._turnstile.stale_messages,
        }
