"""Fusion of multi-branch students: gather an exit, compare, stop or go on.

*Strict*: a device waits for the source's permit before its next block; both permit and stop are
messages. *Speculative*: devices go on, and only a stop is sent, which acts at their next stage
start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

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
    Permit,
    Stop,
    Timer,
)
from coinfer.methods.rows import aligned

LATE = "late"


class ExitLayout(NamedTuple):
    """Devices, one a partition; sizes of their portions; exits that are deployed, from 1."""

    devices: tuple[str, ...]
    filters: tuple[int, ...]
    exits: tuple[int, ...]


class EarlyExit:
    """One job of a multi-branch network; the rows of a batch decide each for themselves.

    Parameters
    ----------
    job : Job
    layout : ExitLayout
    tau : float
        Exit when the feature difference is at most this.
    strict : bool
    patience_ns : int
        When the deepest exit with something in it is answered with zeros for the rest.
    """

    def __init__(
        self, job: Job, layout: ExitLayout, tau: float, strict: bool, patience_ns: int
    ) -> None:
        self._layout = layout
        self._tau = tau
        self._strict = strict
        self._patience_ns = patience_ns
        self._rows = job.rows
        self._got: dict[int, dict[int, tuple[tuple[int, ...], FloatArray]]] = {
            b: {} for b in layout.exits
        }
        self._place = 0
        self._answering: dict[str, tuple[int, ...]] = {}
        self._late = False

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Keep a portion, or answer with the logits of a head."""
        if arrival.stage == INPUT:
            return [Timer(self._patience_ns, LATE), *self._advance(ctx)]
        if arrival.stage in self._answering:
            return self._answer(arrival, ctx)
        student, _, part = arrival.stage.partition(".e")
        self._got[int(part)][int(student[1:])] = (arrival.rows, arrival.value)
        return self._advance(ctx)

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """Answer from the deepest complete exit, else from the shallowest that has begun."""
        if not self._rows:
            return []
        self._late = True
        exits = self._layout.exits
        complete = [b for b in exits if b > 1 and self._missing(b, ctx) == 0 and self._got[b]]
        begun = [b for b in exits if b > 1 and self._got[b]]
        if complete or begun:
            return self._evaluate(complete[-1] if complete else begun[0], self._rows)
        return []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """See whether the lost device was the only one waited for."""
        return self._advance(ctx)

    def _advance(self, ctx: FusionContext) -> list[Action]:
        """Decide at every exit that is complete by now."""
        actions: list[Action] = []
        while self._rows and self._place < len(self._layout.exits):
            b = self._layout.exits[self._place]
            if self._missing(b, ctx):
                break
            if not self._got[b]:
                rows, self._rows = self._rows, ()
                return [*actions, GiveUp(rows)]
            self._place += 1
            late = self._late and b > 1
            actions += self._evaluate(b, self._rows) if late else self._decide(b, ctx)
        return actions

    def _missing(self, b: int, ctx: FusionContext) -> int:
        """Portions of an exit that may still come."""
        devices = self._layout.devices
        return sum(k not in self._got[b] and ctx.alive(d) for k, d in enumerate(devices))

    def _decide(self, b: int, ctx: FusionContext) -> list[Action]:
        """Which rows leave at exit b, and what the devices are told."""
        if b == self._layout.exits[-1]:
            return self._evaluate(b, self._rows)
        leaving = self._leaving(b, ctx)
        actions = self._evaluate(b, leaving) if leaving else []
        if leaving:
            actions.append(Stop(leaving))
        if self._rows and self._strict:
            actions.append(Permit(f"exit{b + 1}", self._rows))
        return actions

    def _leaving(self, b: int, ctx: FusionContext) -> tuple[int, ...]:
        place = self._layout.exits.index(b)
        if place == 0 or self._tau < 0:
            return ()
        before = self._layout.exits[place - 1]
        both = [k for k in self._got[b] if k in self._got[before]]
        if not both:
            return ()
        change = ctx.kernels.feature_change(
            self._vector(before, self._rows, both), self._vector(b, self._rows, both), "l2"
        )
        # A comparison with NaN is false: what cannot be judged does not exit.
        return tuple(r for r, d in zip(self._rows, change, strict=True) if d <= self._tau)

    def _vector(self, b: int, rows: tuple[int, ...], partitions: Iterable[int]) -> FloatArray:
        """Portions side by side, zeros for what is missing; shape (rows, values)."""
        parts = []
        for k in partitions:
            if k in self._got[b]:
                here, value = self._got[b][k]
                parts.append(aligned(value, here, rows))
            else:
                parts.append(np.zeros((len(rows), self._layout.filters[k]), np.float32))
        return np.concatenate(parts, axis=1)

    def _evaluate(self, b: int, rows: tuple[int, ...]) -> list[Action]:
        self._rows = tuple(row for row in self._rows if row not in rows)
        self._answering[f"head{b}"] = rows
        vector = self._vector(b, rows, range(len(self._layout.devices)))
        return [Evaluate(f"head{b}", rows, (vector,))]

    def _answer(self, arrival: Arrival, ctx: FusionContext) -> list[Action]:
        labels = ctx.kernels.exit_scores(arrival.value).label
        b = int(arrival.stage.removeprefix("head"))
        present = len(self._got[b])
        answer = tuple(int(label) for label in labels)
        degraded = self._late or present < len(self._layout.devices)
        return [Answer(arrival.rows, answer, exit=b, degraded=degraded, present=present)]
