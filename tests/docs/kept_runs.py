"""Cells of runs that are kept in results/reference, and figures of them over training seeds."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scipy import stats

from coinfer.store import RunFolder, StoredCell

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "results" / "reference"


def cells(folder: Path) -> list[StoredCell]:
    """Finished cells of a run that is kept."""
    found = RunFolder(folder).contents().cells
    return [cell for cell in found if cell.status == "done"]


def by_method(found: Iterable[StoredCell]) -> dict[str, list[StoredCell]]:
    """Cells of each method, in the order of the run."""
    groups: dict[str, list[StoredCell]] = defaultdict(list)
    for cell in found:
        groups[cell.cell.method.variant].append(cell)
    return groups


def seeds(group: Sequence[StoredCell], figure: Callable[[StoredCell], float]) -> list[float]:
    """A figure, one value a training seed, in their order."""
    of = defaultdict(list)
    for cell in group:
        of[cell.cell.train_seed].append(figure(cell))
    return [statistics.fmean(of[seed]) for seed in sorted(of)]


def interval(values: Sequence[float], digits: int = 2) -> str:
    """Mean and half of the 95 % t interval over training seeds; of one seed, its value."""
    if not all(map(math.isfinite, values)):
        return "∞"
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {half(values):.{digits}f}"


def half(values: Sequence[float], confidence: float = 0.95) -> float:
    """Half the width of a two-sided t interval of the mean."""
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * spread
