"""Devices: one stage at a time, the oldest job first."""

from __future__ import annotations

from collections.abc import Callable

from coinfer.contract import INPUT, SOURCE, Need, Now, Stage, gate_of
from simpy_model.values import WIDTH, Device, Held, Message, ns_of


class Devices:
    def when_on(self, device: Device, call: Callable[[], None]) -> None:
        """Now, or when a pause is over."""
        if self.env.now < device.resumes_ns:
            device.deferred.append(call)
        else:
            call()

    def take(self, device: Device, message: Message) -> None:
        held = device.jobs.setdefault(message.job, Held(list(device.stages)))
        if message.kind != "data":
            held.orders.add(message.label)
        elif message.name not in held.values:
            held.frames.add(message.name)
        self.work(device)

    def ready(self, device: Device, held: Held, stage: Stage) -> bool:
        def there(need: Need) -> bool:
            if gate_of(need) is not None:
                return need.stage in held.orders
            return need.stage in held.values | held.frames

        told = (
            isinstance(device.replicas[stage.id].start, Now) or f"start:{stage.id}" in held.orders
        )
        return told and "stop:" not in held.orders and all(map(there, stage.needs))

    def work(self, device: Device) -> None:
        """Begin the first stage that can, of the oldest job that has one."""
        for number in sorted(device.jobs) if not device.busy else ():
            held = device.jobs[number]
            for stage in held.waiting:
                if self.ready(device, held, stage):
                    held.waiting.remove(stage)
                    self.compute(device, number, held, stage)
                    return

    def compute(self, device: Device, number: int, held: Held, stage: Stage) -> None:
        cost_ns = ns_of(stage.macs, device.macs_per_s)
        for need in stage.needs:
            if need.stage in held.frames:
                cost_ns += self.kernel_ns("decode:raw", self.width(need.stage), device.macs_per_s)
                held.frames.remove(need.stage)
                held.values.add(need.stage)
        receivers = self.receivers(device.name, stage)
        if receivers:
            cost_ns += self.kernel_ns("encode:raw", self.width(stage.id), device.macs_per_s)
        factor = 1.0
        for window in device.slow:
            if window.begin_ns <= self.env.now < window.end_ns:
                factor *= window.event.factor
        cost_ns = round(cost_ns * factor)
        device.busy = True
        device.busy_ns += cost_ns
        life = device.life

        def done() -> None:
            device.busy = False
            held.values.add(stage.id)
            size = 4 * self.width(stage.id)
            now, row = self.env.now, (number,)
            output = Message("data", number, device.name, "", stage.id, row, now, size)
            self.send([output._replace(to=to) for to in receivers])
            self.work(device)

        def end() -> None:
            if device.life == life:
                self.when_on(device, done)

        self.after(cost_ns, end)

    def width(self, stage: str) -> int:
        return WIDTH if stage == INPUT else self.stages[stage].output[0]

    def receivers(self, sender: str, stage: Stage) -> list[str]:
        """Other devices that need an output, and the source last."""
        others = [d for d in self.devices.values() if d.name != sender]
        found = [d.name for d in others if d.needs(Need(stage.id))]
        return [*found, SOURCE] if stage.to_source else found
