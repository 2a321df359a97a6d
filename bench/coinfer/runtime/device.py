"""The device reactor: waits for needs, runs stages one after another, sends what they yield."""

from __future__ import annotations

from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec
import numpy as np

from coinfer.contract import SOURCE, Need, Now, Slice, Stage
from coinfer.runtime.context import Context, Done
from coinfer.runtime.finished import Finished
from coinfer.runtime.inbox import Inbox, Item, Ready, rows_of
from coinfer.runtime.memory import Memory
from coinfer.runtime.meter import Meter
from coinfer.runtime.runner import Runner, Value, digest_of
from coinfer.runtime.soundness import is_sound
from coinfer.runtime.timeline import Computation, Timeline, inputs_of
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import FRAME_HEADER_BYTES, Data, Envelope, Path, Shipment, Spent


class _Ran(msgspec.Struct, frozen=True, gc=False):
    """What a stage left: its value, and a frame for each part that has to travel."""

    job: int
    ready: Ready
    value: Value
    frames: dict[Slice | None, tuple[Any, int]]


class _Target(NamedTuple):
    """Where an output goes, who gets it with the same message, and whether it is counted here."""

    to: str
    select: Slice | None
    group: tuple[str, ...]
    counted: bool


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
    memory_bytes : int or None
        What weights, frames, values and activations may take together; None: no bound.
    keep_ns : int or None
        An idle device forgets jobs of which nothing has come for so long: the messages that they
        wait for are lost. None: never.
    timeline : Timeline, optional

    Attributes
    ----------
    spent : dict
        What it has spent and not reported yet.
    stale_messages, corrupt_messages : int
        Messages that it dropped: of jobs that are over, and with a damaged frame.
    """

    def __init__(
        self,
        name: str,
        topology: Topology,
        encoding: str,
        runner: Runner,
        ctx: Context,
        memory_bytes: int | None = None,
        keep_ns: int | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self._name = name
        self._topology = topology
        self._encoding = encoding
        self._runner = runner
        self._ctx = ctx
        self._mine = topology.stages_on(name)
        self._early = frozenset(
            stage for stage, replica in topology.on[name].items() if isinstance(replica.start, Now)
        )
        self._order = {stage: place for place, stage in enumerate(self._mine)}
        self._targets = {stage.id: self._targets_of(stage) for stage in self._mine.values()}
        self._fills = [
            (need, need.fill_after_ns)
            for stage in self._mine.values()
            for need in stage.needs
            if need.fill_after_ns is not None
        ]
        self._jobs: dict[int, Inbox] = {}
        self._over = Finished()
        self._queue: list[tuple[int, int]] = []
        # By entry of the queue: whatever comes for a job, its stages are looked at again.
        self._found: dict[tuple[int, int], Ready] = {}
        self._busy = False
        self.spent: Spent = {}
        self.stale_messages = 0
        self.corrupt_messages = 0
        self._memory = Memory(topology.weights_bytes(name), memory_bytes)
        self._keep_ns = keep_ns
        self._timeline = timeline

    def on_message(self, envelope: Envelope) -> None:
        """Take in data or a control message."""
        body = envelope.body
        if self._timeline is not None:
            self._timeline.arrived(self._name, envelope, self._ctx.now_ns)
        assert not isinstance(body, Shipment), "a driver puts a device in place, not the device"
        if isinstance(body, Data) and not is_sound(body.frame):
            self.corrupt_messages += 1
            return
        now = self._ctx.now_ns
        job = self._jobs.get(body.job)
        if job is None:
            if body.job in self._over:
                self.stale_messages += isinstance(body, Data)
                return
            job = self._open(body.job, now)
        job.last_ns = now
        if isinstance(body, Data):
            self._memory.hold(job.take(body, envelope.path, now))
        else:
            job.obey(body, envelope.path, now)
        self._advance(body.job, job)

    def on_timer(self, token: tuple[int, Need]) -> None:
        """Fill a late need with zeros."""
        number, need = token
        job = self._jobs.get(number)
        if job is None or job.has(need):
            return
        rows = job.rows
        shape = [len(rows), *self._topology.stages[need.stage].output]
        if need.select is not None:
            shape[need.select.axis] = need.select.stop - need.select.start
        now = self._ctx.now_ns
        path = Path(job.first_ns).plus(queue=now - job.first_ns)
        zeros = self._runner.value(np.zeros(shape, np.float32))
        job.put(need.stage, need.select, Item(rows, path, now, value=zeros))
        self._memory.hold(zeros.array.nbytes)
        self._advance(number, job)

    def on_peer(self, device: str, alive: bool) -> None:
        """Nothing: what to do without a device is the source's to decide."""

    def on_done(self, done: Done) -> None:
        """Send what the stage yielded and go on."""
        if self._timeline is not None:
            self._timeline.end(self._name, done)
        self._busy = False
        ran: _Ran = done.value
        stage, rows = ran.ready.stage, ran.ready.rows
        self._memory.free(stage.activation_bytes * len(rows))
        path = elapsed(ran.ready.path, ran.ready.at_ns, done)
        for row in rows:
            self._charge(row, stage.macs)
        job = self._jobs.get(ran.job)
        if job is not None:
            job.put(stage.id, None, Item(rows, path, done.ended_ns, value=ran.value))
            self._memory.hold(ran.value.array.nbytes)
        size = job.size if job is not None else len(rows)
        targets = self._targets[stage.id]
        for _, select, _, counted in targets:
            frame, payload = ran.frames[select]
            if counted:
                self._charge(rows[0], 0, payload, 1, len(frame))
        for to, select, group, _ in targets:
            frame, payload = ran.frames[select]
            spent = self._report() if to == SOURCE else {}
            body = Data(ran.job, size, stage.id, select, rows, frame, payload, spent)
            self._ctx.send(Envelope(self._name, to, done.ended_ns, path, body, group))
        if job is not None:
            self._advance(ran.job, job)
        else:
            self._next()

    def _open(self, number: int, now_ns: int) -> Inbox:
        self._forget_before(now_ns)
        job = self._jobs[number] = Inbox(self._mine, self._early, now_ns, self._mine.copy())
        for need, after_ns in self._fills:
            self._ctx.set_timer(now_ns + after_ns, (number, need))
        return job

    def _forget_before(self, now_ns: int) -> None:
        """Forget jobs that wait in vain; one that is queued or under way does not wait."""
        if self._keep_ns is None or self._busy or self._queue:
            return
        while self._jobs:
            number = next(iter(self._jobs))
            if now_ns - self._jobs[number].last_ns <= self._keep_ns:
                return
            self._close(number)

    def _close(self, number: int) -> None:
        self._memory.free(self._jobs.pop(number).held_bytes)
        self._over.add(number)

    def _advance(self, number: int, job: Inbox) -> None:
        """Queue the stages of a job that can start; forget the job when none is left."""
        if job.stopped:
            job.drop_stopped()
        for name, stage in job.waiting.items():
            ready = job.ready(stage)
            if ready is not None:
                entry = (number, self._order[name])
                if entry not in self._found:
                    heappush(self._queue, entry)
                self._found[entry] = ready
        if not job.waiting:
            self._close(number)
        self._next()

    def _next(self) -> None:
        """Start the oldest job's next stage. What was stopped meanwhile is dropped here."""
        while self._queue and not self._busy:
            entry = heappop(self._queue)
            ready, number = self._found.pop(entry), entry[0]
            job = self._jobs.get(number)
            if job is None or ready.stage.id not in job.waiting:
                continue
            del job.waiting[ready.stage.id]
            if ready.rows:
                self._busy = True
                self._memory.hold(ready.stage.activation_bytes * len(ready.rows))
                self._ctx.compute(partial(self._run, number, ready))
            else:
                self._advance(number, job)

    def _run(self, number: int, ready: Ready, meter: Meter) -> _Ran:
        stage = ready.stage
        if self._timeline is not None and self._timeline.holds(number, ready.rows):
            told = Computation(number, ready.rows, stage.id, inputs_of(stage), ready.at_ns)
            self._timeline.begin(self._name, told, self._ctx.now_ns, meter)
        inputs = [self._assemble(number, items, ready, meter) for items in ready.inputs]
        value = meter.stage(stage, len(ready.rows), lambda: self._runner.run(stage, inputs))
        frames: dict[Slice | None, tuple[Any, int]] = {}
        for _, select, _, _ in self._targets[stage.id]:
            if select not in frames:
                frame = meter.encode(value.take(select).array, self._encoding)
                frames[select] = (frame, len(frame) - FRAME_HEADER_BYTES)
        return _Ran(number, ready, value, frames)

    def _assemble(self, number: int, items: list[Item], ready: Ready, meter: Meter) -> Value:
        """One input as an array of the rows that are still in."""
        values = [item.value or self._unpack(number, item, meter) for item in items]
        whole = values[0]
        if len(values) > 1:
            whole = self._runner.value(np.concatenate([v.array for v in values]))
        rows = rows_of(items)
        if rows == ready.rows or ready.stage.merges_rows or len(whole.array) != len(rows):
            return whole
        places = {row: place for place, row in enumerate(rows)}
        return whole.pick([places[row] for row in ready.rows])

    def _unpack(self, number: int, item: Item, meter: Meter) -> Value:
        """Value of an input that came as a frame."""
        digest = digest_of(item.frame) if self._runner.remembers else b""
        value = Value(meter.decode(item.frame, self._encoding), digest)
        grown = value.array.nbytes - len(item.frame)
        self._jobs[number].held_bytes += grown
        self._memory.hold(grown)
        item.value, item.frame = value, None
        return value

    def _targets_of(self, stage: Stage) -> tuple[_Target, ...]:
        """Where an output goes, the source last: its message carries the ledger."""
        wanted = list(self._topology.consumers(stage.id, self._name))
        if stage.to_source:
            wanted.append((SOURCE, None))
        targets = []
        for to, select in wanted:
            alike = [other for other, part in wanted if part == select]
            group = self._topology.group(self._name, alike)
            group = group if to in group else ()
            # The source counts what it gets, for all that get it with it.
            counted = to != SOURCE and (not group or (SOURCE not in group and to == group[0]))
            targets.append(_Target(to, select, group, counted))
        return tuple(targets)

    def _charge(
        self, row: int, macs: int, payload: int = 0, messages: int = 0, frame: int = 0
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
    return Path(
        path.origin_ns,
        path.compute_ns + meter.compute_ns + slip,
        path.serialise_ns + meter.serialise_ns,
        path.link_ns,
        path.queue_ns + done.started_ns - at_ns,
        path.decide_ns + meter.decide_ns,
    )
