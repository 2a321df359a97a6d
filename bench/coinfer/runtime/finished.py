"""Which jobs are over, for runs of any length."""

from __future__ import annotations

from typing import Final

LATER_JOBS: Final = 1024
"""A job that never came is over when so many later ones are: its messages were lost."""


class Finished:
    """Numbers of jobs that are over: all below a mark, and some above it.

    Examples
    --------
    >>> over = Finished()
    >>> for number in (0, 2, 1, 5):
    ...     over.add(number)
    >>> [number for number in range(7) if number in over]
    [0, 1, 2, 5]
    """

    def __init__(self) -> None:
        self._mark = 0
        self._above: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return number < self._mark or number in self._above

    def __len__(self) -> int:
        """How many numbers are kept one by one."""
        return len(self._above)

    def add(self, number: int) -> None:
        """Note that a job is over."""
        if number < self._mark:
            return
        self._above.add(number)
        if len(self._above) > LATER_JOBS:
            self._mark = min(self._above)
        while self._mark in self._above:
            self._above.remove(self._mark)
            self._mark += 1
