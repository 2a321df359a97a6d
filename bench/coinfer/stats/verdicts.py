"""From paired figures to a verdict: significant, and large enough to matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from coinfer.metrics import Metric
from coinfer.stats.items import ItemTest
from coinfer.stats.resampling import (
    equivalence_p,
    false_discovery,
    interval,
    pairs_needed,
    sign_flip_p,
)
from coinfer.suite.schema import Value

Verdict: TypeAlias = Literal[
    "faster", "slower", "better", "worse", "same", "inconclusive", "not-comparable", "missing"
]


class Rules(msgspec.Struct, frozen=True):
    """What counts as a difference.

    Attributes
    ----------
    threshold : float
        Relative change that matters, for amounts: 0.02 is 2 %.
    threshold_share : float
        Change that matters of a fraction of the requests: 0.005 is half a point [ours].
    alpha : float
        Rate of false alarms that is accepted.
    """

    threshold: float = 0.02
    threshold_share: float = 0.005
    alpha: float = 0.05


class Row(msgspec.Struct, frozen=True):
    """One comparison.

    Attributes
    ----------
    metric : str
    where : dict of str to value
        Coordinates that both sides share; seeds and repeats are left out.
    base, new : str
        What is compared.
    verdict : Verdict
    regression : bool
        Whether the new side is slower or worse.
    ratio, ci_low, ci_high : float or None
        New over base, with its interval; geometric mean over the pairs for amounts. Of shares
        it is the quotient of the means, and the interval follows from that of the difference.
    difference, difference_low, difference_high : float or None
        Of shares only: new minus base.
    p_value, p_adjusted : float or None
        None where the comparison is exact.
    threshold : float
        Change that matters here.
    alpha : float
    base_mean, new_mean : float or None
    pairs : int
        Seeds or repeats that both sides have.
    pairs_needed : int or None
        Fewest pairs with which this row could be significant.
    pairs_lacking : int or None
        How many more it would take, where that is what is wanting.
    exact : bool
        Nothing is random: any change is a change.
    reason : str or None
        Why there is no plain verdict.
    items : tuple of ItemTest
        Of accuracy only: McNemar's test of each seed. The verdict does not rest on them.
    """

    metric: str
    where: dict[str, Value]
    base: str
    new: str
    verdict: Verdict
    regression: bool
    threshold: float
    alpha: float = 0.05
    ratio: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    base_mean: float | None = None
    new_mean: float | None = None
    pairs: int = 0
    pairs_needed: int | None = None
    pairs_lacking: int | None = None
    exact: bool = False
    reason: str | None = None
    items: tuple[ItemTest, ...] = ()


class Question(msgspec.Struct, frozen=True):
    """What one row asks.

    Attributes
    ----------
    pairs : tuple of (float, float)
        Base and new figure of each seed; +inf where requests were left unanswered.
    exact : bool
    refusal : tuple of verdict and reason, or None
        Where the question cannot be answered whatever the figures.
    reason : str or None
        A reservation that holds even where there is a verdict.
    floor : float
        How far what is the same differs from itself, as a relative change or, of shares, a
        difference: no smaller change matters.
    floor_of : str
        What that is the floor of.
    items : tuple of ItemTest
    """

    metric: Metric
    where: Mapping[str, Value]
    base: str
    new: str
    pairs: tuple[tuple[float, float], ...]
    exact: bool = False
    refusal: tuple[Literal["not-comparable", "missing"], str] | None = None
    reason: str | None = None
    floor: float = 0.0
    floor_of: str = "a cell that is run twice"
    items: tuple[ItemTest, ...] = ()


def judge(questions: Sequence[Question], rules: Rules) -> tuple[Row, ...]:
    """Answer all rows of one family together: its p-values are adjusted for their number."""
    p_values = {
        number: sign_flip_p([effect(q.metric, *pair) for pair in q.pairs])
        for number, q in enumerate(questions)
        if q.refusal is None and not q.exact
    }
    adjusted = dict(zip(p_values, false_discovery(list(p_values.values())), strict=True))
    needed = pairs_needed(rules.alpha, max(1, len(p_values)))
    return tuple(
        _row(q, rules, p_values.get(number), adjusted.get(number), needed)
        for number, q in enumerate(questions)
    )


def _row(
    q: Question, rules: Rules, p_value: float | None, p_adjusted: float | None, needed: int
) -> Row:
    share = q.metric.scale == "share"
    threshold = rules.threshold_share if share else rules.threshold
    row = Row(
        metric=q.metric.name,
        where=dict(q.where),
        base=q.base,
        new=q.new,
        verdict="inconclusive",
        regression=False,
        threshold=max(threshold, q.floor),
        alpha=rules.alpha,
        pairs=len(q.pairs),
        exact=q.exact,
        reason=q.reason or _floor_told(q, threshold),
        items=q.items,
    )
    if q.refusal is not None:
        verdict, reason = q.refusal
        return msgspec.structs.replace(row, verdict=verdict, reason=reason)
    if all(math.isinf(base) and math.isinf(new) for base, new in q.pairs):
        # Equal where nothing is random; else nobody knows how much longer either would have taken.
        return msgspec.structs.replace(
            row,
            verdict="same" if q.exact else "inconclusive",
            p_value=p_value,
            p_adjusted=p_adjusted,
            reason="too many requests unanswered on both sides",
        )
    effects = [effect(q.metric, *pair) for pair in q.pairs]
    margin = row.threshold if share else math.log1p(row.threshold)
    row = msgspec.structs.replace(
        row,
        **_sizes(q, effects, None if q.exact else 1 - rules.alpha),
        p_value=p_value,
        p_adjusted=p_adjusted,
        pairs_needed=None if q.exact else needed,
    )
    mean = _direction(effects)
    large = abs(mean) > margin
    if q.exact:
        decided: Verdict = _directed(q.metric, mean) if large else "same"
        return _finished(row, decided, row.reason)
    assert p_adjusted is not None
    if large and p_adjusted <= rules.alpha:
        return _finished(row, _directed(q.metric, mean), row.reason)
    if not any(effects) or equivalence_p(effects, margin) <= rules.alpha:
        return _finished(row, "same", row.reason)
    return _doubtful(row, rules, needed)


def _floor_told(q: Question, threshold: float) -> str | None:
    """Say where no change counts that would have counted otherwise."""
    if q.floor <= threshold:
        return None
    size = f"{100 * q.floor:.1f} {'points' if q.metric.scale == 'share' else '%'}"
    return f"{q.floor_of} differs by up to {size}: no smaller change counts"


def _doubtful(row: Row, rules: Rules, needed: int) -> Row:
    """Say why a row is inconclusive, and what would help."""
    assert row.p_value is not None
    assert row.p_adjusted is not None
    if row.p_adjusted <= rules.alpha:
        reason = "there is a difference, but it may be smaller than the threshold"
        return _finished(row, "inconclusive", reason)
    hopeless = 2.0 ** (1 - row.pairs) > rules.alpha
    if row.pairs < needed and (hopeless or row.p_value <= rules.alpha):
        lacking = needed - row.pairs
        reason = (
            f"{row.pairs} pairs are too few: a difference that stands alone among so many rows "
            f"needs {needed}, {lacking} more"
        )
        row = msgspec.structs.replace(row, pairs_lacking=lacking)
        return _finished(row, "inconclusive", reason)
    return _finished(row, "inconclusive", "no difference found, nor shown to be absent")


def _finished(row: Row, verdict: Verdict, reason: str | None) -> Row:
    return msgspec.structs.replace(
        row, verdict=verdict, regression=verdict in ("slower", "worse"), reason=reason
    )


def _directed(metric: Metric, effect: float) -> Verdict:
    improved = (effect < 0) == (metric.better == "lower")
    if metric.time:
        return "faster" if improved else "slower"
    return "better" if improved else "worse"


def effect(metric: Metric, base: float, new: float) -> float:
    """Difference of shares; logarithm of the quotient of amounts, which may be infinite."""
    if metric.scale == "share":
        return new - base
    if base == new:
        return 0.0
    if base == 0 or math.isinf(new):
        return math.inf
    if new == 0 or math.isinf(base):
        return -math.inf
    return math.log(new / base)


def _direction(effects: Sequence[float]) -> float:
    """Mean effect; where some are infinite, whichever side wins more often, without bound."""
    if all(map(math.isfinite, effects)):
        return sum(effects) / len(effects)
    balance = sum((e > 0) - (e < 0) for e in effects)
    return math.copysign(math.inf, balance) if balance else 0.0


def _sizes(
    q: Question, effects: Sequence[float], confidence: float | None
) -> dict[str, float | None]:
    """Means, ratio and difference, with intervals where a confidence is asked for."""
    base_mean = sum(base for base, _ in q.pairs) / len(q.pairs)
    new_mean = sum(new for _, new in q.pairs) / len(q.pairs)
    sizes: dict[str, float | None] = {
        "base_mean": _finite(base_mean),
        "new_mean": _finite(new_mean),
    }
    mean = _direction(effects)
    if not math.isfinite(mean):
        return sizes
    around = (mean, mean) if confidence is None else interval(effects, confidence)
    low, high = around or (None, None)
    if q.metric.scale == "ratio":
        exps = [None if v is None else math.exp(v) for v in (mean, low, high)]
        return sizes | dict(zip(("ratio", "ci_low", "ci_high"), exps, strict=True))
    sizes |= {"difference": mean, "difference_low": low, "difference_high": high}
    if base_mean > 0:
        quotients = [None if v is None else (base_mean + v) / base_mean for v in (mean, low, high)]
        sizes |= dict(zip(("ratio", "ci_low", "ci_high"), quotients, strict=True))
    return sizes


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
