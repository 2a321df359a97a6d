"""The source reactor: owns the requests, feeds the devices, lets the fusion rule decide."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from coinfer.contract import (
    INPUT,
    SOURCE,
    Action,
    After,
    Answer,
    Arrival,
    Evaluate,
    Fusion,
    GiveUp,
    Now,
    Permit,
    Start,
    Stop,
    Timer,
)
from coinfer.errors import ContractError
from coinfer.runtime.arrivals import Arrivals
from coinfer.runtime.context import Context, Done
from coinfer.runtime.feed import Feed
from coinfer.runtime.intake import Intake
from coinfer.runtime.job import Load, OpenJob
from coinfer.runtime.ledger import Ledger
from coinfer.runtime.outbox import Outbox
from coinfer.runtime.runner import Runner
from coinfer.runtime.soundness import is_sound
from coinfer.runtime.thinking import Outcome, Thinker, View
from coinfer.runtime.timeline import Timeline
from coinfer.runtime.topology import Topology
from coinfer.runtime.wire import Body, Control, Data, Envelope, Path


class SourceReactor:
    """The device that asks.

    Parameters
    ----------
    topology : Topology
    load : Load
    encoding : str
    runner : Runner
    ctx : Context
    on_request : callable
        Told the number of each request as it starts (faults and progress hang on it).
    timeline : Timeline, optional

    Attributes
    ----------
    ledger : Ledger
    settled_ns : int
        When the last request so far was settled.
    corrupt_messages : int
        Messages whose frame was damaged; they are dropped.
    """

    def __init__(
        self,
        topology: Topology,
        load: Load,
        encoding: str,
        runner: Runner,
        ctx: Context,
        on_request: Callable[[int], None],
        timeline: Timeline | None = None,
    ) -> None:
        self._topology = topology
        self._load = load
        self._inputs = Feed(topology, load, encoding)
        self._encoding = encoding
        self._runner = runner
        self._ctx = ctx
        self._on_request = on_request
        self._timeline = timeline
        self._arrivals = Arrivals(load, ctx)
        self._intake = Intake(topology, ctx, self._feed)
        self._jobs = self._intake.jobs
        self.ledger = Ledger(topology, load.warm_up)
        self._outbox = Outbox(topology, self.ledger, ctx)
        self._thinker = Thinker(ctx, self._outbox.lost, timeline)
        self.settled_ns = 0
        self.corrupt_messages = 0

    @property
    def finished(self) -> bool:
        """Whether every request is settled."""
        return self._arrivals.unsettled == 0

    def begin(self) -> None:
        """Ask for the arrivals of the workload."""
        self._arrivals.begin()

    def knows(self, body: Body) -> bool:
        """Whether this is data of a job that there is or was, and reports on requests that came."""
        entries = self.ledger.entries
        return (
            isinstance(body, Data)
            and all(row in entries and entries[row].job == body.job for row in body.rows)
            and all(row in entries for row in body.spent)
        )

    def on_timer(self, token: tuple[Any, ...]) -> None:
        """Handle an arrival, a deadline, the end of a batch's wait, a hedge or a method's timer."""
        match token:
            case ("arrival", request):
                self._arrive(request)
            case ("deadline", request):
                self._expire(request)
            case ("batch",):
                self._intake.on_timer()
            case ("hedge", number, stage, device, path):
                if number in self._jobs:
                    self._start(self._jobs[number], stage, device, self._waited(path))
            case ("method", number, name, path):
                if number in self._jobs:
                    job = self._jobs[number]
                    self._thinker.add(
                        job,
                        f"timer:{name}",
                        self._waited(path),
                        lambda view: Outcome(tuple(job.fusion.on_timer(name, view))),
                    )

    def on_message(self, envelope: Envelope) -> None:
        """Account for an output; let the fusion rule see it if it is the first of its kind."""
        body = envelope.body
        if self._timeline is not None:
            self._timeline.arrived(SOURCE, envelope, self._ctx.now_ns)
        if not isinstance(body, Data):
            raise ContractError(
                f"source: {envelope.sender} sent {body.label!r}; only data may come"
            )
        self.ledger.received(body.rows, body.payload_bytes, len(body.frame))
        self.ledger.absorb(body.spent)
        if not is_sound(body.frame):
            self.corrupt_messages += 1
            return
        job = self._jobs.get(body.job)
        if job is None:
            return
        seen = job.seen.setdefault(body.stage, set())
        if seen.issuperset(body.rows):
            return
        seen.update(body.rows)
        self.ledger.arrived(body.rows, body.stage)

        def think(view: View) -> Outcome:
            value = view.kernels.decode(body.frame, self._encoding)
            arrival = Arrival(body.stage, envelope.sender, body.rows, value)
            return Outcome(tuple(job.fusion.on_arrival(arrival, view)))

        self._thinker.add(job, body.stage, envelope.path, think)

    def on_peer(self, device: str, alive: bool) -> None:
        """Tell the fusion rule of every open job."""
        (self._outbox.lost.discard if alive else self._outbox.lost.add)(device)
        for job in list(self._jobs.values()):
            if not alive:
                job.gone.add(device)
            path = Path(job.opened_ns).plus(queue=self._ctx.now_ns - job.opened_ns)
            tell = partial(_tell, job.fusion, device, alive)
            self._thinker.add(job, f"peer:{device}", path, tell)

    def on_birth(self, device: str) -> None:
        """Have a device back that is fresh: it knows nothing of the jobs that are open."""
        for job in self._jobs.values():
            job.fed.discard(device)
        self.on_peer(device, alive=True)

    def on_done(self, done: Done) -> None:
        """Carry out what a step of thought led to, and take the next step."""
        job, outcome, path = self._thinker.ended(done)
        if not job.over:
            if outcome.sends:
                self._outbox.send(job, outcome.sends, path)
            for action in outcome.actions:
                self._act(job, action, path)
        self._thinker.go_on()

    # Requests

    def _arrive(self, request: int) -> None:
        now, load = self._ctx.now_ns, self._load
        intended = self._arrivals.intended_ns(request)
        self.ledger.open(request, load.items[request], load.labels[request], intended, now)
        self._on_request(request)
        loser = self._arrivals.take(request)
        if loser is not None:
            self._abandon(loser, "failed")
        if loser != request:
            self._ctx.set_timer(intended + load.deadline_ns, ("deadline", request))
            self._intake.add(request)

    def _feed(self, job: OpenJob, rows: tuple[int, ...]) -> None:
        """Send rows of the input to every device that starts without being told to."""
        job.rows += rows
        job.unsettled.update(rows)
        for row in rows:
            self.ledger.entries[row].job = job.job.id
        path = Path(self._ctx.now_ns)

        def think(view: View) -> Outcome:
            job.gone |= self._outbox.lost
            job.fed.update(device for device in self._topology.starters if view.alive(device))
            sends = self._inputs.messages(job, sorted(job.fed), rows, view.kernels)
            images = self._load.images[list(rows)]
            actions = job.fusion.on_arrival(Arrival(INPUT, SOURCE, rows, images), view)
            return Outcome(tuple(actions), sends)

        self._thinker.add(job, INPUT, path, think)
        if len(job.rows) == len(rows):
            for replica in self._topology.deployment.replicas:
                if isinstance(replica.start, After):
                    due = self._ctx.now_ns + replica.start.delay_ns
                    token = ("hedge", job.job.id, replica.stage, replica.device, path)
                    self._ctx.set_timer(due, token)

    # Actions

    def _act(self, job: OpenJob, action: Action, path: Path) -> None:
        now = self._ctx.now_ns
        match action:
            case Answer(rows=rows, final=final):
                for row in rows:
                    if row in job.unsettled:
                        self.ledger.answer(row, action, now, path)
                        if final:
                            self._settle(job, row)
            case GiveUp(rows=rows):
                for row in rows:
                    if row in job.unsettled:
                        self.ledger.close(row, "failed")
                        self._settle(job, row)
            case Permit(gate=gate, rows=rows):
                devices = self._topology.gates.get(gate, ())
                self._outbox.order(job, devices, Control("permit", job.job.id, gate, rows), path)
            case Stop(rows=rows):
                self._outbox.stop(job, rows, path)
            case Start(stage=stage, device=device):
                self._start(job, stage, device, path)
            case Timer(delay_ns=delay_ns, token=name):
                self._ctx.set_timer(now + delay_ns, ("method", job.job.id, name, path))
            case Evaluate():
                self._evaluate(job, action, path)

    def _evaluate(self, job: OpenJob, action: Evaluate, path: Path) -> None:
        stage = self._topology.stages.get(action.stage)
        if stage is None or action.stage not in self._topology.on[SOURCE]:
            raise ContractError(f"Evaluate: the source holds no stage {action.stage!r}; deploy it")

        def think(view: View) -> Outcome:
            inputs = [self._runner.value(x) for x in action.inputs]
            run = partial(self._runner.run, stage, inputs)
            value = view.kernels.stage(stage, len(action.rows), run).array
            for row in action.rows:
                self.ledger.absorb({row: (stage.macs, 0, 0, 0)})
            self.ledger.arrived(action.rows, stage.id)
            arrival = Arrival(stage.id, SOURCE, action.rows, value)
            return Outcome(tuple(job.fusion.on_arrival(arrival, view)))

        self._thinker.add(job, stage.id, path, think)

    def _start(self, job: OpenJob, stage: str, device: str, path: Path) -> None:
        """Start a replica that waited to be told; feed its device first if it has no input yet."""
        replica = self._topology.on.get(device, {}).get(stage)
        if replica is None or isinstance(replica.start, Now):
            raise ContractError(f"Start: no waiting replica of {stage!r} on {device!r}")
        if device in self._outbox.lost:
            return
        begin = Control("start", job.job.id, stage, ())
        if device in job.fed:
            self._outbox.order(job, (device,), begin, path)
            return
        job.fed.add(device)
        job.gone.discard(device)
        rows = tuple(job.rows)
        self._thinker.add(
            job,
            begin.label,
            path,
            lambda view: Outcome(
                sends=(*self._inputs.messages(job, [device], rows, view.kernels), (device, begin))
            ),
        )

    # Endings

    def _expire(self, request: int) -> None:
        if not self.ledger.settled(request):
            self._abandon(request, "timeout")

    def _abandon(self, request: int, status: str) -> None:
        """Settle a request without waiting any longer."""
        self.ledger.close(request, status)
        job = next((j for j in self._jobs.values() if request in j.unsettled), None)
        if job is not None:
            path = Path(job.opened_ns).plus(queue=self._ctx.now_ns - job.opened_ns)
            self._outbox.stop(job, (request,), path)
            self._settle(job, request)
        else:
            self._intake.withdraw(request)
            self._settled(request)

    def _settle(self, job: OpenJob, row: int) -> None:
        job.unsettled.discard(row)
        if job.over:
            self._jobs.pop(job.job.id, None)
        self._settled(row)

    def _settled(self, request: int) -> None:
        self.settled_ns = self._ctx.now_ns
        self._arrivals.settled(request)

    def _waited(self, path: Path) -> Path:
        """Path of a timer: the time since it was set counts as waiting."""
        return path.plus(queue=self._ctx.now_ns - path.origin_ns - path.total_ns)


def _tell(fusion: Fusion, device: str, alive: bool, view: View) -> Outcome:
    return Outcome(tuple(fusion.on_peer(device, alive, view)))
