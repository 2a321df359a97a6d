"""How the source turns what arrives into answers: the fusion rule and the actions it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from coinfer.contract.stage import Batching, Job, Replica, Stage

FloatArray = npt.NDArray[np.float32]


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Labels for some rows of the job.

    Attributes
    ----------
    rows : tuple of int
        Request numbers.
    labels : tuple of int
        One class index a row.
    final : bool
        False for an answer that may be revised until the deadline (anytime inference).
    exit : int
        Which exit answered, counted from 1; 0 where there is only one.
    degraded : bool
        Something was missing (a partition, the better tier).
    present : int
        How many partitions stood behind the answer.
    """

    rows: tuple[int, ...]
    labels: tuple[int, ...]
    final: bool = True
    exit: int = 0
    degraded: bool = False
    present: int = 1


class GiveUp(msgspec.Struct, frozen=True, gc=False):
    """No answer can come for these rows any more; they are recorded as failed."""

    rows: tuple[int, ...]


class Permit(msgspec.Struct, frozen=True, gc=False):
    """Opens `gate` for these rows on every device that waits for it (strict early exit)."""

    gate: str
    rows: tuple[int, ...]


class Stop(msgspec.Struct, frozen=True, gc=False):
    """These rows leave the job; every device drops them at its next stage start."""

    rows: tuple[int, ...]


class Start(msgspec.Struct, frozen=True, gc=False):
    """Starts a replica that was deployed on demand."""

    stage: str
    device: str


class Evaluate(msgspec.Struct, frozen=True, gc=False):
    """Runs a stage at the source on values that the fusion rule made; ends in ``on_arrival``."""

    stage: str
    rows: tuple[int, ...]
    inputs: tuple[FloatArray, ...]


class Timer(msgspec.Struct, frozen=True, gc=False):
    """Asks for ``on_timer(token)`` after `delay_ns`."""

    delay_ns: int
    token: str


Action = Answer | GiveUp | Permit | Stop | Start | Evaluate | Timer


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An output that reached the source for the first time; replicas that come later are dropped.

    Attributes
    ----------
    stage : str
        `INPUT` for the rows of the job themselves, which arrive first.
    device : str
    rows : tuple of int
        Request number of each row of `value` (empty where the stage merges rows).
    value : ndarray of float32, shape (rows, …)
    """

    stage: str
    device: str
    rows: tuple[int, ...]
    value: FloatArray


class Scores(Protocol):
    """Exit confidence of a batch; see ``coinfer_kernels.exit_scores``."""

    @property
    def max_prob(self) -> FloatArray:
        """Largest softmax probability, shape (rows,)."""
        ...

    @property
    def entropy(self) -> FloatArray:
        """Entropy in nats, shape (rows,)."""
        ...

    @property
    def margin(self) -> FloatArray:
        """Largest minus second largest probability, shape (rows,)."""
        ...

    @property
    def energy(self) -> FloatArray:
        """Minus the log-sum-exp of the logits, shape (rows,)."""
        ...

    @property
    def label(self) -> npt.NDArray[np.int64]:
        """Class of the largest logit, shape (rows,)."""
        ...


class Kernels(Protocol):
    """The kernels as the fusion rule sees them: each call is charged to the clock as *decide*."""

    def exit_scores(self, logits: FloatArray, *, temperature: float = 1.0) -> Scores:
        """Scores of logits of shape (rows, classes)."""
        ...

    def feature_change(self, previous: FloatArray, current: FloatArray, kind: str) -> FloatArray:
        """Change between two feature batches of shape (rows, features), one value a row."""
        ...

    def count_agreement(
        self,
        previous: npt.NDArray[np.int64],
        current: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int32],
        patience: int,
    ) -> npt.NDArray[np.bool_]:
        """Count agreements in a row in `counts`; whether each row has as many as `patience`."""
        ...


class FusionContext(Protocol):
    """What a fusion rule may ask for."""

    @property
    def now_ns(self) -> int:
        """Time since the run began."""
        ...

    @property
    def kernels(self) -> Kernels:
        """Kernels of the back end under test."""
        ...

    def alive(self, device: str) -> bool:
        """Whether the source believes the device to be alive."""
        ...


class Fusion(Protocol):
    """Decides for one job. The runtime makes one for each job and drops it when all is answered."""

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Handle the first arrival of a stage's output."""
        ...

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """Handle a timer asked for by `Timer`."""
        ...

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """Handle a device that was lost or came back."""
        ...


@dataclass(frozen=True)
class Deployment:
    """All that the runtime needs of a method.

    Attributes
    ----------
    stages : tuple of Stage
    replicas : tuple of Replica
    fusion : callable
        Makes the fusion rule of one job.
    batching : Batching
    predicted_latency_ns : int or None
        What the planner expects without faults and jitter, with the input broadcast counted.
    notes : dict
        What the planner has to say (groups, partitions, [ours] parameters); JSON values.
    of_run : callable or None
        For rules that learn from one job for the next (a controller): makes what takes the place
        of `fusion` in one run, with nothing learnt yet. A deployment serves many runs, so what a
        run learns may lie neither in it nor in `fusion`.
    """

    stages: tuple[Stage, ...]
    replicas: tuple[Replica, ...]
    fusion: Callable[[Job], Fusion]
    batching: Batching = field(default_factory=Batching)
    predicted_latency_ns: int | None = None
    notes: dict[str, Any] | None = None
    of_run: Callable[[], Callable[[Job], Fusion]] | None = None

    def fusions(self) -> Callable[[Job], Fusion]:
        """What makes the fusion rules of one run, job by job."""
        return self.fusion if self.of_run is None else self.of_run()
