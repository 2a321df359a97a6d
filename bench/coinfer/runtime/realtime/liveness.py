"""Signs of life with real processes: who sends them, and who listens for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from coinfer.cluster import Cluster
from coinfer.runtime.realtime.gate import BEAT_SUFFIX
from coinfer.runtime.realtime.packets import HUB, System, address
from coinfer.runtime.realtime.setup import Setup

LOOK_NS: Final = 1_000_000
"""How often the listener looks for silence."""


class Pulse:
    """Heartbeats of a device, from a thread and a socket of their own.

    So they go on during long computations. They come at whole multiples of the interval since the
    run began, as in virtual time; one that is missed is not made up for. Each carries the account
    of the device so far: one that is killed gives no other.

    Parameters
    ----------
    setup : Setup
    name : str
    birth : int
    account : callable
    """

    def __init__(
        self, setup: Setup, name: str, birth: int, account: Callable[[], dict[str, Any]]
    ) -> None:
        self._setup = setup
        self._name = name
        self._birth = birth
        self._account = account
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, zero_ns: int) -> None:
        """Beat from now on; the run began when the monotonic clock read `zero_ns`."""
        self._thread = threading.Thread(target=self._beat, args=(zero_ns,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Beat no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self, zero_ns: int) -> None:
        port = self._setup.dial(address(self._name, self._birth) + BEAT_SUFFIX)
        every_ns = round(self._setup.cluster.heartbeat_ms * 1e6)
        due_ns = zero_ns
        while not self._stop.wait((due_ns - time.monotonic_ns()) / 1e9):
            missed, late_ns = divmod(time.monotonic_ns() - due_ns, every_ns)
            # Where some were missed the thread was stopped, and the next is not due yet.
            if not missed or late_ns < every_ns // 10:
                info = self._account()
                port.send(HUB, System(self._setup.run, "beat", self._name, info, self._birth))
            due_ns += (missed + 1) * every_ns
        port.close()


class Liveness:
    """Who was last heard when; believes a device lost after too long a silence, until it is heard.

    All times are since the run began.

    Parameters
    ----------
    cluster : Cluster
    """

    def __init__(self, cluster: Cluster) -> None:
        self._timeout_ns = round(cluster.heartbeat_timeout_ms * 1e6)
        self._heard_ns = dict.fromkeys(cluster.names, 0)
        self._mute_until_ns = dict.fromkeys(cluster.names, 0)
        self._lost: set[str] = set()
        self._next_look_ns = 0

    def heard(self, name: str, now_ns: int) -> None:
        """Note a beat, unless nothing crosses the link of that device."""
        if name in self._heard_ns and now_ns >= self._mute_until_ns[name]:
            self._heard_ns[name] = now_ns

    def mute(self, name: str, until_ns: int) -> None:
        """Hear nothing of a device for a while."""
        self._mute_until_ns[name] = max(self._mute_until_ns[name], until_ns)

    def give_up(self, name: str, now_ns: int) -> None:
        """Believe a device lost without waiting, and without news."""
        self._lost.add(name)
        self._heard_ns[name] = now_ns - self._timeout_ns

    def born(self, name: str, now_ns: int) -> None:
        """Believe a device alive that has said hello."""
        self._lost.discard(name)
        self._heard_ns[name] = now_ns

    def forget(self, name: str) -> None:
        """Stop watching a device that has said goodbye."""
        self._heard_ns.pop(name, None)

    def news(self, now_ns: int) -> list[tuple[str, bool]]:
        """Devices that are believed lost from now on (False), or alive again (True)."""
        if now_ns < self._next_look_ns:
            return []
        self._next_look_ns = now_ns + LOOK_NS
        found = []
        for name, heard_ns in self._heard_ns.items():
            late = now_ns >= heard_ns + self._timeout_ns
            if late != (name in self._lost):
                (self._lost.add if late else self._lost.discard)(name)
                found.append((name, not late))
        return found
