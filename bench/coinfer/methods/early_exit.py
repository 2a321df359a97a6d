"""Fusion of multi-branch students: gather an exit, ask the rule, stop or go on.

*Strict*: a device waits for the source's permit before its next block; both permit and stop are
messages. *Speculative*: devices go on, and only a stop is sent, which acts at their next stage
start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from coinfer.contract import (
    INPUT,
    Action,
    Answer,
    Arrival,
    Evaluate,
    FusionContext,
    GiveUp,
    Job,
    Permit,
    Stop,
    Timer,
)
from coinfer.methods.gathered import ExitLayout, Gathered
from coinfer.methods.qos import Controller
from coinfer.methods.rules import ExitRule, ExitView

LATE = "late"
HELD = "held"


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
    controller : Controller, optional
        Opens and shuts exits as requests are late or in time; `thresholds` are then its own.
    """

    def __init__(
        self,
        job: Job,
        layout: ExitLayout,
        rule: ExitRule,
        thresholds: Sequence[float],
        strict: bool,
        patience_ns: int,
        controller: Controller | None = None,
    ) -> None:
        self._layout = layout
        self._rule = rule
        self._thresholds = thresholds
        self._controller = controller
        self._strict = strict
        self._patience_ns = patience_ns
        self._rows = job.rows
        self._got = {b: Gathered(job.rows, layout) for b in layout.exits}
        self._place = 0
        # How many portions each head that was asked to answer has been given: more may come since.
        self._answering: dict[str, int] = {}
        self._judging: int | None = None
        self._said: list[dict[int, int]] = []
        self._late = False
        self._unjudged = len(job.rows)

    def on_arrival(self, arrival: Arrival, ctx: FusionContext) -> Iterable[Action]:
        """Keep a portion, or answer with the logits of a head."""
        if (sent := self._layout.sent.get(arrival.stage)) is not None:
            b, k = sent
            self._got[b].put(k, arrival.rows, arrival.value)
            return self._overdue(ctx) if self._late else self._advance(ctx)
        if arrival.stage == INPUT:
            return [*self._timers(), *self._advance(ctx)]
        if arrival.stage in self._answering:
            return self._answer(arrival, ctx)
        return self._judge(arrival, ctx)

    def on_timer(self, token: str, ctx: FusionContext) -> Iterable[Action]:
        """Answer with what is there, or with the first portion that comes."""
        if token == HELD:
            self._judged(late=True, requests=self._unjudged)
            return []
        self._late = True
        return self._overdue(ctx)

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
            if not self._got[b].there:
                rows, self._rows = self._rows, ()
                return [*actions, GiveUp(rows)]
            self._place += 1
            actions += self._decide(b, ctx)
        return actions

    def _overdue(self, ctx: FusionContext) -> list[Action]:
        """Answer from the deepest complete exit, else from the shallowest that has begun."""
        # Rows that are being judged answer from that exit, which is complete.
        if not self._rows or self._judging is not None:
            return []
        begun = [b for b in self._layout.exits if self._got[b].there]
        complete = [b for b in begun if not self._missing(b, ctx)]
        return self._settle(complete[-1] if complete else begun[0]) if begun else []

    def _missing(self, b: int, ctx: FusionContext) -> bool:
        """Whether portions of an exit may still come."""
        there = self._got[b].there
        if len(there) == len(self._layout.devices):
            return False
        for k, device in enumerate(self._layout.devices):
            if k not in there and ctx.alive(device):
                return True
        return False

    def _decide(self, b: int, ctx: FusionContext) -> list[Action]:
        """Which rows leave at exit b, and what the devices are told."""
        if b == self._layout.exits[-1]:
            return self._evaluate(b, self._rows)
        if self._rule.reads_logits:
            self._judging = b
            return [Evaluate(f"head{b}", self._rows, (self._got[b].of(self._rows),))]
        if b < self._rule.first:
            return self._tell(b)
        leaving = self._leaving(self._seen(b, self._rows), ctx)
        return [*self._evaluate(b, leaving), *self._tell(b, leaving)] if leaving else self._tell(b)

    def _judge(self, arrival: Arrival, ctx: FusionContext) -> list[Action]:
        """Answer the rows whose logits say enough, and let the others go on."""
        b, rows = self._layout.exits[self._place - 1], arrival.rows
        self._judging = None
        confidence = ctx.kernels.exit_scores(arrival.value, temperature=self._rule.temperature(b))
        labels = dict(zip(rows, confidence.label.tolist(), strict=True))
        self._said.append(labels)
        history = None
        if self._rule.reads_answers:
            history = np.array([[said[row] for row in rows] for said in self._said], np.int64)
        view = ExitView(exit=b, rows=rows, confidence=confidence, labels=history)
        leaving = rows if self._late else self._leaving(view, ctx)
        self._rows = _without(rows, leaving)
        said = [labels[row] for row in leaving]
        answer = self._answered(b, leaving, said, len(self._got[b].there))
        actions = [answer, *self._tell(b, leaving)] if leaving else self._tell(b)
        return [*actions, *self._advance(ctx)]

    def _settle(self, b: int) -> list[Action]:
        """Answer everything that is left from exit b, without its head where that has spoken."""
        place = self._layout.exits.index(b)
        if place >= len(self._said):
            return self._evaluate(b, self._rows)
        rows, self._rows = self._rows, ()
        labels = [self._said[place][row] for row in rows]
        return [self._answered(b, rows, labels, len(self._got[b].there))]

    def _tell(self, b: int, leaving: tuple[int, ...] = ()) -> list[Action]:
        """What the devices hear of a decision."""
        actions: list[Action] = [Stop(leaving)] if leaving else []
        if self._rows and self._strict:
            actions.append(Permit(f"exit{b + 1}", self._rows))
        return actions

    def _leaving(self, view: ExitView, ctx: FusionContext) -> tuple[int, ...]:
        controller = self._controller
        thresholds = self._thresholds if controller is None else controller.thresholds
        return self._rule.leaving(view, ctx.kernels, thresholds[self._place - 1])

    def _seen(self, b: int, rows: tuple[int, ...]) -> ExitView:
        """What is there of exit b and, of the same portions, of the one before."""
        here = self._got[b]
        if self._place == 1:
            columns = self._layout.columns_of(here.there)
            return ExitView(exit=b, rows=rows, features=here.of(rows, columns), columns=columns)
        earlier = self._got[self._layout.exits[self._place - 2]]
        columns = self._layout.columns_of(here.there & earlier.there)
        return ExitView(
            exit=b,
            rows=rows,
            features=here.of(rows, columns),
            before=earlier.of(rows, columns),
            columns=columns,
        )

    def _evaluate(self, b: int, rows: tuple[int, ...]) -> list[Action]:
        self._rows = _without(self._rows, rows)
        self._answering[f"head{b}"] = len(self._got[b].there)
        return [Evaluate(f"head{b}", rows, (self._got[b].of(rows),))]

    def _answer(self, arrival: Arrival, ctx: FusionContext) -> list[Action]:
        labels: list[int] = ctx.kernels.exit_scores(arrival.value).label.tolist()
        b, present = int(arrival.stage.removeprefix("head")), self._answering[arrival.stage]
        return [self._answered(b, arrival.rows, labels, present)]

    def _answered(
        self, b: int, rows: tuple[int, ...], labels: Sequence[int], present: int
    ) -> Answer:
        self._judged(late=self._late, requests=len(rows))
        degraded = self._late or present < len(self._layout.devices)
        return Answer(rows, tuple(labels), exit=b, degraded=degraded, present=present)

    def _timers(self) -> list[Action]:
        late = Timer(self._patience_ns, LATE)
        return (
            [late] if self._controller is None else [late, Timer(self._controller.latency_ns, HELD)]
        )

    def _judged(self, *, late: bool, requests: int) -> None:
        """Tell the controller of requests once: when they are answered, or when they are late."""
        if self._controller is not None and self._unjudged:
            self._unjudged -= requests
            self._controller.judged(late=late, requests=requests)


def _without(rows: tuple[int, ...], leaving: tuple[int, ...]) -> tuple[int, ...]:
    """The rows that stay."""
    return () if leaving == rows else tuple(row for row in rows if row not in leaving)
