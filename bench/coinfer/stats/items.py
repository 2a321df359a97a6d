"""Two classifiers on the same items: McNemar's test, one seed at a time.

Within a seed the two sides were asked the same items, so what tells them apart is the items that
only one of them got right. Seeds are not pooled: a fault hits all requests after it, and an item
may be asked in several seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from scipy import stats

from coinfer.stats.resampling import false_discovery
from coinfer.store import RunFolder, StoredCell


class Graded(NamedTuple):
    """Answers of a cell, in the order of its requests, without those of the warm-up.

    Attributes
    ----------
    items : array of int, (requests,)
    right : array of bool, (requests,)
        False where there was no answer, as in ``accuracy``.
    """

    items: np.ndarray[tuple[int], np.dtype[np.int64]]
    right: np.ndarray[tuple[int], np.dtype[np.bool_]]


Grades: TypeAlias = Callable[[StoredCell], Graded]
"""Looks the answers of a cell up."""


class ItemTest(msgspec.Struct, frozen=True):
    """McNemar's exact test of one seed.

    Attributes
    ----------
    seed : str
        ``train_seed/run_seed/repeat``.
    only_base, only_new : int
        Requests that only this side answered rightly.
    p_value : float
        Two-sided; not adjusted for the number of seeds.
    """

    seed: str
    only_base: int
    only_new: int
    p_value: float


def grades_of(run: RunFolder) -> Grades:
    """Answers of the cells of one run, read when they are asked for."""

    def grade(stored: StoredCell) -> Graded:
        names = ("item", "label", "prediction", "answered_ns", "warm_up")
        item, label, prediction, answered, warm_up = (
            run.table(stored).column(name) for name in names
        )
        counts = ~warm_up.to_numpy(zero_copy_only=False)
        right = (label.to_numpy() == prediction.to_numpy()) & answered.is_valid().to_numpy(
            zero_copy_only=False
        )
        return Graded(item.to_numpy()[counts], right[counts])

    return grade


def item_test(seed: str, base: Graded, new: Graded) -> ItemTest | None:
    """McNemar's test (Psychometrika 12, 1947) in its exact form; None if the items differ.

    Under the hypothesis that both are equally good, each item that only one side got right is a
    fair coin.

    Examples
    --------
    >>> import numpy as np
    >>> base = Graded(np.arange(9), np.array([1, 1, 1, 0, 0, 0, 0, 0, 0], bool))
    >>> new = Graded(np.arange(9), np.array([1, 1, 0, 1, 1, 1, 1, 1, 1], bool))
    >>> item_test("0/0/0", base, new)
    ItemTest(seed='0/0/0', only_base=1, only_new=6, p_value=0.125)
    """
    if not np.array_equal(base.items, new.items):
        return None
    only_base = int((base.right & ~new.right).sum())
    only_new = int((~base.right & new.right).sum())
    told = only_base + only_new
    p_value = float(stats.binomtest(only_new, told).pvalue) if told else 1.0
    return ItemTest(seed, only_base, only_new, p_value)


def seeds_that_differ(tests: Sequence[ItemTest], alpha: float) -> int:
    """Count the seeds whose test is significant among those of all of them."""
    return sum(p <= alpha for p in false_discovery([test.p_value for test in tests]))
