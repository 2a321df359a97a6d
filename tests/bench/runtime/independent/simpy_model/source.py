"""The source: one step of thought after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from coinfer.contract import (
    INPUT,
    SOURCE,
    After,
    Answer,
    Arrival,
    Evaluate,
    GiveUp,
    Job,
    Need,
    Now,
    Permit,
    Start,
    Stop,
    Timer,
    permit,
)
from simpy_model.values import WIDTH, Message, Open, ns_of


class View:
    """What a rule may ask for; adds up what a step of the source costs."""

    def __init__(self, model: Any, job: Open) -> None:
        self.now_ns, self.kernels, self.cost_ns = model.env.now, self, 0
        self._model, self._job = model, job

    def alive(self, device: str) -> bool:
        return not self._model.devices[device].lost and device not in self._job.gone

    def exit_scores(self, logits: np.ndarray) -> None:
        self.charge("exit_scores", logits.size)

    def charge(self, operation: str, elements: int) -> None:
        self.cost_ns += self._model.kernel_ns(operation, elements, self._model.source_macs_per_s)


class Source:
    def arrive(self, request: int) -> None:
        load = self.scenario.load
        self.intended_ns[request] = self.env.now
        for event in self.scenario.faults:
            if event.on_request == request:
                self.env.process(self.fault(event, event.after_ns))
        job = Job(request, (request,), 1)
        opened = self.open[request] = Open(job, self.scenario.deployment.fusion(job))
        self.after(load.deadline_ns, self.expire, request)

        def feed(view: View) -> tuple[Any, list[Message]]:
            opened.gone |= {d.name for d in self.devices.values() if d.lost}
            for device in self.devices.values():
                now = any(isinstance(r.start, Now) for r in device.replicas.values())
                if now and view.alive(device.name):
                    opened.fed.add(device.name)
            sends = self.inputs(view, request, sorted(opened.fed))
            image = load.images[[request]]
            return opened.rule.on_arrival(Arrival(INPUT, SOURCE, (request,), image), view), sends

        self.thoughts.put((opened, feed))
        for replica in self.scenario.deployment.replicas:
            if isinstance(hedge := replica.start, After):
                self.after(hedge.delay_ns, self.start, opened, replica.stage, replica.device)

    def inputs(self, view: View, request: int, devices: list[str]) -> list[Message]:
        """Encoded once for all devices that need it."""
        wanted = [d for d in devices if self.devices[d].needs(Need(INPUT))]
        if wanted:
            view.charge("encode:raw", WIDTH)
        return [
            Message("data", request, SOURCE, d, INPUT, (request,), 0, 4 * WIDTH) for d in wanted
        ]

    def think(self) -> Iterator[Any]:
        """One step after another: it begins with what is known, and acts when its time is over."""
        while True:
            job, step = yield self.thoughts.get()
            if job.job.id not in self.open:
                continue
            view = View(self, job)
            actions, sends = step(view)
            self.source_busy_ns += view.cost_ns
            yield self.env.timeout(view.cost_ns)
            if job.job.id not in self.open:
                continue
            self.send([m._replace(sent_ns=self.env.now) for m in sends])
            for action in actions:
                self.act(job, action)

    def act(self, job: Open, action: Any) -> None:
        number = job.job.id
        match action:
            case Answer(degraded=degraded):
                self.settle(number, "degraded" if degraded else "ok", self.env.now)
            case GiveUp():
                self.settle(number, "failed", None)
            case Permit(gate=gate, rows=rows):
                gates = Need(permit(gate))
                waiting = [d.name for d in self.devices.values() if d.needs(gates)]
                self.order("permit", number, gate, rows, waiting)
            case Stop(rows=rows):
                self.order("stop", number, "", rows, sorted(job.fed))
            case Start(stage=stage, device=device):
                self.start(job, stage, device)
            case Timer(delay_ns=delay_ns, token=token):
                self.after(delay_ns, self.remind, job, token)
            case Evaluate(stage=stage):
                self.thoughts.put((job, lambda view: self.evaluate(job, stage, view)))

    def order(self, kind: str, job: int, name: str, rows: Any, devices: list[str]) -> None:
        now = self.env.now
        self.send(
            [
                Message(kind, job, SOURCE, device, name, tuple(rows), now)
                for device in devices
                if not self.devices[device].lost
            ]
        )

    def evaluate(self, job: Open, stage: str, view: View) -> tuple[Any, list[Message]]:
        view.cost_ns += ns_of(self.stages[stage].macs, self.source_macs_per_s)
        value = np.zeros((1, self.width(stage)), np.float32)
        return job.rule.on_arrival(Arrival(stage, SOURCE, job.job.rows, value), view), []

    def start(self, job: Open, stage: str, device: str) -> None:
        """Begin a replica that waits for that; its device may need the input first."""
        number = job.job.id
        if number not in self.open or self.devices[device].lost:
            return
        if device in job.fed:
            self.order("start", number, stage, (), [device])
            return
        job.fed.add(device)
        job.gone.discard(device)
        begin = Message("start", number, SOURCE, device, stage, (), 0)
        self.thoughts.put((job, lambda view: ([], [*self.inputs(view, number, [device]), begin])))

    def remind(self, job: Open, token: str) -> None:
        if job.job.id in self.open:
            self.thoughts.put((job, lambda view: (job.rule.on_timer(token, view), [])))

    def receive(self, message: Message) -> None:
        job = self.open.get(message.job)
        if job is None or message.name in job.seen:
            return
        job.seen.add(message.name)
        value = np.zeros((1, self.width(message.name)), np.float32)

        def look(view: View) -> tuple[Any, list[Message]]:
            view.charge("decode:raw", value.size)
            arrival = Arrival(message.name, message.sender, message.rows, value)
            return job.rule.on_arrival(arrival, view), []

        self.thoughts.put((job, look))

    def expire(self, request: int) -> None:
        if request in self.open:
            self.order("stop", request, "", (request,), sorted(self.open[request].fed))
            self.settle(request, "timeout", None)

    def settle(self, request: int, status: str, answered_ns: int | None) -> None:
        if self.open.pop(request, None) is None:
            return
        self.answers[request] = (status, self.intended_ns[request], answered_ns)
        if len(self.answers) == len(self.scenario.load.items):
            self.over.succeed()
        elif self.scenario.load.arrivals_ns is None and not self.open:
            self.next_query()

    def next_query(self) -> None:
        begin, load = len(self.answers), self.scenario.load
        for request in range(begin, min(begin + load.query, len(load.items))):
            self.after(0, self.arrive, request)
