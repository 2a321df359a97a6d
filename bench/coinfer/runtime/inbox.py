"""What a device holds of one job: inputs that came, orders of the source, stages still to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from coinfer.contract import INPUT, Need, Slice, Stage, gate_of
from coinfer.runtime.runner import Value
from coinfer.runtime.wire import Control, Data, Path


class Item(msgspec.Struct, gc=False):
    """One input of a stage on this device: a frame until it is first used, then a value."""

    rows: tuple[int, ...]
    path: Path
    at_ns: int
    frame: Any = None
    value: Value | None = None


class Ready(msgspec.Struct, frozen=True, gc=False):
    """A stage whose needs are there."""

    stage: Stage
    rows: tuple[int, ...]
    inputs: tuple[list[Item], ...]
    path: Path
    at_ns: int


class Inbox(msgspec.Struct):
    """One job on one device.

    Attributes
    ----------
    stages : Mapping
        Of the device, by name.
    early : frozenset of str
        Those of them that start without being told to.
    first_ns : int
        When the first message of the job came.
    waiting : dict of str to Stage
        Stages that have not begun.
    size : int
        How many rows the job has when complete; 0 until data has come.
    rows : tuple of int
        Rows that are known so far.
    last_ns : int
        When the last message of the job came.
    held_bytes : int
        Of its frames and values.
    """

    stages: Mapping[str, Stage]
    early: frozenset[str]
    first_ns: int
    waiting: dict[str, Stage]
    last_ns: int = 0
    held_bytes: int = 0
    size: int = 0
    rows: tuple[int, ...] = ()
    stopped: frozenset[int] = frozenset()
    started: frozenset[str] = frozenset()
    permits: dict[str, Item] = {}
    items: dict[tuple[str, Slice | None], list[Item]] = {}

    def take(self, body: Data, path: Path, now_ns: int) -> int:
        """Keep data; returns how many bytes that takes."""
        self.size = body.size
        if not self.rows:
            self.rows = body.rows
        elif body.rows != self.rows:
            self.rows = tuple(dict.fromkeys((*self.rows, *body.rows)))
        parts = self.items.setdefault((body.stage, body.select), [])
        # Replicas of a producer send the same; the first one counts. Rows of a coding group
        # come one by one and add up.
        if parts and any(set(body.rows) & set(part.rows) for part in parts):
            return 0
        parts.append(Item(body.rows, path, now_ns, frame=body.frame))
        self.held_bytes += len(body.frame)
        return len(body.frame)

    def obey(self, body: Control, path: Path, now_ns: int) -> None:
        """Note an order of the source."""
        if body.kind == "stop":
            self.stopped |= frozenset(body.rows)
        elif body.kind == "permit":
            self.permits[body.name] = Item(body.rows, path, now_ns)
        else:
            self.started |= {body.name}

    def has(self, need: Need) -> bool:
        """Whether something has come for a need."""
        return bool(self.items.get((need.stage, need.select)))

    def put(self, stage: str, select: Slice | None, item: Item) -> None:
        """Keep what was made here."""
        self.items[stage, select] = [item]
        self.held_bytes += item.value.array.nbytes if item.value is not None else 0

    def drop_stopped(self) -> None:
        """Forget the stages that wait if no row of the job is left to run them for."""
        everyone = self.size and len(self.rows) == self.size
        if everyone and self.stopped.issuperset(self.rows):
            self.waiting.clear()

    def ready(self, stage: Stage) -> Ready | None:
        """The stage with its inputs, or None while something is missing."""
        if stage.id not in self.early and stage.id not in self.started:
            return None
        rows: tuple[int, ...] | None = None
        latest: Item | None = None
        inputs = []
        for need in stage.needs:
            gate = gate_of(need)
            if gate is None:
                found = self._find(need)
                inputs.append(found)
            else:
                found = [self.permits[gate]] if gate in self.permits else []
            if not found:
                return None
            rows = rows_of(found) if rows is None else _both(rows, rows_of(found))
            for item in found:
                if latest is None or item.at_ns >= latest.at_ns:
                    latest = item
        if rows is None or latest is None:
            return None
        if self.stopped:
            if not stage.merges_rows:
                rows = tuple(row for row in rows if row not in self.stopped)
            elif self.stopped.issuperset(rows):
                rows = ()
        return Ready(stage, rows, tuple(inputs), latest.path, latest.at_ns)

    def _find(self, need: Need) -> list[Item]:
        """Items that satisfy a need in full, or none."""
        if need.stage in self.stages and (local := self.items.get((need.stage, None))):
            return [_part(item, need.select) for item in local]
        if need.same_device:
            return []
        select = need.select
        found = self.items.get((need.stage, select))
        if not found:
            return []
        if need.stage != INPUT:
            return found
        by_rows = select is not None and select.axis == 0
        wanted = select.stop - select.start if select is not None and by_rows else self.size
        return found if len(rows_of(found)) >= max(wanted, 1) else []


def rows_of(items: list[Item]) -> tuple[int, ...]:
    """Rows of items that follow each other."""
    if len(items) == 1:
        return items[0].rows
    return tuple([row for item in items for row in item.rows])


def _both(rows: tuple[int, ...], here: tuple[int, ...]) -> tuple[int, ...]:
    kept = set(here)
    return tuple(row for row in rows if row in kept)


def _part(item: Item, select: Slice | None) -> Item:
    if select is None or item.value is None:
        return item
    return Item(item.rows, item.path, item.at_ns, value=item.value.take(select))
