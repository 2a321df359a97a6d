"""Faults, and how the source gets to know of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coinfer.cluster import FaultEvent
from coinfer.contract import SOURCE
from simpy_model.values import Device, Message, Window


class Faults:
    def fault(self, event: FaultEvent, delay_ns: int) -> Iterator[Any]:
        yield self.env.timeout(delay_ns)
        device, now = self.devices[event.target], self.env.now
        if self.over.triggered:
            return
        window = Window(now, now + event.duration_ns, event)
        if event.kind in ("drop", "delay", "corrupt", "partition"):
            self.windows.append(window)
        elif event.kind == "rejoin":
            if not device.up and not device.coming:
                device.coming = True
                device.births += 1
                self.believe_lost(device)
                self.ship(device, device.births, 1)
        elif event.kind == "crash":
            if device.up or device.coming:
                self.bury(device)
        elif device.up and event.kind == "straggle":
            device.slow.append(window)
        elif device.up:
            device.resumes_ns = max(device.resumes_ns, window.end_ns)
            yield self.env.timeout(event.duration_ns)
            if device.resumes_ns == self.env.now:
                waiting, device.deferred = device.deferred, []
                for call in waiting:
                    call()

    def bury(self, device: Device) -> None:
        device.up = device.coming = device.busy = False
        device.life += 1
        device.resumes_ns = 0
        device.jobs, device.slow, device.deferred = {}, [], []

    def ship(self, device: Device, birth: int, attempt: int) -> None:
        weights = sum(stage.weights_bytes for stage in device.stages)
        name, now = f"{birth}.{attempt}", self.env.now
        self.send([Message("ship", -1, SOURCE, device.name, name, (), now, weights)])

    def bear(self, device: Device) -> None:
        device.up, device.coming, device.lost = True, False, False
        device.born_ns = device.heard_ns = self.env.now
        self.env.process(self.watch(device, self.env.now))
        for job in self.open.values():
            job.fed.discard(device.name)
        self.tell(device, alive=True)

    def beat(self, device: Device) -> Iterator[Any]:
        while True:
            now = self.env.now
            silent = not device.up or now < device.resumes_ns
            for window in self.windows:
                cut = window.event.kind == "partition" and window.event.target == device.name
                silent |= cut and window.begin_ns < now < window.end_ns
            if not silent:
                device.heard_ns = now
                self.env.process(self.watch(device, now))
                if device.lost:
                    device.lost = False
                    self.tell(device, alive=True)
            yield self.env.timeout(round(self.cluster.heartbeat_ms * 1e6))

    def watch(self, device: Device, heard_ns: int) -> Iterator[Any]:
        yield self.env.timeout(round(self.cluster.heartbeat_timeout_ms * 1e6))
        yield self.env.timeout(0)  # A beat of the same moment is in time.
        if device.heard_ns == heard_ns:
            self.believe_lost(device)

    def believe_lost(self, device: Device) -> None:
        if not device.lost:
            device.lost = True
            self.believed_lost.add((device.name, self.env.now))
            self.tell(device, alive=False)

    def tell(self, device: Device, *, alive: bool) -> None:
        for job in self.open.values():
            if not alive:
                job.gone.add(device.name)
            self.thoughts.put(
                (job, lambda view, j=job: (j.rule.on_peer(device.name, alive, view), []))
            )
