"""How the source thinks: one step after another, each a computation that takes its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import msgspec

from coinfer.contract import SOURCE, Action
from coinfer.runtime.context import Context, Done
from coinfer.runtime.device import elapsed
from coinfer.runtime.job import OpenJob
from coinfer.runtime.meter import Meter
from coinfer.runtime.timeline import Computation, Timeline
from coinfer.runtime.wire import Body, Path


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What one step of thought leads to."""

    actions: tuple[Action, ...] = ()
    sends: tuple[tuple[str, Body], ...] = ()


class View(msgspec.Struct, gc=False):
    """What the fusion rule may ask during one step."""

    now_ns: int
    kernels: Meter
    lost: set[str]
    gone: set[str]

    def alive(self, device: str) -> bool:
        """Whether the device is believed alive, and has been since the job began."""
        return device not in self.lost and device not in self.gone


class Step(msgspec.Struct, frozen=True, gc=False):
    """A computation of the source that waits for its turn."""

    job: OpenJob
    about: str
    path: Path
    at_ns: int
    think: Callable[[View], Outcome]


class Thinker:
    """Takes steps of thought in the order in which they come, but for those of jobs that are over.

    Parameters
    ----------
    ctx : Context
    lost : set of str
        Devices that are believed lost, kept up to date by the owner.
    timeline : Timeline, optional
    """

    def __init__(self, ctx: Context, lost: set[str], timeline: Timeline | None = None) -> None:
        self._ctx = ctx
        self._lost = lost
        self._timeline = timeline
        self._queue: deque[Step] = deque()
        self._busy = False

    def add(self, job: OpenJob, about: str, path: Path, think: Callable[[View], Outcome]) -> None:
        """Think when everything before is done."""
        self._queue.append(Step(job, about, path, self._ctx.now_ns, think))
        self.go_on()

    def ended(self, done: Done) -> tuple[OpenJob, Outcome, Path]:
        """What a step led to, and the path up to its end."""
        self._busy = False
        if self._timeline is not None:
            self._timeline.end(SOURCE, done)
        step, outcome = done.value
        return step.job, outcome, elapsed(step.path, step.at_ns, done)

    def go_on(self) -> None:
        """Take the next step unless one is under way."""
        while self._queue and not self._busy:
            step = self._queue.popleft()
            if not step.job.over:
                self._busy = True
                self._ctx.compute(partial(self._take, step, self._ctx.now_ns))

    def _take(self, step: Step, now_ns: int, meter: Meter) -> tuple[Step, Outcome]:
        job = step.job
        if self._timeline is not None and self._timeline.holds(job.job.id, job.rows):
            told = Computation(job.job.id, tuple(job.rows), step.about, (step.about,), step.at_ns)
            self._timeline.begin(SOURCE, told, now_ns, meter)
        return step, step.think(View(now_ns, meter, self._lost, job.gone))
