"""What people and programs read of a run: results only, never the machinery."""

from coinfer.report.comparison import comparison_markdown, comparison_table
from coinfer.report.entries import entry
from coinfer.report.kernels import show_benchmarks
from coinfer.report.terminal import show_run
from coinfer.report.trace import trace
from coinfer.report.trace_drawing import Traced

__all__ = [
    "Traced",
    "comparison_markdown",
    "comparison_table",
    "entry",
    "show_benchmarks",
    "show_run",
    "trace",
]
