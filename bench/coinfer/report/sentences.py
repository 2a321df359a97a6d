"""Comparisons in plain words: those that a suite asks for, and all others that are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from coinfer.metrics import BENCHMARK_METRICS, METRICS, Metric
from coinfer.report.numbers import amount, percent, ratio
from coinfer.stats import Row
from coinfer.suite.schema import Value

_NOT_TOLD: Final = ("not-comparable", "missing")
# Figures that stand for how fast a side is; of the others it *has* less or more.
_VERBS: Final = {"latency_p50_ms": "answers", "time_ns": "is"}
# From here on a quotient is easier to read than a percentage.
_AS_QUOTIENT: Final = 1.1


def sentences(rows: Sequence[Row], among: Sequence[Row] | None = None) -> list[str]:
    """Say what was found; rows of the same sides and setting share a sentence.

    Parameters
    ----------
    rows : sequence of Row
    among : sequence of Row, optional
        The table that they are from: what all of it has in common is not named.
    """
    varying = varying_axes(rows if among is None else among)
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.base, row.new, *(row.where.get(axis) for axis in varying)].append(row)
    return [_sentence(group, _setting(group[0].where, varying)) for group in groups.values()]


def answer(row: Row, costs: Sequence[Row], setting: Mapping[str, Value]) -> str:
    """Answer a question that was asked beforehand: what was found, by which figures, for what cost.

    Parameters
    ----------
    row : Row
        What was asked.
    costs : sequence of Row
        Other figures of the same two sides, of which those that are worse are told.
    setting : mapping of axis to value
        Where that holds.
    """
    said = _sentence([row], _setting(setting, list(setting))).removesuffix(".")
    if row.verdict in _NOT_TOLD:
        return f"{said}."
    seeds = f"{row.pairs} seed" + ("s" if row.pairs != 1 else "")
    doubt = f"; {row.reason}" if row.verdict == "inconclusive" else ""
    sizes = f"{_mean(row, row.new_mean)} against {_mean(row, row.base_mean)}, {seeds}{doubt}"
    return f"{said}: {sizes}.{'' if row.ratio is None else _cost(costs)}"


def varying_axes(rows: Sequence[Row]) -> list[str]:
    """Coordinates in which the rows of a table differ."""
    axes = dict.fromkeys(axis for row in rows for axis in row.where)
    return [axis for axis in axes if len({row.where.get(axis) for row in rows}) > 1]


def named(row: Row) -> Metric:
    """Look up the metric of a row, be it one of runs or one of benchmarks."""
    return METRICS.get(row.metric) or BENCHMARK_METRICS[row.metric]


def _setting(where: Mapping[str, Value], varying: Sequence[str]) -> str:
    said = [f"{axis} = {where[axis]}" for axis in varying if axis in where]
    return f"{', '.join(said)}: " if said else ""


def _sentence(rows: Sequence[Row], setting: str) -> str:
    base, new = rows[0].base, rows[0].new
    changed = [row for row in rows if row.verdict in ("faster", "slower", "better", "worse")]
    # What is fast comes first, and then what it costs.
    clauses = [_clause(row) for row in sorted(changed, key=lambda row: not named(row).time)]
    same = [named(row).noun for row in rows if row.verdict == "same"]
    open_ = [row for row in rows if row.verdict == "inconclusive"]
    refused = [row for row in rows if row.verdict in _NOT_TOLD]
    parts = []
    if clauses:
        against = "" if f" {base}" in clauses[0] else f" against {base}"
        parts.append(f"{new} {_listed(clauses)}{against}")
        parts += [f"the same {_listed(same)}"] if same else []
    elif same:
        parts.append(f"{new} and {base} have the same {_listed(same)}")
    if open_:
        told = _listed([_open(row) for row in open_])
        sides = "" if parts else f" of {new} against {base}"
        parts.append(f"{'no' if parts or setting else 'No'} verdict{sides} on {told}")
    if refused:
        nouns = _listed([named(row).noun for row in refused])
        sides = "" if parts else f"{new} and {base} cannot be compared in "
        lacks = " cannot be compared" if parts else ""
        parts.append(f"{sides}{nouns}{lacks} ({_reasons(refused)})")
    return f"{setting}{'; '.join(parts)}."


def _clause(row: Row) -> str:
    """Size and interval of one change, as a predicate of the new side."""
    metric = named(row)
    if metric.scale == "share":
        return _in_points(row)
    if row.ratio is None:
        return {
            "faster": f"answers where {row.base} leaves too many requests unanswered",
            "slower": f"leaves too many requests unanswered where {row.base} answers",
        }.get(row.verdict, f"has the {row.verdict} {metric.noun}, without bound")
    if metric.name in _VERBS:
        size, around = _how_much(row, inverse=row.verdict == "faster")
        return f"{_VERBS[metric.name]} {size} {row.verdict} than {row.base}{around}"
    return f"has {_size(row)}{_interval(row)}"


def _size(row: Row) -> str:
    """How much of what: points of a share, or a multiple of an amount."""
    if row.difference is not None:
        return f"{100 * abs(row.difference):.1f} points of {named(row).noun}"
    return f"{'unbounded' if row.ratio is None else ratio(row.ratio)} the {named(row).noun}"


def _mean(row: Row, value: float | None) -> str:
    metric = named(row)
    if metric.scale == "share":
        return percent(value)
    return "no answer in time" if value is None else amount(value, metric.unit)


def _cost(rows: Sequence[Row]) -> str:
    """Say what the difference costs, by the figures that are worse by more than the threshold."""
    told = [
        f"{_size(row)}{'' if row.regression else ' (not certain)'}"
        for row in rows
        if _is_worse(row)
    ]
    if told:
        return f" It costs {', '.join(told)}."
    nouns = [named(row).noun for row in rows if row.ratio is not None]
    return f" It costs nothing in {', '.join(nouns)}." if nouns else ""


def _is_worse(row: Row) -> bool:
    if row.regression:
        return True
    change = row.difference
    if change is None:
        change = None if row.ratio is None else row.ratio - 1
    if change is None or abs(change) <= row.threshold or row.verdict == "same":
        return False
    return (change > 0) == (named(row).better == "lower")


def _in_points(row: Row) -> str:
    assert row.difference is not None
    verb = "gains" if row.difference > 0 else "loses"
    size = _size(row)
    low, high = row.difference_low, row.difference_high
    if low is None or high is None or f"{100 * low:.1f}" == f"{100 * high:.1f}":
        return f"{verb} {size}"
    ends = sorted((100 * low, 100 * high), key=abs)
    if low * high > 0:
        return f"{verb} {size} ({abs(ends[0]):.1f}–{abs(ends[1]):.1f})"
    return f"{verb} {size} ({100 * low:+.1f} to {100 * high:+.1f})"


def _how_much(row: Row, *, inverse: bool) -> tuple[str, str]:
    """Size of a change of speed, and its interval in brackets."""
    assert row.ratio is not None
    ends = [row.ratio, row.ci_low, row.ci_high]
    factors = [None if end is None else 1 / end if inverse else end for end in ends]
    factor, *around = factors
    assert factor is not None
    known = sorted(end for end in around if end is not None)
    if round(factor, 3) < _AS_QUOTIENT:
        return _as_percent(factor, *(known or (None, None)))
    digits = 2 if factor < 1.5 else 1 if factor < 10 else 0
    told = [f"{end:.{digits}f}" for end in known]
    bracket = f" ({told[0]}–{told[1]})" if told and told[0] != told[1] else ""
    return f"{factor:.{digits}f}×", bracket


def _as_percent(factor: float, low: float | None, high: float | None) -> tuple[str, str]:
    size = f"{100 * abs(factor - 1):.1f} %"
    if low is None or high is None or low == high:
        return size, ""
    one, other = (100 * (end - 1) for end in (low, high))
    if one * other <= 0:
        return size, f" ({one:+.1f} to {other:+.1f} %)"
    near, far = sorted((abs(one), abs(other)))
    return size, f" ({near:.1f}–{far:.1f} %)"


def _interval(row: Row) -> str:
    if row.ci_low is None or row.ci_high is None or ratio(row.ci_low) == ratio(row.ci_high):
        return ""
    return f" ({ratio(row.ci_low).rstrip('×')}–{ratio(row.ci_high).rstrip('×')})"


def _open(row: Row) -> str:
    """What is not decided, and what would help; the notes of the table say why."""
    noun = named(row).noun
    return f"{noun} ({row.pairs_lacking} more repeats needed)" if row.pairs_lacking else noun


def _reasons(rows: Sequence[Row]) -> str:
    return "; ".join(dict.fromkeys(row.reason for row in rows if row.reason is not None))


def _listed(words: Sequence[str]) -> str:
    """Join as prose does.

    Examples
    --------
    >>> _listed(["a", "b", "c"]), _listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
