"""Input of a job as messages to the devices: each gets the part that its stages need."""

from __future__ import annotations

from coinfer.contract import INPUT, Slice
from coinfer.runtime.job import Load, OpenJob
from coinfer.runtime.meter import Meter
from coinfer.runtime.runner import Value
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import FRAME_HEADER_BYTES, Data


class Feed:
    """Encodes inputs.

    Parameters
    ----------
    topology : Topology
    load : Load
    encoding : str
    """

    def __init__(self, topology: Topology, load: Load, encoding: str) -> None:
        self._topology = topology
        self._load = load
        self._encoding = encoding

    def messages(
        self, job: OpenJob, devices: list[str], rows: tuple[int, ...], meter: Meter
    ) -> tuple[tuple[str, Data], ...]:
        """Messages with the input; what several devices need alike is encoded once."""
        made: dict[Slice | None, Data | None] = {}
        sends = []
        for device in devices:
            for select in self._topology.inputs[device]:
                if select not in made:
                    made[select] = self._message(job, select, rows, meter)
                body = made[select]
                if body is not None:
                    sends.append((device, body))
        return tuple(sends)

    def _message(
        self, job: OpenJob, select: Slice | None, rows: tuple[int, ...], meter: Meter
    ) -> Data | None:
        if select is not None and select.axis == 0:
            wanted = range(select.start, select.stop)
            rows = tuple(row for row in rows if job.rows.index(row) in wanted)
            part = self._load.images[list(rows)]
        else:
            part = Value(self._load.images[list(rows)]).take(select).array
        if not rows:
            return None
        frame = meter.encode(part, self._encoding)
        payload = len(frame) - FRAME_HEADER_BYTES
        return Data(job.job.id, job.job.size, INPUT, select, rows, frame, payload)
