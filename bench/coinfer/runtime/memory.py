"""What a device holds, against what it has room for."""

from __future__ import annotations


class OutOfMemoryError(Exception):
    """A device holds more than it has room for; the driver that called its handler ends it."""


class Memory:
    """Bytes of one device: weights for good, frames, values and activations as they come.

    Parameters
    ----------
    weights_bytes : int
    budget_bytes : int or None
        None: no bound.
    """

    def __init__(self, weights_bytes: int, budget_bytes: int | None) -> None:
        self.used_bytes = weights_bytes
        self._budget_bytes = budget_bytes

    def hold(self, more_bytes: int) -> None:
        """Hold more.

        Raises
        ------
        OutOfMemoryError
            If there is no room.
        """
        self.used_bytes += more_bytes
        if self._budget_bytes is not None and self.used_bytes > self._budget_bytes:
            raise OutOfMemoryError(f"{self.used_bytes} bytes of {self._budget_bytes}")

    def free(self, fewer_bytes: int) -> None:
        """Hold less."""
        self.used_bytes -= fewer_bytes
