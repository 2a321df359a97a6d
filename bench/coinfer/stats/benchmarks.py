"""Two files of pytest-benchmark held against each other.

The rounds of a benchmark follow each other and have outliers; so the unit is the median of a block
of consecutive rounds. All blocks of a file come from one process at one time, so that they differ
by less than two files do, and no statistics can undo that. But a file also holds what has not
changed: the peers, and the memcpy beside each kernel. The change that 95 % of these stay within is
the floor of the threshold [ours]: what is the machine's is not held against the code.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np

from coinfer.metrics import Metric
from coinfer.stats.verdicts import Question, Row, Rules, judge
from coinfer.store.benchmarks import Benchmark, BenchmarkFile

BLOCKS: Final = 16
"""Enough for one row among a thousand to be significant, and still tested exactly."""

_UNCHANGED_WITHIN: Final = 0.95
_Figures: TypeAlias = Callable[[Benchmark], Sequence[float]]
_Key: TypeAlias = tuple[object, ...]
_Others: TypeAlias = dict[_Key, Benchmark]


def between_benchmarks(
    base: tuple[str, BenchmarkFile],
    news: Sequence[tuple[str, BenchmarkFile]],
    metrics: Sequence[Metric],
    rules: Rules,
) -> tuple[Row, ...]:
    """Hold the benchmarks of some files against those of the same kernel, size and back end.

    All of it is one table, whose p-values are adjusted together. Peers are left out: they are not
    what has changed. What only a new file has is no question.

    Parameters
    ----------
    base : pair of str and BenchmarkFile
        What the file is called, and the file.
    news : sequence of such pairs
    metrics : sequence of Metric
        Of `coinfer.metrics.BENCHMARK_METRICS`.
    rules : Rules
    """
    questions = [question for new in news for question in _questions(base, new, metrics)]
    return judge(questions, rules)


def _questions(
    named_base: tuple[str, BenchmarkFile],
    named_new: tuple[str, BenchmarkFile],
    metrics: Sequence[Metric],
) -> Iterator[Question]:
    (base_label, base), (new_label, new) = named_base, named_new
    others = {_key(b): b for b in new.benchmarks}
    known = {_key(b) for b in base.benchmarks}
    only_new = [b for key, b in others.items() if key not in known]
    for metric in metrics:
        floor = _floor(base, others, metric)
        for benchmark in base.benchmarks:
            if not benchmark.is_peer:
                question = Question(
                    *(metric, benchmark.where, base_label, new_label, ()),
                    floor=floor,
                    floor_of="what is the same in both files",
                )
                yield _asked(question, benchmark, others, only_new, (base, new))


def _asked(
    question: Question,
    old: Benchmark,
    others: _Others,
    only_new: Sequence[Benchmark],
    files: tuple[BenchmarkFile, BenchmarkFile],
) -> Question:
    """Fill the question in: its pairs, or why there are none."""
    machines = tuple(file.machine for file in files)
    new = others.get(_key(old))
    if machines[0] != machines[1]:
        return _refused(question, f"measured on {machines[0]} and on {machines[1]}")
    if new is None:
        isas = [b.where["isa"] for b in only_new if _is_same_but_for_isa(old, b)]
        if isas:
            ran = ", ".join(map(str, isas))
            told = f"{question.base} ran {old.where['isa']}, {question.new} ran {ran}"
            return _refused(question, told)
        reason = f"{question.new} has no such benchmark"
        return msgspec.structs.replace(question, refusal=("missing", reason))
    figures = _figures_of(question.metric)
    before, after = figures(old), figures(new)
    if not before or not after:
        return _refused(question, "no memcpy was timed beside it")
    pairs = tuple(zip(*_blocks(before, after), strict=True))
    return msgspec.structs.replace(question, pairs=pairs)


def _refused(question: Question, reason: str) -> Question:
    return msgspec.structs.replace(question, refusal=("not-comparable", reason))


def _key(benchmark: Benchmark) -> _Key:
    """What is measured; a back end and a peer may have the same name."""
    return benchmark.is_peer, *benchmark.where.items()


def _is_same_but_for_isa(one: Benchmark, other: Benchmark) -> bool:
    keys = [{**b.where, "isa": ""} for b in (one, other) if "isa" in b.where and not b.is_peer]
    return len(keys) == 2 and keys[0] == keys[1]


def _figures_of(metric: Metric) -> _Figures:
    return _memcpy_ratios if metric.name == "ratio_to_memcpy" else _nanoseconds


def _nanoseconds(benchmark: Benchmark) -> Sequence[float]:
    return [1e9 * seconds for seconds in benchmark.seconds]


def _memcpy_ratios(benchmark: Benchmark) -> Sequence[float]:
    return [a / b for a, b in zip(benchmark.seconds, benchmark.memcpy_seconds, strict=False)]


def _blocks(*sides: Sequence[float]) -> list[list[float]]:
    """Medians of as many blocks on each side, in the order of the rounds."""
    count = min(BLOCKS, *map(len, sides))
    return [
        [float(np.median(block)) for block in np.array_split(np.asarray(side), count)]
        for side in sides
    ]


def _floor(base: BenchmarkFile, others: _Others, metric: Metric) -> float:
    """Relative change that nearly all of what is the same in both files stays within."""
    figures = _figures_of(metric)
    sides = []
    for old in base.benchmarks:
        new = others.get(_key(old))
        if new is not None:
            sides.append((figures(old), figures(new)) if old.is_peer else ([], []))
            if metric.name == "time_ns":
                sides.append((old.memcpy_seconds, new.memcpy_seconds))
    medians = [tuple(map(statistics.median, pair)) for pair in sides if all(pair)]
    changes = [abs(math.log(new / old)) for old, new in medians]
    return math.expm1(float(np.quantile(changes, _UNCHANGED_WITHIN))) if changes else 0.0
