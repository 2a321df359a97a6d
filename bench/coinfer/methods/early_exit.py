"""Fusion of multi-branch students: gather an exit, ask the rule, stop or go on.

*Strict*: a device waits for the source's permit before its next block; both permit and stop are
messages. *Speculative*: devices go on, and only a stop is sent, which acts at their next stage
start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from coinfer.methods.rules import ExitRule, ExitView

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
    rule : ExitRule
    thresholds : sequence of float
        One for each exit of `layout` but the last.
    strict : bool
    patience_ns : int
        When the deepest exit with something in it is answered with zeros for the rest.
    """

    def __init__(
        self,
        job: Job,
        layout: ExitLayout,
        rule: ExitRule,
        thresholds: Sequence[float],
        strict: bool,
        patience_ns: int,
    ) -> None:
        self._layout = layout
        self._rule = rule
        self._thresholds = dict(zip(layout.exits, thresholds, strict=False))
        self._strict = strict
        self._patience_ns = patience_ns
        self._rows = job.rows
        self._got: dict[int, dict[int, tuple[tuple[int, ...], FloatArray]]] = {
            b: {} for b in layout.exits
        }
        self._place = 0
        self._answering: dict[str, tuple[int, ...]] = {}
        self._judging: int | None = None
        self._said: list[dict[int, int]] = []
        self._late = False

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Keep a portion, or answer with the logits of a head."""
        if arrival.stage == INPUT:
            return [Timer(self._patience_ns, LATE), *self._advance(ctx)]
        if arrival.stage in self._answering:
            return self._answer(arrival, ctx)
        if arrival.stage == f"head{self._judging}":
            return self._judge(arrival, ctx)
        student, _, part = arrival.stage.partition(".e")
        self._got[int(part)][int(student[1:])] = (arrival.rows, arrival.value)
        return self._advance(ctx)

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """Answer from the deepest complete exit, else from the shallowest that has begun."""
        self._late = True
        # Rows that are being judged answer from that exit, which is complete.
        if not self._rows or self._judging is not None:
            return []
        begun = [b for b in self._layout.exits if self._answers(b) and self._got[b]]
        complete = [b for b in begun if self._missing(b, ctx) == 0]
        return self._settle(complete[-1] if complete else begun[0]) if begun else []

    def on_peer(self, device: str, alive: bool, ctx: FusionContext) -> Iterable[Action]:
        """See whether the lost device was the only one waited for."""
        return self._advance(ctx)

    def _advance(self, ctx: FusionContext) -> list[Action]:
        """Decide at every exit that is complete by now."""
        actions: list[Action] = []
        while self._rows and self._place < len(self._layout.exits) and self._judging is None:
            b = self._layout.exits[self._place]
            if self._missing(b, ctx):
                break
            if not self._got[b]:
                rows, self._rows = self._rows, ()
                return [*actions, GiveUp(rows)]
            self._place += 1
            late = self._late and self._answers(b)
            actions += self._evaluate(b, self._rows) if late else self._decide(b, ctx)
        return actions

    def _answers(self, b: int) -> bool:
        """Whether the source has a head for exit b."""
        return b >= self._rule.first_head or b == self._layout.exits[-1]

    def _missing(self, b: int, ctx: FusionContext) -> int:
        """Portions of an exit that may still come."""
        devices = self._layout.devices
        return sum(k not in self._got[b] and ctx.alive(d) for k, d in enumerate(devices))

    def _decide(self, b: int, ctx: FusionContext) -> list[Action]:
        """Which rows leave at exit b, and what the devices are told."""
        if b == self._layout.exits[-1]:
            return self._evaluate(b, self._rows)
        if self._rule.reads_logits:
            self._judging = b
            return [Evaluate(f"head{b}", self._rows, (self._whole(b, self._rows),))]
        if b < self._rule.first:
            return self._tell(b)
        leaving = self._leaving(self._view(b, self._rows), ctx)
        return [*self._evaluate(b, leaving), *self._tell(b, leaving)] if leaving else self._tell(b)

    def _judge(self, arrival: Arrival, ctx: FusionContext) -> list[Action]:
        """Answer the rows whose logits say enough, and let the others go on."""
        b, rows = self._layout.exits[self._place - 1], arrival.rows
        self._judging = None
        confidence = ctx.kernels.exit_scores(arrival.value, temperature=self._rule.temperature(b))
        labels = dict(zip(rows, map(int, confidence.label), strict=True))
        self._said.append(labels)
        history = np.array([[said[row] for row in rows] for said in self._said], np.int64)
        view = replace(self._view(b, rows), confidence=confidence, labels=history)
        leaving = rows if self._late else self._leaving(view, ctx)
        self._rows = tuple(row for row in rows if row not in leaving)
        answer = self._answered(b, leaving, [labels[row] for row in leaving])
        actions = [answer, *self._tell(b, leaving)] if leaving else self._tell(b)
        return [*actions, *self._advance(ctx)]

    def _settle(self, b: int) -> list[Action]:
        """Answer everything that is left from exit b, without its head where that has spoken."""
        place = self._layout.exits.index(b)
        if place >= len(self._said):
            return self._evaluate(b, self._rows)
        rows, self._rows = self._rows, ()
        return [self._answered(b, rows, [self._said[place][row] for row in rows])]

    def _tell(self, b: int, leaving: tuple[int, ...] = ()) -> list[Action]:
        """What the devices hear of a decision."""
        actions: list[Action] = [Stop(leaving)] if leaving else []
        if self._rows and self._strict:
            actions.append(Permit(f"exit{b + 1}", self._rows))
        return actions

    def _leaving(self, view: ExitView, ctx: FusionContext) -> tuple[int, ...]:
        scores = self._rule.scores(view, ctx.kernels)
        leaves = self._rule.leaves(scores, self._thresholds[view.exit])
        return tuple(row for row, leave in zip(view.rows, leaves, strict=True) if leave)

    def _view(self, b: int, rows: tuple[int, ...]) -> ExitView:
        """What is there of exit b and, of the same portions, of the one before."""
        place = self._layout.exits.index(b)
        before = self._layout.exits[place - 1] if place else None
        there = [k for k in sorted(self._got[b]) if before is None or k in self._got[before]]
        ends = np.cumsum((0, *self._layout.filters))
        return ExitView(
            exit=b,
            rows=rows,
            features=self._vector(b, rows, there),
            before=None if before is None else self._vector(before, rows, there),
            columns=np.concatenate(
                [np.arange(0), *(np.arange(ends[k], ends[k + 1]) for k in there)]
            ),
        )

    def _whole(self, b: int, rows: tuple[int, ...]) -> FloatArray:
        return self._vector(b, rows, range(len(self._layout.devices)))

    def _vector(self, b: int, rows: tuple[int, ...], partitions: Iterable[int]) -> FloatArray:
        """Portions side by side, zeros for what is missing; shape (rows, values)."""
        parts = [np.zeros((len(rows), 0), np.float32)]
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
        return [Evaluate(f"head{b}", rows, (self._whole(b, rows),))]

    def _answer(self, arrival: Arrival, ctx: FusionContext) -> list[Action]:
        labels = ctx.kernels.exit_scores(arrival.value).label
        b = int(arrival.stage.removeprefix("head"))
        return [self._answered(b, arrival.rows, [int(label) for label in labels])]

    def _answered(self, b: int, rows: tuple[int, ...], labels: Sequence[int]) -> Answer:
        present = len(self._got[b])
        degraded = self._late or present < len(self._layout.devices)
        return Answer(rows, tuple(labels), exit=b, degraded=degraded, present=present)
