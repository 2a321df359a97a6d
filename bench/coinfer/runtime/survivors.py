"""What a deployment answers while only some of its devices are left, outside of time.

Running a test split once for every set of lost devices would take 2^N runs. The fusion rule does
not mind when outputs come, only which: so each output is computed once, and the rule itself is
asked for every set.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import (
    INPUT,
    SOURCE,
    Action,
    Answer,
    Arrival,
    Deployment,
    Evaluate,
    FloatArray,
    Job,
    Need,
    Timer,
)
from coinfer.runtime.meter import Meter
from coinfer.runtime.runner import Runner
from coinfer_kernels.backend import Backend

UNANSWERED: Final = -1

_FORWARD_ROWS: Final = 250


class Answers(NamedTuple):
    """Answers to all rows.

    Attributes
    ----------
    labels : ndarray of int64, shape (rows,)
        `UNANSWERED` where none came.
    degraded : ndarray of bool, shape (rows,)
    """

    labels: npt.NDArray[np.int64]
    degraded: npt.NDArray[np.bool_]


class Survivors:
    """Answers of a deployment to the same rows, for any set of devices that are left.

    The lost devices are known to be lost when a job begins. What arrives is encoded row by row,
    as it would travel. A rule that still waits when all is there gets its timers in turn. Answers
    are remembered by the stages that can arrive, so they may not depend on which replica sent one.

    Parameters
    ----------
    deployment : Deployment
        One that `can_tell`.
    rows : ndarray of float32, shape (rows, …)
        Inputs.
    encoding : str
    backend : Backend
    runner : Runner
    job_rows : int, optional
        Rows of a job; all at once by default, which is fast. At 1 every bit is that of a run of
        single requests: convolutions of a larger batch may differ in the last ones.
    """

    def __init__(
        self,
        deployment: Deployment,
        rows: FloatArray,
        encoding: str,
        backend: Backend,
        runner: Runner,
        job_rows: int | None = None,
    ) -> None:
        self._deployment = deployment
        self._stages = {stage.id: stage for stage in deployment.stages}
        self._rows = rows
        self._encoding = encoding
        self._backend = backend
        self._runner = runner
        self._job_rows = job_rows or len(rows)
        self._received: FloatArray | None = None
        self._outputs: dict[str, FloatArray] = {}
        self._answers: dict[frozenset[str], Answers] = {}

    @staticmethod
    def can_tell(deployment: Deployment) -> bool:
        """Whether every stage on a device needs the input alone, so that order is all of time."""
        at_source = {r.stage for r in deployment.replicas if r.device == SOURCE}
        return not deployment.batching.eager and all(
            stage.needs == (() if stage.id in at_source else (Need(INPUT),))
            and not stage.merges_rows
            for stage in deployment.stages
        )

    def parts(self) -> list[tuple[str, ...]]:
        """Devices of each part of the answer: those that hold the same stages."""
        held: dict[str, set[str]] = {}
        for replica in self._deployment.replicas:
            if replica.device != SOURCE:
                held.setdefault(replica.device, set()).add(replica.stage)
        parts: dict[frozenset[str], list[str]] = {}
        for device, stages in held.items():
            parts.setdefault(frozenset(stages), []).append(device)
        return [tuple(devices) for devices in parts.values()]

    def answers(self, alive: Iterable[str]) -> Answers:
        """Answers while these devices are left."""
        left = frozenset(alive)
        there = frozenset(r.stage for r in self._deployment.replicas if r.device in left)
        if there not in self._answers:
            labels = np.full(len(self._rows), UNANSWERED, np.int64)
            degraded = np.zeros(len(self._rows), np.bool_)
            for start in range(0, len(self._rows), self._job_rows):
                rows = range(start, min(start + self._job_rows, len(self._rows)))
                self._decide(tuple(rows), left, there, labels, degraded)
            self._answers[there] = Answers(labels, degraded)
        return self._answers[there]

    def _decide(
        self,
        rows: tuple[int, ...],
        left: frozenset[str],
        there: frozenset[str],
        labels: npt.NDArray[np.int64],
        degraded: npt.NDArray[np.bool_],
    ) -> None:
        """Let the fusion rule decide one job."""
        fusion = self._deployment.fusion(Job(0, rows, len(rows)))
        ctx = _Context(self._backend, left)
        span = slice(rows[0], rows[-1] + 1)
        open_rows = set(rows)
        arrivals = deque([Arrival(INPUT, SOURCE, rows, self._rows[span])])
        arrivals += [
            Arrival(stage.id, device, rows, self._output(stage.id)[span])
            for stage in self._deployment.stages
            if stage.id in there
            for device in [min(self._holders(stage.id) & left)]
        ]
        timers: list[Timer] = []
        while open_rows and (arrivals or timers):
            actions: Iterable[Action]
            if arrivals:
                actions = fusion.on_arrival(arrivals.popleft(), ctx)
            else:
                timer = min(timers, key=lambda t: t.delay_ns)
                timers.remove(timer)
                ctx.now_ns = max(ctx.now_ns, timer.delay_ns)
                actions = fusion.on_timer(timer.token, ctx)
            for action in actions:
                match action:
                    case Answer(rows=answered, final=final):
                        for row, label in zip(answered, action.labels, strict=True):
                            labels[row], degraded[row] = label, action.degraded
                        open_rows -= set(answered) if final else set()
                    case Evaluate():
                        inputs = [self._runner.value(x) for x in action.inputs]
                        value = self._runner.run(self._stages[action.stage], inputs).array
                        arrivals.appendleft(Arrival(action.stage, SOURCE, action.rows, value))
                    case Timer():
                        timers.append(action)

    def _holders(self, stage: str) -> set[str]:
        return {r.device for r in self._deployment.replicas if r.stage == stage}

    def _output(self, stage_id: str) -> FloatArray:
        """Output of a stage for all rows, as it arrives at the source."""
        if stage_id not in self._outputs:
            if self._received is None:
                self._received = self._travelled(self._rows)
            size = min(self._job_rows, _FORWARD_ROWS)
            values = [
                self._runner.run(
                    self._stages[stage_id],
                    [self._runner.value(self._received[start : start + size])],
                ).array
                for start in range(0, len(self._rows), size)
            ]
            self._outputs[stage_id] = self._travelled(np.concatenate(values))
        return self._outputs[stage_id]

    def _travelled(self, rows: FloatArray) -> FloatArray:
        return np.concatenate(
            [
                self._backend.decode(self._backend.encode(rows[n : n + 1], self._encoding))
                for n in range(len(rows))
            ]
        )


class _Context:
    """What the fusion rule may ask."""

    def __init__(self, backend: Backend, left: frozenset[str]) -> None:
        self.now_ns = 0
        self.kernels = Meter(backend, load_cost_table(), None)
        self._left = left

    def alive(self, device: str) -> bool:
        return device in self._left
