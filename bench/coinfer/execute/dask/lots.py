"""Which cells go together to one worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from coinfer.execute.prepare import networks_key
from coinfer.suite import AXES, SEED_AXES, Cell
from coinfer_datasets import info


@dataclass
class Lot:
    """Cells for one worker, one after another.

    Attributes
    ----------
    cells : list of Cell
        Those that are still to come.
    exclusive : bool
        Whether the worker's machine is to do nothing else meanwhile.
    losses : int
        How many workers were lost while they had the cell that comes first.
    """

    cells: list[Cell]
    exclusive: bool = False
    losses: int = 0


def lots(cells: Sequence[Cell], workers: int) -> list[Lot]:
    """Share out cells, the largest lots first.

    In virtual time cells that run the same networks go together, for what is remembered between
    them, as far as every worker has something to do. Cells that are timed go together where they
    are held against each other: the methods and seeds of a setting, on one machine.

    Parameters
    ----------
    cells : sequence of Cell
    workers : int
        Virtual cells at a time.
    """
    virtual = [cell for cell in cells if cell.mode == "virtual"]
    most = -(-len(virtual) // workers)
    shared = [
        Lot(group[begin : begin + most])
        for group in _grouped((networks_key(cell), cell) for cell in virtual)
        for begin in range(0, len(group), most)
    ]
    timed = _grouped((_setting(cell), cell) for cell in cells if cell.mode != "virtual")
    alone = [Lot(group, exclusive=True) for group in timed]
    return [*_by_size(shared), *_by_size(alone)]


def training_lots(cells: Sequence[Cell]) -> list[Lot]:
    """Share out cells whose models are to be trained: what may share a model goes together.

    Two machines that train the same model make two, for training repeats to the last bit on one
    machine alone.
    """
    keyed = (((info(cell.dataset).base, cell.train_seed), cell) for cell in cells)
    return [Lot(group) for group in _grouped(keyed)]


def _setting(cell: Cell) -> Hashable:
    apart = (axis for axis in AXES if axis != "method" and axis not in SEED_AXES)
    return tuple(cell.coordinates[axis] for axis in apart)


def _grouped(keyed: Iterable[tuple[Hashable, Cell]]) -> list[list[Cell]]:
    groups: dict[Hashable, list[Cell]] = defaultdict(list)
    for key, cell in keyed:
        groups[key].append(cell)
    return list(groups.values())


def _by_size(unsorted: list[Lot]) -> list[Lot]:
    return sorted(unsorted, key=lambda lot: len(lot.cells), reverse=True)
