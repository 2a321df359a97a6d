"""Which differences are real, which are large enough to matter, and which nobody can tell."""

from coinfer.stats.benchmarks import Repeats, between_benchmarks
from coinfer.stats.compare import Side, between_runs, within_run
from coinfer.stats.history import Series, history
from coinfer.stats.items import grades_of, seeds_that_differ
from coinfer.stats.verdicts import Row, Rules, Verdict

__all__ = [
    "Repeats",
    "Row",
    "Rules",
    "Series",
    "Side",
    "Verdict",
    "between_benchmarks",
    "between_runs",
    "grades_of",
    "history",
    "seeds_that_differ",
    "within_run",
]
