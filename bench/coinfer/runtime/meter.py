"""What computing costs: modelled by MACs and the cost table, or measured (native mode)."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from coinfer.cluster import Device
from coinfer.cluster.cost_table import CostTable
from coinfer.contract import FloatArray, Scores, Stage
from coinfer_kernels.backend import Backend

T = TypeVar("T")


class Meter(msgspec.Struct, gc=False):
    """Runs kernels and stages of one device and sums up what they cost.

    Parameters
    ----------
    backend : Backend
        The kernels under test.
    costs : CostTable
    device : Device or None
        The device that is modelled; None measures what this machine takes instead.

    Attributes
    ----------
    parts : list of (str, int) or None
        What each call was charged as, and how much, in their order; kept where there is a list.
    """

    _backend: Backend
    _costs: CostTable
    _device: Device | None
    compute_ns: int = 0
    serialise_ns: int = 0
    decide_ns: int = 0
    parts: list[tuple[str, int]] | None = None

    @property
    def total_ns(self) -> int:
        """Everything charged so far."""
        return self.compute_ns + self.serialise_ns + self.decide_ns

    def encode(self, x: FloatArray, encoding: str) -> Any:
        """Frame of `x`, charged as *serialise*."""
        begin = perf_counter_ns()
        frame = self._backend.encode(x, encoding)
        self.serialise_ns += self._kernel_ns(begin, "serialise", f"encode:{encoding}", x.size)
        return frame

    def decode(self, frame: Any, encoding: str) -> FloatArray:
        """Array of a frame that was made with `encoding`, charged as *serialise*."""
        begin = perf_counter_ns()
        x = self._backend.decode(frame)
        self.serialise_ns += self._kernel_ns(begin, "serialise", f"decode:{encoding}", x.size)
        return x

    def exit_scores(self, logits: FloatArray, *, temperature: float = 1.0) -> Scores:
        """Exit confidence of logits (rows, classes), charged as *decide*."""
        begin = perf_counter_ns()
        scores = self._backend.exit_scores(logits, temperature=temperature)
        self.decide_ns += self._kernel_ns(begin, "decide", "exit_scores", logits.size)
        return scores

    def feature_change(
        self, previous: FloatArray, current: FloatArray, kind: str = "l2"
    ) -> FloatArray:
        """Change between features (rows, features), charged as *decide*."""
        begin = perf_counter_ns()
        change = self._backend.feature_change(previous, current, kind)
        self.decide_ns += self._kernel_ns(begin, "decide", "feature_change", current.size)
        return change

    def count_agreement(
        self,
        previous: npt.NDArray[np.int64],
        current: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int32],
        patience: int,
    ) -> npt.NDArray[np.bool_]:
        """Agreements in a row of labels (rows,), counted in place, charged as *decide*."""
        begin = perf_counter_ns()
        agreed = self._backend.count_agreement(previous, current, counts, patience)
        self.decide_ns += self._kernel_ns(begin, "decide", "count_agreement", current.size)
        return agreed

    def stage(self, stage: Stage, rows: int, call: Callable[[], T]) -> T:
        """Result of a stage over so many rows, charged as *compute*."""
        begin = perf_counter_ns()
        result = call()
        spent, device = perf_counter_ns() - begin, self._device
        if device is not None:
            measured = device.stage_costs == "measured"
            macs = rows * (self._costs.stage_macs(stage) if measured else stage.macs)
            spent = round(macs * 1e9 / device.macs_per_s)
        self.compute_ns += spent
        if self.parts is not None:
            self.parts.append(("compute", spent))
        return result

    def _kernel_ns(self, begin_ns: int, kind: str, operation: str, elements: int) -> int:
        """Cost of a kernel that was called at `begin_ns` and has just ended."""
        device = self._device
        if device is None:
            spent = perf_counter_ns() - begin_ns
        else:
            macs = self._costs.macs(self._backend.name, operation, elements)
            spent = round(macs * 1e9 / device.macs_per_s)
        if self.parts is not None:
            self.parts.append((kind, spent))
        return spent
