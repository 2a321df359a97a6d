"""How a call is timed: in bursts, and every burst beside what it is held against.

A shared machine drifts by more than the kernels differ, so a figure alone says little. Each round
of a benchmark therefore copies the same bytes, calls nothing, and runs the best peer, within a
millisecond of the kernel; a ratio is the median of the rounds' ratios.

memcpy is the slice assignment of one memoryview to another: the cheapest way to it from Python
(48 ns for 256 bytes where ctypes.memmove takes 360 and numpy.copyto 240). Its overhead is left
in, as is that of the call in every other figure.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

BURST_S = 200e-6
ROUNDS = 48  # three times the sixteen blocks that `coinfer compare` makes of them
_MOST_CALLS = 20_000


class Call(NamedTuple):
    """A function and its positional arguments."""

    function: Callable[..., object]
    arguments: tuple[Any, ...] = ()


def loop(call: Call) -> Callable[[int], None]:
    """Compile a loop around a call: `function(*arguments)` would cost as much as a small kernel."""
    names = {f"a{number}": argument for number, argument in enumerate(call.arguments)}
    return _compiled(f"f({', '.join(names)})", names | {"f": call.function})


def copying(source: memoryview, target: memoryview) -> Callable[[int], None]:
    """Compile the same loop around a memcpy."""
    return _compiled("target[:] = source", {"target": target, "source": source})


def _compiled(statement: str, names: dict[str, Any]) -> Callable[[int], None]:
    parameters = "".join(f", {name}={name}" for name in names)
    scope = names | {"repeat": repeat}
    exec(f"def burst(calls{parameters}):\n for _ in repeat(None, calls): {statement}", scope)
    return scope["burst"]


class Burst:
    """As many calls in a row as the clock needs, each time after one that warms the caches."""

    def __init__(self, run: Callable[[int], None], seconds: float = BURST_S) -> None:
        self.run = run
        run(1)  # compiles, where something has to be compiled
        calls, spent = 1, self._spent(1)
        while spent < seconds / 2 and calls < _MOST_CALLS:
            calls = min(_MOST_CALLS, max(2 * calls, int(calls * seconds / max(spent, 1e-9))))
            spent = self._spent(calls)
        self.calls = calls

    def seconds(self) -> float:
        """Measure what one call takes, now."""
        self.run(1)
        return self._spent(self.calls) / self.calls

    def _spent(self, calls: int) -> float:
        start = time.perf_counter()
        self.run(calls)
        return time.perf_counter() - start


class PerCall:
    """Clock for pytest-benchmark that goes slower by the calls of a burst: it shows one call."""

    calls = 1

    def __repr__(self) -> str:
        return "seconds a call, of a burst"

    def __call__(self) -> float:
        return time.perf_counter() / self.calls


clock = PerCall()


def measure(benchmark: Any, burst: Burst, beside: Sequence[Burst]) -> list[list[float]]:
    """Let pytest-benchmark time the burst; every round, time those beside it just before.

    Returns
    -------
    list of list of float
        Seconds a call, for each one beside it and each round; empty lists where benchmarks are
        switched off.
    """
    seconds: list[list[float]] = [[] for _ in beside]

    def before() -> None:
        for found, other in zip(seconds, beside, strict=True):
            found.append(other.seconds())
        burst.run(1)

    clock.calls = burst.calls
    benchmark.pedantic(burst.run, args=(burst.calls,), setup=before, rounds=ROUNDS)
    return seconds


def median_ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(these, those, strict=True))
