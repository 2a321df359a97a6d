"""Which models are still to be trained, without training any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coinfer.execute.prepare import artifacts_of, prepare
from coinfer.models import canonical_sha256
from coinfer.suite import Cell
from coinfer.training import Artifact, Zoo


class Untrained(NamedTuple):
    """What there is to train.

    Attributes
    ----------
    cells : list of Cell
        Those that a model is lacking for.
    found : dict of str to str
        Digests of what all cells need and the zoo has, by address.
    """

    cells: list[Cell]
    found: dict[str, str]


class _LackingError(Exception):
    """A model would have to be trained."""


class _Finding(Zoo):
    def find_or_make(self, inputs: Mapping[str, Any], make: Callable[[], Artifact]) -> Artifact:
        found = self.get(canonical_sha256(dict(inputs)))
        if found is None:
            raise _LackingError
        return found


def untrained(cells: Sequence[Cell], shipped: Path | None = None) -> Untrained:
    """Look for all models that cells need.

    Parameters
    ----------
    cells : sequence of Cell
    shipped : Path, optional
        As of `Zoo`.
    """
    zoo = _Finding(shipped=shipped)
    lacking: list[Cell] = []
    found: dict[str, str] = {}
    for cell in cells:
        try:
            prepare(cell, zoo=zoo)
        except _LackingError:
            lacking.append(cell)
        else:
            found |= artifacts_of([cell])
    return Untrained(lacking, found | {a: f.weights_sha256 for a, f in zoo.used.items()})
