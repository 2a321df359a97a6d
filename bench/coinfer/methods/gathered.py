"""Portions as they come: each is put in its place at once, where a decision finds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from coinfer.contract import FloatArray
from coinfer.methods.rows import aligned


@dataclass(frozen=True)
class ExitLayout:
    """What multi-branch students send, the same for every job.

    Attributes
    ----------
    devices : tuple of str
        One a partition.
    filters : tuple of int
        Sizes of their portions.
    exits : tuple of int
        Those that are deployed, from 1.
    """

    devices: tuple[str, ...]
    filters: tuple[int, ...]
    exits: tuple[int, ...]

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """Place of each portion in the vector of all."""
        ends = (0, *accumulate(self.filters))
        return tuple(map(slice, ends, ends[1:]))

    def columns_of(self, partitions: set[int]) -> npt.NDArray[np.int64]:
        """Places of some portions in the vector of all."""
        if len(partitions) == len(self.devices):
            return self.columns
        parts = [self.columns[self.spans[k]] for k in sorted(partitions)]
        return np.concatenate([self.columns[:0], *parts])

    @cached_property
    def columns(self) -> npt.NDArray[np.int64]:
        """All places of the vector."""
        return np.arange(sum(self.filters))

    @cached_property
    def sent(self) -> dict[str, tuple[int, int]]:
        """Exit and partition of every portion, by the stage that makes it."""
        count = range(len(self.devices))
        return {f"s{k}.e{b}": (b, k) for b in self.exits for k in count}


class Gathered:
    """Portions of one exit of one job, side by side.

    Parameters
    ----------
    rows : tuple of int
        Of the job.
    layout : ExitLayout

    Attributes
    ----------
    there : set of int
        Partitions whose portion has come.
    """

    def __init__(self, rows: tuple[int, ...], layout: ExitLayout) -> None:
        self._rows = rows
        self._spans = layout.spans
        self._vector = np.zeros((len(rows), len(layout.columns)), np.float32)
        self.there: set[int] = set()

    def put(self, k: int, rows: tuple[int, ...], value: FloatArray) -> None:
        """Take in the portion of partition k, for these rows of the job."""
        self._vector[:, self._spans[k]] = aligned(value, rows, self._rows)
        self.there.add(k)

    def of(self, rows: tuple[int, ...], columns: npt.NDArray[np.int64] | None = None) -> FloatArray:
        """The vector of all portions for some rows, or places of it, zeros for what is missing."""
        vector = aligned(self._vector, self._rows, rows)
        if columns is None or len(columns) == vector.shape[1]:
            return vector
        return np.take(vector, columns, axis=1)
