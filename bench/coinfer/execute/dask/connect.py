"""A connection to a Dask scheduler, or one line that says why there is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from distributed import Client

from coinfer.errors import UsageError

TIMEOUT_S: Final = 5.0


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler.

    Parameters
    ----------
    scheduler : str
        Such as ``tcp://host:8786``.

    Raises
    ------
    UsageError
        If it cannot be reached within `TIMEOUT_S`.
    """
    # What is lost is said in our words, once.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: cannot be reached: {error}; 'dask scheduler' starts one and "
            "says its address"
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=TIMEOUT_S)
