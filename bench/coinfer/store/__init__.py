"""Results on disk: one folder a run, one folder a cell, each written in one step."""

from coinfer.runtime.record import Record, Span
from coinfer.store.benchmarks import (
    BenchmarkFile,
    is_benchmark_file,
    read_benchmarks,
    read_repeats,
)
from coinfer.store.environment import Environment, capture
from coinfer.store.finding import find_runs, find_same, resolve_run
from coinfer.store.runfolder import Contents, RunFolder
from coinfer.store.schema import RESULT_SCHEMA, RunInfo, StoredCell
from coinfer.store.sweeps import SWEEP_SCHEMA, StoredSweep, write_sweep

__all__ = [
    "RESULT_SCHEMA",
    "SWEEP_SCHEMA",
    "BenchmarkFile",
    "Contents",
    "Environment",
    "Record",
    "RunFolder",
    "RunInfo",
    "Span",
    "StoredCell",
    "StoredSweep",
    "capture",
    "find_runs",
    "find_same",
    "is_benchmark_file",
    "read_benchmarks",
    "read_repeats",
    "resolve_run",
    "write_sweep",
]
