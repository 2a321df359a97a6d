"""What the source sends: accounted for, and nothing to a device that is believed lost."""

from __future__ import annotations

from coinfer.contract import SOURCE
from coinfer.runtime.context import Context
from coinfer.runtime.job import OpenJob
from coinfer.runtime.ledger import Ledger
from coinfer.runtime.wire import Body, Control, Data, Envelope, Path


class Outbox:
    """Sends data and orders to devices.

    Parameters
    ----------
    ledger : Ledger
    ctx : Context

    Attributes
    ----------
    lost : set of str
        Devices that are believed lost.
    """

    def __init__(self, ledger: Ledger, ctx: Context) -> None:
        self._ledger = ledger
        self._ctx = ctx
        self.lost: set[str] = set()

    def send(self, job: OpenJob, to: str, body: Body, path: Path) -> None:
        """Send something that has been made for a device."""
        rows = body.rows or tuple(job.rows)
        frame = len(body.frame) if isinstance(body, Data) else 0
        self._ledger.sent(rows, body.payload_bytes, frame)
        self._ctx.send(Envelope(SOURCE, to, self._ctx.now_ns, path, body))

    def order(self, job: OpenJob, device: str, body: Control, path: Path) -> None:
        """Send an order."""
        if device not in self.lost:
            self.send(job, device, body, path)

    def stop(self, job: OpenJob, rows: tuple[int, ...], path: Path) -> None:
        """Tell every device that knows of a job to drop some of its rows."""
        for device in sorted(job.fed):
            self.order(job, device, Control("stop", job.job.id, "", rows), path)
