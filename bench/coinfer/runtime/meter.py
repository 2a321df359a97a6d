"""What computing costs: modelled from MACs and the cost table, or measured (native mode)."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Literal, TypeVar

import numpy as np

from coinfer.cluster.cost_table import CostTable
from coinfer.contract import FloatArray, Scores
from coinfer_kernels.backend import Backend

T = TypeVar("T")
Part = Literal["compute", "serialise", "decide"]


class Meter:
    """Runs kernels and stages of one device and sums up what they cost.

    Parameters
    ----------
    backend : Backend
        The kernels under test.
    costs : CostTable
    macs_per_s : float or None
        Speed of the device that is modelled; None measures what this machine takes instead.
    """

    def __init__(self, backend: Backend, costs: CostTable, macs_per_s: float | None) -> None:
        self._backend = backend
        self._costs = costs
        self._macs_per_s = macs_per_s
        self.compute_ns = 0
        self.serialise_ns = 0
        self.decide_ns = 0

    @property
    def total_ns(self) -> int:
        """Everything charged so far."""
        return self.compute_ns + self.serialise_ns + self.decide_ns

    def encode(self, x: FloatArray, encoding: str) -> Any:
        """Frame of `x`, charged as *serialise*."""
        macs = self._costs.macs(self._backend.name, f"encode:{encoding}", x.size)
        return self._run("serialise", macs, lambda: self._backend.encode(x, encoding))

    def decode(self, frame: Any) -> FloatArray:
        """Array of a frame, charged as *serialise*."""
        info = self._backend.peek(frame)
        elements = int(np.prod(info.shape, dtype=np.int64))
        macs = self._costs.macs(self._backend.name, f"decode:{info.encoding}", elements)
        return self._run("serialise", macs, lambda: self._backend.decode(frame))

    def payload_bytes(self, frame: Any) -> int:
        """What a link charges for a frame, its 64-byte header left out; costs nothing."""
        return self._backend.peek(frame).payload_bytes

    def exit_scores(self, logits: FloatArray) -> Scores:
        """Exit confidence of logits (rows, classes), charged as *decide*."""
        macs = self._costs.macs(self._backend.name, "exit_scores", logits.size)
        return self._run("decide", macs, lambda: self._backend.exit_scores(logits))

    def feature_change(
        self, previous: FloatArray, current: FloatArray, kind: str = "l2"
    ) -> FloatArray:
        """Change between features (rows, features), charged as *decide*."""
        macs = self._costs.macs(self._backend.name, "feature_change", current.size)
        return self._run(
            "decide", macs, lambda: self._backend.feature_change(previous, current, kind)
        )

    def stage(self, macs: float, call: Callable[[], T]) -> T:
        """Result of a stage of so many MACs, charged as *compute*."""
        return self._run("compute", macs, call)

    def _run(self, part: Part, macs: float, call: Callable[[], T]) -> T:
        if self._macs_per_s is None:
            begin = perf_counter_ns()
            result = call()
            spent = perf_counter_ns() - begin
        else:
            result = call()
            spent = round(macs * 1e9 / self._macs_per_s)
        name = f"{part}_ns"
        setattr(self, name, getattr(self, name) + spent)
        return result
