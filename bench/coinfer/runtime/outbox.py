"""What the source sends: accounted for, and nothing to a device that is believed lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coinfer.contract import SOURCE
from coinfer.runtime.context import Context
from coinfer.runtime.job import OpenJob
from coinfer.runtime.ledger import Ledger
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Body, Control, Data, Envelope, Path


class Outbox:
    """Sends data and orders to devices.

    Parameters
    ----------
    topology : Topology
    ledger : Ledger
    ctx : Context

    Attributes
    ----------
    lost : set of str
        Devices that are believed lost.
    """

    def __init__(self, topology: Topology, ledger: Ledger, ctx: Context) -> None:
        self._multicast = topology.multicast
        self._group = topology.group
        self._ledger = ledger
        self._ctx = ctx
        self.lost: set[str] = set()

    def send(self, job: OpenJob, sends: Sequence[tuple[str, Body]], path: Path) -> None:
        """Send what has been made for devices; what several get alike is one transmission."""
        now_ns = self._ctx.now_ns
        receivers: dict[int, list[str]] = {}
        if self._multicast:
            for to, body in sends:
                receivers.setdefault(id(body), []).append(to)
        for to, body in sends:
            group = self._group(SOURCE, receivers[id(body)]) if receivers else ()
            if not group or to == group[0]:
                rows = body.rows or tuple(job.rows)
                frame = len(body.frame) if isinstance(body, Data) else 0
                self._ledger.sent(rows, body.payload_bytes, frame)
            self._ctx.send(Envelope(SOURCE, to, now_ns, path, body, group))

    def order(self, job: OpenJob, devices: Iterable[str], body: Control, path: Path) -> None:
        """Send an order to devices."""
        self.send(job, [(device, body) for device in devices if device not in self.lost], path)

    def stop(self, job: OpenJob, rows: tuple[int, ...], path: Path) -> None:
        """Tell every device that knows of a job to drop some of its rows."""
        self.order(job, sorted(job.fed), Control("stop", job.job.id, "", rows), path)
