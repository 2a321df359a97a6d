"""The device reactor: waits for needs, runs stages one after another, sends what they yield."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from coinfer.contract import INPUT, SOURCE, Need, Now, Slice, Stage, gate_of
from coinfer.runtime.context import Context, Done
from coinfer.runtime.meter import Meter
from coinfer.runtime.runner import Runner, Value, digest_of
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Data, Envelope, Path, Spent


@dataclass
class _Item:
    """One input of a stage on this device: a frame until it is first used, then a value."""

    rows: tuple[int, ...]
    path: Path
    at_ns: int
    frame: Any = None
    value: Value | None = None


@dataclass
class _Job:
    """What the device knows of one job."""

    size: int
    first_ns: int
    rows: tuple[int, ...] = ()
    stopped: set[int] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    permits: dict[str, _Item] = field(default_factory=dict)
    items: dict[tuple[str, Slice | None], list[_Item]] = field(default_factory=dict)
    waiting: dict[str, Stage] = field(default_factory=dict)


class _Ready(NamedTuple):
    """A stage whose needs are there."""

    stage: Stage
    rows: tuple[int, ...]
    inputs: tuple[tuple[Need, list[_Item]], ...]
    path: Path
    at_ns: int


class _Ran(NamedTuple):
    """What a stage left: its value, and a frame for each part that has to travel."""

    job: int
    ready: _Ready
    value: Value
    frames: dict[Slice | None, tuple[Any, int]]


class DeviceReactor:
    """One device.

    Parameters
    ----------
    name : str
    topology : Topology
    encoding : str
        Encoding of every frame that it sends.
    runner : Runner
    ctx : Context
    """

    def __init__(
        self, name: str, topology: Topology, encoding: str, runner: Runner, ctx: Context
    ) -> None:
        self._name = name
        self._topology = topology
        self._encoding = encoding
        self._runner = runner
        self._ctx = ctx
        self._mine = {s.id: s for s in topology.deployment.stages if s.id in topology.on[name]}
        self._order = {stage: place for place, stage in enumerate(self._mine)}
        self._jobs: dict[int, _Job] = {}
        self._over: set[int] = set()
        self._queue: list[tuple[int, int]] = []
        self._busy = False
        self.spent: Spent = {}
        self.stale_messages = 0

    def on_message(self, envelope: Envelope) -> None:
        """Take in data or a control message."""
        body = envelope.body
        if body.job in self._over:
            self.stale_messages += isinstance(body, Data)
            return
        job = self._open(body.job)
        if isinstance(body, Data):
            self._take(job, body, envelope.path)
        elif body.kind == "stop":
            job.stopped.update(body.rows)
        elif body.kind == "permit":
            job.permits[body.name] = _Item(body.rows, envelope.path, self._ctx.now_ns)
        else:
            job.started.add(body.name)
        self._advance(body.job)

    def on_timer(self, token: tuple[int, Need]) -> None:
        """Fill a late need with zeros."""
        number, need = token
        job = self._jobs.get(number)
        if job is None or job.items.get((need.stage, need.select)):
            return
        rows = job.rows
        shape = [len(rows), *self._topology.stages[need.stage].output]
        if need.select is not None:
            shape[need.select.axis] = need.select.stop - need.select.start
        now = self._ctx.now_ns
        path = Path(job.first_ns).plus(queue=now - job.first_ns)
        zeros = self._runner.value(np.zeros(shape, np.float32))
        job.items[need.stage, need.select] = [_Item(rows, path, now, value=zeros)]
        self._advance(number)

    def on_peer(self, device: str, alive: bool) -> None:
        """Nothing: what to do without a device is the source's to decide."""

    def on_done(self, done: Done) -> None:
        """Send what the stage yielded and go on."""
        self._busy = False
        ran: _Ran = done.value
        stage, rows = ran.ready.stage, ran.ready.rows
        path = elapsed(ran.ready.path, ran.ready.at_ns, done)
        for row in rows:
            self._charge(row, macs=stage.macs)
        job = self._jobs.get(ran.job)
        if job is not None:
            job.items[stage.id, None] = [_Item(rows, path, done.ended_ns, value=ran.value)]
        size = job.size if job is not None else len(rows)
        for to, select in self._targets(stage):
            frame, payload = ran.frames[select]
            if to != SOURCE:
                self._charge(rows[0], payload=payload, messages=1, frame=len(frame))
        for to, select in self._targets(stage):
            frame, payload = ran.frames[select]
            spent = self._report() if to == SOURCE else {}
            body = Data(ran.job, size, stage.id, select, rows, frame, payload, spent)
            self._ctx.send(Envelope(self._name, to, done.ended_ns, path, body))
        if job is not None:
            self._advance(ran.job)
        self._next()

    def _open(self, number: int) -> _Job:
        job = self._jobs.get(number)
        if job is None:
            now = self._ctx.now_ns
            job = self._jobs[number] = _Job(size=0, first_ns=now, waiting=dict(self._mine))
            for stage in self._mine.values():
                for need in stage.needs:
                    if need.fill_after_ns is not None:
                        self._ctx.set_timer(now + need.fill_after_ns, (number, need))
        return job

    def _take(self, job: _Job, body: Data, path: Path) -> None:
        job.size = body.size
        job.rows = tuple(dict.fromkeys((*job.rows, *body.rows)))
        parts = job.items.setdefault((body.stage, body.select), [])
        # Replicas of a producer send the same; the first one counts. Rows of a coding group
        # come one by one and add up.
        if not any(set(body.rows) & set(part.rows) for part in parts):
            parts.append(_Item(body.rows, path, self._ctx.now_ns, frame=body.frame))

    def _advance(self, number: int) -> None:
        """Queue the stages of a job that can start; forget the job when none is left."""
        job = self._jobs[number]
        if job.size and job.stopped.issuperset(job.rows) and len(job.rows) == job.size:
            job.waiting.clear()
        for name in list(job.waiting):
            if self._ready(job, job.waiting[name]) is not None:
                entry = (number, self._order[name])
                if entry not in self._queue:
                    heappush(self._queue, entry)
        if not job.waiting:
            del self._jobs[number]
            self._over.add(number)
        self._next()

    def _next(self) -> None:
        """Start the oldest job's next stage. What was stopped meanwhile is dropped here."""
        names = list(self._mine)
        while self._queue and not self._busy:
            number, place = heappop(self._queue)
            job = self._jobs.get(number)
            if job is None or names[place] not in job.waiting:
                continue
            stage = job.waiting[names[place]]
            ready = self._ready(job, stage)
            if ready is None:
                continue
            del job.waiting[stage.id]
            if ready.rows:
                self._busy = True
                self._ctx.compute(partial(self._run, number, ready))
            else:
                self._advance(number)

    def _ready(self, job: _Job, stage: Stage) -> _Ready | None:
        """The stage with its inputs, or None while something is missing."""
        replica = self._topology.on[self._name][stage.id]
        if not isinstance(replica.start, Now) and stage.id not in job.started:
            return None
        rows: list[int] | None = None
        latest: _Item | None = None
        inputs = []
        for need in stage.needs:
            gate = gate_of(need)
            if gate is not None:
                found = [job.permits[gate]] if gate in job.permits else []
            else:
                found = self._find(job, need)
            if not found:
                return None
            here = [row for item in found for row in item.rows]
            rows = here if rows is None else [row for row in rows if row in set(here)]
            for item in found:
                if latest is None or item.at_ns >= latest.at_ns:
                    latest = item
            if gate is None:
                inputs.append((need, found))
        if rows is None or latest is None:
            return None
        if not stage.merges_rows:
            rows = [row for row in rows if row not in job.stopped]
        elif job.stopped.issuperset(rows):
            rows = []
        return _Ready(stage, tuple(rows), tuple(inputs), latest.path, latest.at_ns)

    def _find(self, job: _Job, need: Need) -> list[_Item]:
        """Items that satisfy a need in full, or none."""
        local = job.items.get((need.stage, None), [])
        if need.stage in self._mine and local:
            return [self._part(item, need.select) for item in local]
        if need.same_device:
            return []
        found = job.items.get((need.stage, need.select), [])
        if need.stage != INPUT:
            return found
        select = need.select
        wanted = select.stop - select.start if select is not None and select.axis == 0 else job.size
        return found if sum(len(item.rows) for item in found) >= max(wanted, 1) else []

    def _part(self, item: _Item, select: Slice | None) -> _Item:
        if select is None or item.value is None:
            return item
        return _Item(item.rows, item.path, item.at_ns, value=item.value.take(select))

    def _run(self, number: int, ready: _Ready, meter: Meter) -> _Ran:
        inputs = [self._assemble(items, ready, meter) for _, items in ready.inputs]
        stage = ready.stage
        value = meter.stage(stage.macs * len(ready.rows), lambda: self._runner.run(stage, inputs))
        frames: dict[Slice | None, tuple[Any, int]] = {}
        for _, select in self._targets(stage):
            if select not in frames:
                frame = meter.encode(value.take(select).array, self._encoding)
                frames[select] = (frame, meter.payload_bytes(frame))
        return _Ran(number, ready, value, frames)

    def _assemble(self, items: list[_Item], ready: _Ready, meter: Meter) -> Value:
        """One input as an array of the rows that are still in."""
        for item in items:
            if item.value is None:
                digest = digest_of(item.frame) if self._runner.remembers else b""
                item.value = Value(meter.decode(item.frame), digest)
                item.frame = None
        values = [item.value for item in items if item.value is not None]
        whole = values[0]
        if len(values) > 1:
            whole = self._runner.value(np.concatenate([v.array for v in values]))
        rows = [row for item in items for row in item.rows]
        if ready.stage.merges_rows or len(whole.array) != len(rows):
            return whole
        return whole.pick([rows.index(row) for row in ready.rows])

    def _targets(self, stage: Stage) -> list[tuple[str, Slice | None]]:
        """Where an output goes, the source last: its message carries the ledger."""
        targets = list(self._topology.consumers(stage.id, self._name))
        return [*targets, (SOURCE, None)] if stage.to_source else targets

    def _charge(
        self, row: int, *, macs: int = 0, payload: int = 0, messages: int = 0, frame: int = 0
    ) -> None:
        old = self.spent.get(row, (0, 0, 0, 0))
        self.spent[row] = (old[0] + macs, old[1] + payload, old[2] + messages, old[3] + frame)

    def _report(self) -> Spent:
        spent, self.spent = self.spent, {}
        return spent


def elapsed(path: Path, at_ns: int, done: Done) -> Path:
    """Path through a computation whose last input came at `at_ns`.

    What the host took beyond the modelled cost counts as compute, so that the parts still sum to
    the whole.
    """
    meter = done.meter
    slip = done.ended_ns - done.started_ns - meter.total_ns
    return path.plus(
        queue=done.started_ns - at_ns,
        compute=meter.compute_ns + slip,
        serialise=meter.serialise_ns,
        decide=meter.decide_ns,
    )
