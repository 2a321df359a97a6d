"""Which cells are held against which: within a run along an axis, or between two runs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import msgspec

from coinfer.metrics import Metric
from coinfer.stats.floor import floor_of_cells
from coinfer.stats.items import Grades, ItemTest, item_test
from coinfer.stats.verdicts import Question, Row, Rules, effect, judge
from coinfer.store import StoredCell
from coinfer.suite import AXES, SEED_AXES
from coinfer.suite.schema import Value

_Group: TypeAlias = tuple[tuple[str, Value], ...]
_Unit: TypeAlias = tuple[Value, ...]
_Units: TypeAlias = dict[_Unit, StoredCell]

# Quotients of the same times at different points of a run differ by the last bits.
_ROUNDING = 1e-9

# Under one key, what else must agree so that two runs measured the same thing.
_GIVEN = ("workload", "cluster", "faults")

# What makes a board another one; its software may well be what is compared.
_HARDWARE = ("machine", "model", "cores")


class Side(NamedTuple):
    """One run among those that are held against each other.

    Attributes
    ----------
    label : str
        What it is called.
    cells : sequence of StoredCell
    machine : str
        Fingerprint; times of different machines are not comparable.
    grades : Grades or None
        Answers to single items, for McNemar's test.
    """

    label: str
    cells: Sequence[StoredCell]
    machine: str
    grades: Grades | None = None


def within_run(
    cells: Iterable[StoredCell],
    metrics: Sequence[Metric],
    rules: Rules,
    *,
    base: Value,
    by: str = "method",
    against: Sequence[Value] | None = None,
    where: Mapping[str, Value] | None = None,
    grades: Grades | None = None,
) -> tuple[Row, ...]:
    """Hold every value of one axis against `base`, all other coordinates equal.

    p-values are adjusted among the rows of a metric. Where a difference is the same for every seed
    in virtual time, it is exact.

    Parameters
    ----------
    cells : iterable of StoredCell
    metrics : sequence of Metric
    rules : Rules
    base : value
        Of the axis `by`.
    by : str
    against : sequence of value, optional
        Only these are held against `base`.
    where : mapping of axis to value, optional
        Only cells with these coordinates count.
    grades : Grades, optional
        Answers to single items, for McNemar's test.
    """
    groups: dict[_Group, dict[str, _Units]] = defaultdict(lambda: defaultdict(dict))
    for stored in cells:
        at = stored.cell.coordinates
        if all(str(at[axis]) == str(value) for axis, value in (where or {}).items()):
            groups[_group(stored, by)][str(at[by])][_unit(stored)] = stored
    names = list(dict.fromkeys(name for sides in groups.values() for name in sides))
    wanted = [name for name in names if name != str(base)] if against is None else against

    def questions(metric: Metric) -> Iterator[Question]:
        for group, sides in groups.items():
            for new in wanted:
                yield _exact_if_constant(
                    _question(
                        *(metric, group, str(base), str(new), sides[str(base)], sides[str(new)]),
                        exact=False,
                        grades=(grades, grades),
                    ),
                    _virtual(sides[str(base)]) and _virtual(sides[str(new)]),
                )

    # Each metric is a question of its own, whose answer should not hang on what else was asked.
    return tuple(row for metric in metrics for row in judge([*questions(metric)], rules))


def between_runs(
    base: Side, news: Sequence[Side], metrics: Sequence[Metric], rules: Rules
) -> tuple[Row, ...]:
    """Hold the cells of some runs against those of the same keys in an older one.

    All of it is one table, whose p-values are adjusted together. Cells in virtual time are
    deterministic, so that any change is exact. Cells that only a new run has are no question:
    there is nothing to hold them against.
    """
    return judge([q for new in news for q in questions_between(base, new, metrics)], rules)


def questions_between(base: Side, new: Side, metrics: Sequence[Metric]) -> list[Question]:
    """Everything that can be asked of two runs, for a table that holds more than that."""
    base_groups, new_groups = _grouped(base.cells), _grouped(new.cells)
    questions = []
    for metric in metrics:
        for group, units in base_groups.items():
            question = _question(
                *(metric, group, base.label, new.label, units, new_groups.get(group, {})),
                exact=_virtual(units),
                grades=(base.grades, new.grades),
            )
            same_machine = base.machine == new.machine
            questions.append(_across_machines(question, _virtual(units), same_machine))
    return questions


def _group(stored: StoredCell, by: str | None) -> _Group:
    at = stored.cell.coordinates
    return tuple((axis, at[axis]) for axis in AXES if axis != by and axis not in SEED_AXES)


def _grouped(cells: Iterable[StoredCell]) -> dict[_Group, _Units]:
    groups: dict[_Group, _Units] = defaultdict(dict)
    for stored in cells:
        groups[_group(stored, None)][_unit(stored)] = stored
    return groups


def _unit(stored: StoredCell) -> _Unit:
    """Which draw a cell is; a repeat in virtual time is the same draw again, not another one."""
    cell = stored.cell
    repeat = 0 if cell.mode == "virtual" else cell.repeat
    return cell.train_seed, cell.run_seed, repeat


def _virtual(units: _Units) -> bool:
    return all(stored.cell.mode == "virtual" for stored in units.values())


def _question(
    metric: Metric,
    group: _Group,
    base: str,
    new: str,
    base_units: _Units,
    new_units: _Units,
    *,
    exact: bool,
    grades: tuple[Grades | None, Grades | None],
) -> Question:
    question = Question(metric, dict(group), base, new, (), exact)
    done = [unit for unit in base_units if base_units[unit].status == "done"]
    both = [u for u in done if u in new_units and new_units[u].status == "done"]
    if not both:
        side = new if done else base
        what = "failed" if new_units and done else "has no such cells"
        return _refused(question, "missing", f"{side} {what}")
    for unit in both:
        told = _told_apart(base_units[unit], new_units[unit])
        if told:
            return _refused(question, "not-comparable", told)
        if metric.time and _untrustworthy(base_units[unit], new_units[unit]):
            return _refused(question, "not-comparable", "emulation was UNTRUSTWORTHY")
    machines = {m for unit in both for m in map(machine_of, (base_units[unit], new_units[unit]))}
    if len(machines) > 1:
        told = " and ".join(sorted(m or "another" for m in machines))
        return _refused(question, "not-comparable", f"measured on different machines: {told}")
    pairs = [(_figure(metric, base_units[unit]), _figure(metric, new_units[unit])) for unit in both]
    known = tuple((a, b) for a, b in pairs if a is not None and b is not None)
    if not known:
        return _refused(question, "not-comparable", "not measured")
    lost = len(done) - len(both)
    reason = f"{lost} of {len(done)} seeds have no partner" if lost else None
    cells = [units[unit] for units in (base_units, new_units) for unit in both]
    return msgspec.structs.replace(
        question,
        pairs=known,
        reason=reason,
        items=_items(metric, both, base_units, new_units, grades),
        floor=floor_of_cells(metric, cells),
    )


def _items(
    metric: Metric,
    units: Sequence[_Unit],
    base_units: _Units,
    new_units: _Units,
    grades: tuple[Grades | None, Grades | None],
) -> tuple[ItemTest, ...]:
    """Test each seed by its items, where the figure is one of items and they can be looked up."""
    of_base, of_new = grades
    if metric.name != "accuracy" or of_base is None or of_new is None:
        return ()
    tests = (
        item_test("/".join(map(str, u)), of_base(base_units[u]), of_new(new_units[u]))
        for u in units
    )
    return tuple(test for test in tests if test is not None)


def _exact_if_constant(question: Question, virtual: bool) -> Question:
    """Where the seed changes nothing in virtual time, nothing is random and no test is needed.

    Shares of few requests are left out: two seeds may agree in them by accident.
    """
    if not virtual or question.metric.scale == "share":
        return question
    effects = [effect(question.metric, *pair) for pair in question.pairs]
    told = len(effects) > 1 and all(map(math.isfinite, chain(*question.pairs)))
    constant = told and max(effects) - min(effects) <= _ROUNDING
    return msgspec.structs.replace(question, exact=True) if constant else question


def _across_machines(question: Question, virtual: bool, same_machine: bool) -> Question:
    if same_machine or question.refusal is not None:
        return question
    if not virtual:
        return _refused(question, "not-comparable", "measured on another machine")
    reason = "other machine: modelled times are comparable, predictions may differ in a few items"
    return msgspec.structs.replace(question, reason=reason)


def _refused(question: Question, verdict: str, reason: str) -> Question:
    refusal = ("missing", reason) if verdict == "missing" else ("not-comparable", reason)
    return msgspec.structs.replace(question, refusal=refusal)


def _told_apart(base: StoredCell, new: StoredCell) -> str | None:
    """Say what the two cells were told differently although no axis says so."""
    for name in _GIVEN:
        if name in ("cluster", "faults") and (
            getattr(base.cell, f"{name}_name") != getattr(new.cell, f"{name}_name")
        ):
            continue
        if getattr(base.cell, name) != getattr(new.cell, name):
            return f"the {name} is not the same although it has the same name"
    were, are = (stored.notes.get("boards") or {} for stored in (base, new))
    for name in sorted(were.keys() & are.keys()):
        if any(were[name][fact] != are[name][fact] for fact in _HARDWARE):
            return (
                f"measured on other boards: {name} was {_board(were[name])}, is {_board(are[name])}"
            )
    return None


def _board(facts: Mapping[str, Any]) -> str:
    return f"{facts['model'] or facts['machine']} with {facts['cores']} cores"


def machine_of(stored: StoredCell) -> str | None:
    """Name of the machine that a cell was timed on, in a run on several; else None.

    Virtual time is the same on all of them.
    """
    named: str | None = stored.notes.get("machine")
    return named


def _untrustworthy(*cells: StoredCell) -> bool:
    fidelities = [stored.figures.get("fidelity") or {} for stored in cells]
    return any(fidelity.get("verdict") == "UNTRUSTWORTHY" for fidelity in fidelities)


def _figure(metric: Metric, stored: StoredCell) -> float | None:
    """Figure of a cell; a latency that unanswered requests reach is without bound."""
    value = stored.figures.get(metric.name)
    if value is None:
        return math.inf if metric.time else None
    return float(value)
