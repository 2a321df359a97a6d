"""What is let into a run: packets of this run, from who they say, as its topology has them.

Whatever bytes come to a socket end here unless they could have been sent by a process of the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from coinfer.contract import INPUT, SOURCE, Slice
from coinfer.runtime.realtime.packets import Packet, Parcel, System, address, unpack
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import FRAME_HEADER_BYTES, Control, Data, Envelope
from coinfer_kernels import peek, verify
from coinfer_kernels.errors import FrameError

BEAT_SUFFIX: Final = "/beat"
"""Heartbeats come from a thread and a socket of their own, so that they go on during compute."""

DEVICE_SAYS: Final = frozenset({"ready", "hello", "slowed", "overflow", "spans", "report"})
SOURCE_SAYS: Final = frozenset({"go", "slow", "life", "impair", "finish"})
HUB_SAYS: Final = DEVICE_SAYS | SOURCE_SAYS | {"lost", "alive"}

ELEMENT_BYTES: Final = 8
"""Most that any encoding makes of one number: its value and its place."""

ROOM_BYTES: Final = 1 << 20
"""Room for everything in a packet that does not grow with rows and requests."""

ENTRY_BYTES: Final = 256
"""Room for one request in the report of a device or of the hub."""

SPAN_BYTES: Final = 1024
"""Room for one stretch of a timeline."""


class _Way(NamedTuple):
    """What frames on a way hold: shape of a row, and whether each row of the message has one."""

    row: tuple[int, ...]
    by_rows: bool


class Gate:
    """Decides what is let in.

    Parameters
    ----------
    run : int
        Token of the run, 62 random bits: identities end in it and packets carry it.
    topology : Topology
    input_shape : tuple of int
        Of one row.
    requests : int
        Requests are numbered from 0 on, and jobs are no more than they.
    most_rows : int
        Of one job.
    hub : bool
        Whether there is one, so that the source dials in, too.
    spans : int
        Most stretches of a timeline in one message.
    """

    def __init__(
        self,
        run: int,
        topology: Topology,
        input_shape: Sequence[int],
        requests: int,
        most_rows: int,
        *,
        hub: bool,
        spans: int = 0,
    ) -> None:
        self._run = run
        self._topology = topology
        self._suffix = f"@{run:016x}".encode()
        self._requests = requests
        self._most_rows = most_rows
        self._peers = {*topology.devices, *([SOURCE] if hub else [])}
        self._ways = _ways(topology, input_shape)
        self._gates = {(name, to) for name, tos in topology.gates.items() for to in tos}
        shapes = [input_shape, *(stage.output for stage in topology.stages.values())]
        elements = max(math.prod(shape) for shape in shapes)
        reports = ENTRY_BYTES * requests * (len(topology.stages) + 1)
        tensor_bytes = most_rows * elements * ELEMENT_BYTES
        self.most_bytes = ROOM_BYTES + tensor_bytes + reports + SPAN_BYTES * spans

    def identity(self, name: str) -> bytes:
        """What a process shows to be known by a name.

        Examples
        --------
        >>> from coinfer.contract import Deployment
        >>> topology = Topology(Deployment((), (), lambda job: None), ("d0",))
        >>> Gate(255, topology, (1,), 1, 1, hub=False).identity("d0")
        b'd0@00000000000000ff'
        """
        return name.encode() + self._suffix

    def from_peer(self, identity: bytes, parts: Sequence[Any]) -> Packet | None:
        """A packet that came to the router, or None if it is to be dropped."""
        if not identity.endswith(self._suffix):
            return None
        packet = self._packet(parts)
        if packet is None:
            return None
        try:
            who = identity[: -len(self._suffix)].decode()
        except UnicodeDecodeError:
            return None
        if isinstance(packet, System):
            allowed = self._says(who, packet)
        else:
            sender = packet.envelope.sender
            here = sender if sender == SOURCE else address(sender, packet.birth)
            allowed = sender in self._peers and who == here and self._has(packet)
        return packet if allowed else None

    def from_router(self, parts: Sequence[Any]) -> Packet | None:
        """A packet that came from the router, or None if it is to be dropped."""
        packet = self._packet(parts)
        if isinstance(packet, System):
            return packet if packet.kind in HUB_SAYS else None
        return packet if packet is not None and self._has(packet) else None

    def _packet(self, parts: Sequence[Any]) -> Packet | None:
        try:
            packet = unpack(parts)
        except ValueError:
            return None
        return packet if packet.run == self._run else None

    def _says(self, who: str, packet: System) -> bool:
        """Whether a peer may tell that."""
        if who == SOURCE:
            return SOURCE in self._peers and packet.kind in SOURCE_SAYS
        if packet.name not in self._topology.devices:
            return False
        here = address(packet.name, packet.birth)
        return who == (here + BEAT_SUFFIX if packet.kind == "beat" else here) and (
            packet.kind == "beat" or packet.kind in DEVICE_SAYS
        )

    def _has(self, parcel: Parcel) -> bool:
        """Whether the topology and the workload have such a message."""
        envelope = parcel.envelope
        body = envelope.body
        if envelope.group and not self._is_group(envelope):
            return False
        if isinstance(body, Data):
            way = self._ways.get((envelope.sender, envelope.to, body.stage, body.select))
            return (
                way is not None
                and self._are_rows(body.job, body.rows)
                and 1 <= len(body.rows) <= body.size <= self._most_rows
                and (not body.spent or max(body.spent) < self._requests)
                and len(body.frame) == body.payload_bytes + FRAME_HEADER_BYTES
                and self._holds(body, way)
            )
        if envelope.sender != SOURCE or envelope.to not in self._topology.devices:
            return False
        if not isinstance(body, Control):
            return True
        name, to = body.name, envelope.to
        if to not in self._topology.workers:
            return False
        if body.kind == "permit":
            known = (name, to) in self._gates
        elif body.kind == "start":
            known = name in self._topology.on[to]
        else:
            known = not name
        return known and self._are_rows(body.job, body.rows)

    def _holds(self, body: Data, way: _Way) -> bool:
        """Whether a frame is what it should be; a damaged one is let in: receivers count those."""
        try:
            shape = peek(body.frame).shape
            if shape[1:] == way.row and (len(body.rows) == shape[0] or not way.by_rows):
                return True
            verify(body.frame)
        except FrameError:
            return True
        return False

    def _are_rows(self, job: int, rows: tuple[int, ...]) -> bool:
        if job >= self._requests or (rows and max(rows) >= self._requests):
            return False
        return len(rows) < 2 or len(set(rows)) == len(rows)

    def _is_group(self, envelope: Envelope) -> bool:
        group = envelope.group
        return (
            self._topology.multicast and envelope.to in group and set(group) <= {*self._topology.on}
        )


def _ways(
    topology: Topology, input_shape: Sequence[int]
) -> dict[tuple[str, str, str, Slice | None], _Way]:
    """Every (sender, receiver, stage, part) that a run sends, and what its frames hold."""
    merged = _merged(topology)
    found = {}
    for to, selects in topology.inputs.items():
        for select in selects:
            found[SOURCE, to, INPUT, select] = _Way(_part(input_shape, select), True)
    for device in topology.workers:
        for name in topology.on[device]:
            stage = topology.stages[name]
            targets = topology.consumers(name, device)
            for to, select in [*targets, *([(SOURCE, None)] if stage.to_source else [])]:
                by_rows = name not in merged and (select is None or select.axis != 0)
                found[device, to, name, select] = _Way(_part(stage.output, select), by_rows)
    return found


def _merged(topology: Topology) -> set[str]:
    """Stages whose output need not have one row for each row of the job."""
    merged: set[str] = set()
    while True:
        more = {
            stage.id
            for stage in topology.stages.values()
            if stage.merges_rows
            or any(n.stage in merged or (n.select and n.select.axis == 0) for n in stage.needs)
        } - merged
        if not more:
            return merged
        merged |= more


def _part(shape: Sequence[int], select: Slice | None) -> tuple[int, ...]:
    """Shape of one row of a part of an output."""
    row = [*shape]
    if select is not None and select.axis > 0:
        row[select.axis - 1] = select.stop - select.start
    return tuple(row)
