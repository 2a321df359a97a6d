"""Fusion of one-exit portions: what NoNN and RoCoIn do at the source.

The source waits until every partition has arrived once (a group is one or several devices), runs
the head on the concatenation in partition order, and answers. What stands for a partition whose
whole group is lost, or that is late, is what the head was prepared for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coinfer.contract import (
    INPUT,
    Action,
    Answer,
    Arrival,
    Evaluate,
    FloatArray,
    FusionContext,
    GiveUp,
    Job,
    Stop,
    Timer,
)
from coinfer.methods.rows import aligned

LATE = "late"


@dataclass(frozen=True)
class PortionLayout:
    """Which stage brings which part of the concatenated vector, and who can send it.

    Attributes
    ----------
    stages : tuple of str
        Stage of each partition, in partition order.
    filters : tuple of int
        Values of each portion.
    groups : tuple of tuple of str
        Devices that hold a replica of each partition's student.
    """

    stages: tuple[str, ...]
    filters: tuple[int, ...]
    groups: tuple[tuple[str, ...], ...]

    def gather(
        self, got: dict[str, Arrival], rows: tuple[int, ...], fill: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Concatenate what came, row by row.

        Parameters
        ----------
        got : dict of str to Arrival
            By stage.
        rows : tuple of int
            The rows that are wanted.
        fill : ndarray of float32, shape (sum of filters,)
            What stands for the values that did not come.

        Returns
        -------
        vector : ndarray of float32, shape (rows, sum of filters)
        present : ndarray of float32, shape (rows, K)
            One where a portion came, else zero.
        """
        vector = np.tile(fill, (len(rows), 1))
        present = np.zeros((len(rows), len(self.stages)), np.float32)
        start = 0
        for k, (stage, width) in enumerate(zip(self.stages, self.filters, strict=True)):
            arrival = got.get(stage)
            if arrival is not None and arrival.rows == rows:
                vector[:, start : start + width] = arrival.value
                present[:, k] = 1.0
            elif arrival is not None:
                came = np.isin(rows, arrival.rows)
                values = aligned(arrival.value, arrival.rows, rows)
                vector[came, start : start + width] = values[came]
                present[came, k] = 1.0
            start += width
        return vector, present


@dataclass(frozen=True)
class PortionHead:
    """What the source does with portions.

    Attributes
    ----------
    stage : str
        Turns them into logits.
    fill : ndarray of float32, shape (sum of filters,)
        What stands for lost values.
    told : bool
        The stage takes as a second input which portions are there.
    """

    stage: str
    fill: npt.NDArray[np.float32]
    told: bool = False


class PortionFusion:
    """Waits for one portion of each partition; one object a job.

    Parameters
    ----------
    job : Job
    layout : PortionLayout
    head : PortionHead
    patience_ns : int
        How long a partition may stay out before it counts as lost.
    stop_others : bool
        Tell the devices of an answered job to drop what they have not begun.
    """

    def __init__(
        self,
        job: Job,
        layout: PortionLayout,
        head: PortionHead,
        patience_ns: int,
        stop_others: bool = False,
    ) -> None:
        self._rows = job.rows
        self._layout = layout
        self._head = head
        self._patience_ns = patience_ns
        self._stop_others = stop_others
        self._got: dict[str, Arrival] = {}
        self._decided = False
        self._late = False

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Keep a portion; answer when the head is done."""
        if arrival.stage == INPUT:
            return [Timer(self._patience_ns, LATE), *self._proceed(ctx)]
        if arrival.stage == self._head.stage:
            labels = ctx.kernels.exit_scores(arrival.value).label
            present = len(self._got)
            degraded = present < len(self._layout.stages)
            answer = tuple(int(label) for label in labels)
            found = Answer(self._rows, answer, degraded=degraded, present=present)
            return [found, Stop(self._rows)] if self._stop_others else [found]
        if not self._decided:
            self._got[arrival.stage] = arrival
        return self._proceed(ctx)

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """Go on with what is there, or with the first portion that comes."""
        self._late = True
        return self._proceed(ctx)

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """See whether the lost device was the last hope of its partition."""
        return self._proceed(ctx)

    def _proceed(self, ctx: FusionContext) -> Iterable[Action]:
        layout = self._layout
        hoped_for = any(
            stage not in self._got and any(ctx.alive(device) for device in group)
            for stage, group in zip(layout.stages, layout.groups, strict=True)
        )
        enough = self._late and self._got
        return [] if self._decided or (hoped_for and not enough) else self._decide()

    def _decide(self) -> Iterable[Action]:
        self._decided = True
        if not self._got:
            return [GiveUp(self._rows)]
        head = self._head
        vector, present = self._layout.gather(self._got, self._rows, head.fill)
        inputs = (vector, present) if head.told else (vector,)
        return [Evaluate(head.stage, self._rows, inputs)]
