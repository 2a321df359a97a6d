"""Which differences are real, which are large enough to matter, and which nobody can tell."""

from coinfer.stats.benchmarks import between_benchmarks
from coinfer.stats.compare import between_runs, within_run
from coinfer.stats.verdicts import Row, Rules, Verdict

__all__ = ["Row", "Rules", "Verdict", "between_benchmarks", "between_runs", "within_run"]
