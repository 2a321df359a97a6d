"""Rows of a job that left it early are missing from what comes later."""

from __future__ import annotations

import numpy as np

from coinfer.contract import FloatArray


def aligned(value: FloatArray, have: tuple[int, ...], wanted: tuple[int, ...]) -> FloatArray:
    """The rows that are wanted, in that order; zeros for those that are not there.

    A row that is settled without the fusion rule (at its deadline, or for want of room in the
    queue) is stopped on the devices, each of which hears of it at its own time.

    Examples
    --------
    >>> aligned(np.array([[1.0], [3.0]], np.float32), (7, 9), (7, 8, 9)).tolist()
    [[1.0], [0.0], [3.0]]
    """
    if have == wanted:
        return value
    found = np.zeros((len(wanted), *value.shape[1:]), np.float32)
    place = {row: number for number, row in enumerate(have)}
    for number, row in enumerate(wanted):
        if row in place:
            found[number] = value[place[row]]
    return found
