"""Files of pytest-benchmark held against each other, one a side or several.

The rounds of a benchmark follow each other and have outliers. With one file a side the unit is the
median of a block of consecutive rounds. All blocks of a file come from one process at one time, so
that they differ by less than two files do, and no statistics can undo that. With several files a
side, written in turns, the unit is the median of a file, and files are paired in their order: what
the machine did meanwhile is then among what the pairs scatter by.

A file also holds what has not changed: the peers, and the memcpy beside each kernel. The change
that 95 % of these stay within is the floor of the threshold [ours]: what is the machine's is not
held against the code.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

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
_Pair: TypeAlias = tuple[Benchmark, Benchmark]


class Repeats(NamedTuple):
    """One side: a file, or several that were written in turns with those of the other side.

    Attributes
    ----------
    label : str
    files : tuple of BenchmarkFile
        In the order of their time.
    """

    label: str
    files: tuple[BenchmarkFile, ...]


def between_benchmarks(
    base: Repeats, news: Sequence[Repeats], metrics: Sequence[Metric], rules: Rules
) -> tuple[Row, ...]:
    """Hold the benchmarks of some sides against those of the same kernel, size and back end.

    All of it is one table, whose p-values are adjusted together. Peers are left out: they are not
    what has changed. What only a new side has is no question.

    Parameters
    ----------
    base : Repeats
    news : sequence of Repeats
    metrics : sequence of Metric
        Of `coinfer.metrics.BENCHMARK_METRICS`.
    rules : Rules
    """
    questions = [question for new in news for question in _questions(base, new, metrics)]
    return judge(questions, rules)


def _questions(base: Repeats, new: Repeats, metrics: Sequence[Metric]) -> Iterator[Question]:
    pairs = _paired(base, new)
    for metric in metrics:
        floor = _floor(pairs, metric)
        for benchmark in base.files[0].benchmarks:
            if not benchmark.is_peer:
                question = Question(
                    *(metric, benchmark.where, base.label, new.label, ()),
                    floor=floor,
                    floor_of="what is the same in both files",
                )
                yield _asked(question, benchmark, pairs.get(_key(benchmark), []), (base, new))


def _paired(base: Repeats, new: Repeats) -> dict[_Key, list[_Pair]]:
    """What both files of a pair have, pair by pair; files without a partner are left out."""
    found: dict[_Key, list[_Pair]] = defaultdict(list)
    for ours, theirs in zip(base.files, new.files, strict=False):
        others = {_key(b): b for b in theirs.benchmarks}
        for benchmark in ours.benchmarks:
            if (other := others.get(_key(benchmark))) is not None:
                found[_key(benchmark)].append((benchmark, other))
    return found


def _asked(
    question: Question, benchmark: Benchmark, pairs: Sequence[_Pair], sides: tuple[Repeats, Repeats]
) -> Question:
    """Fill the question in: its pairs, or why there are none."""
    base, new = sides
    machines = [*dict.fromkeys(file.machine for side in sides for file in side.files)]
    if len(machines) > 1:
        return _refused(question, f"measured on {' and on '.join(machines)}")
    if not pairs:
        known = {_key(b) for b in base.files[0].benchmarks}
        others = [b for b in new.files[0].benchmarks if _key(b) not in known]
        isas = [b.where["isa"] for b in others if _is_same_but_for_isa(benchmark, b)]
        if isas:
            ran = ", ".join(map(str, isas))
            told = f"{question.base} ran {benchmark.where['isa']}, {question.new} ran {ran}"
            return _refused(question, told)
        lacking = f"{question.new} has no such benchmark"
        return msgspec.structs.replace(question, refusal=("missing", lacking))
    figures = _figures_of(question.metric)
    known_pairs = [(figures(a), figures(b)) for a, b in pairs if _have_one_yardstick(a, b, figures)]
    if not known_pairs or not all(map(all, known_pairs)):
        return _refused(question, _LACKING[question.metric.name])
    alone = len(base.files) == len(new.files) == 1
    if alone and figures is _peer_ratios:
        # Nothing in the files says how far such a ratio is from itself.
        return _refused(question, "one file a side is too little: give folders of several")
    units = zip(*_blocks(*known_pairs[0]), strict=True) if alone else map(_medians, known_pairs)
    most = max(len(base.files), len(new.files))
    lost = most - len(known_pairs)
    reason = f"{lost} of {most} files have no partner" if lost else None
    return msgspec.structs.replace(question, pairs=tuple(units), reason=reason)


def _refused(question: Question, reason: str) -> Question:
    return msgspec.structs.replace(question, refusal=("not-comparable", reason))


def _key(benchmark: Benchmark) -> _Key:
    """What is measured; a back end and a peer may have the same name."""
    return benchmark.is_peer, *benchmark.where.items()


def _is_same_but_for_isa(one: Benchmark, other: Benchmark) -> bool:
    keys = [{**b.where, "isa": ""} for b in (one, other) if "isa" in b.where and not b.is_peer]
    return len(keys) == 2 and keys[0] == keys[1]


def _figures_of(metric: Metric) -> _Figures:
    return _FIGURES[metric.name]


def _nanoseconds(benchmark: Benchmark) -> Sequence[float]:
    return [1e9 * seconds for seconds in benchmark.seconds]


def _memcpy_ratios(benchmark: Benchmark) -> Sequence[float]:
    return [a / b for a, b in zip(benchmark.seconds, benchmark.memcpy_seconds, strict=False)]


def _peer_ratios(benchmark: Benchmark) -> Sequence[float]:
    return [a / b for a, b in zip(benchmark.seconds, benchmark.best_peer_seconds, strict=False)]


_FIGURES: Final[dict[str, _Figures]] = {
    "time_ns": _nanoseconds,
    "ratio_to_memcpy": _memcpy_ratios,
    "ratio_to_best_peer": _peer_ratios,
}
_LACKING: Final = {
    "time_ns": "no rounds were kept",
    "ratio_to_memcpy": "no memcpy was timed beside it",
    "ratio_to_best_peer": "no peer was timed beside it, or not the same one",
}


def _have_one_yardstick(base: Benchmark, new: Benchmark, figures: _Figures) -> bool:
    """Whether both are held against the same; which peer is the best may change."""
    return figures is not _peer_ratios or base.best_peer == new.best_peer


def _medians(pair: tuple[Sequence[float], Sequence[float]]) -> tuple[float, float]:
    return statistics.median(pair[0]), statistics.median(pair[1])


def _blocks(*sides: Sequence[float]) -> list[list[float]]:
    """Medians of as many blocks on each side, in the order of the rounds."""
    count = min(BLOCKS, *map(len, sides))
    return [
        [float(np.median(block)) for block in np.array_split(np.asarray(side), count)]
        for side in sides
    ]


def _floor(pairs: Mapping[_Key, Sequence[_Pair]], metric: Metric) -> float:
    """Relative change that nearly all of what is the same on both sides stays within."""
    figures = _figures_of(metric)
    changes = []
    for same in pairs.values():
        sides = [(figures(old), figures(new)) for old, new in same if old.is_peer]
        changes.append(_mean_change(sides))
        if metric.name == "time_ns":
            changes.append(_mean_change([(a.memcpy_seconds, b.memcpy_seconds) for a, b in same]))
    known = [abs(change) for change in changes if change is not None]
    return math.expm1(float(np.quantile(known, _UNCHANGED_WITHIN))) if known else 0.0


def _mean_change(sides: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float | None:
    """Mean logarithm of the quotients of medians; None where something was not measured."""
    medians = [_medians(pair) for pair in sides if all(pair)]
    return statistics.fmean(math.log(new / old) for old, new in medians) if medians else None
