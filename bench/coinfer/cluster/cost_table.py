"""What kernels and stages cost, as measured once and frozen: the time model of a run."""

from __future__ import annotations

import os
from datetime import date
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path

import msgspec

from coinfer.contract import Stage
from coinfer.errors import ClusterError


class KernelCost(msgspec.Struct, frozen=True):
    """A straight line: what a call costs, and each element more, in reference MACs.

    One reference MAC is the time that the reference kernel (a small convolution, measured in the
    same run, interleaved) takes for one multiply-accumulate. So the table holds ratios, which are
    steady where absolute times are not, and a device of so many MAC/s turns them into time.
    """

    call_macs: float
    element_macs: float
    spread: float = 0.0


class StageCost(msgspec.Struct, frozen=True):
    """What one row of a stage takes, in reference MACs, beside the MACs that it has.

    The two differ by what MACs do not tell: calls, memory, and how well a shape suits the library.
    """

    module: str
    macs: int
    reference_macs: float
    spread: float = 0.0


class CostTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Costs of every kernel of every back end, and of the stages that were measured.

    Attributes
    ----------
    machine, isa, measured : str
        Where and when it was measured.
    reference : str
        What the reference kernel is.
    kernels : dict of str to dict of str to KernelCost
        By back end, then by operation: ``encode:int8``, ``decode:int8``, ``exit_scores``, …
    reference_macs_per_s : float or None
        How fast the reference kernel was: what the `times_reference` of a device is a multiple of.
    torch : str or None
        Version that ran the stages and the reference kernel.
    stages : dict of str to StageCost
        By `stage_key`.
    """

    machine: str
    isa: str
    measured: str
    reference: str
    kernels: dict[str, dict[str, KernelCost]]
    reference_macs_per_s: float | None = None
    torch: str | None = None
    stages: dict[str, StageCost] = {}

    def macs(self, backend: str, operation: str, elements: int) -> float:
        """Cost of one call over so many elements, in reference MACs.

        Raises
        ------
        ClusterError
            If the table does not have the operation.
        """
        try:
            cost = self.kernels[backend][operation]
        except KeyError:
            raise ClusterError(
                f"cost table: no figure for {operation!r} of back end {backend!r}; "
                "run `coinfer calibrate`"
            ) from None
        return cost.call_macs + cost.element_macs * elements

    def stage_macs(self, stage: Stage) -> float:
        """Cost of one row of a stage in reference MACs; its MACs where it was not measured."""
        cost = self.stages.get(stage_key(stage))
        return stage.macs if cost is None else cost.reference_macs

    def age_days(self, today: date) -> int | None:
        """How long ago it was measured; None where it does not say."""
        try:
            return (today - date.fromisoformat(self.measured)).days
        except ValueError:
            return None

    def sha256(self) -> str:
        """Digest of the costs, for the hash of a cell's inputs."""
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


_KEYS: dict[int, tuple[Stage, str]] = {}


def stage_key(stage: Stage) -> str:
    """What a stage's cost is kept under: how its module is made, not what its weights are.

    MACs and the shape of the output tell the same module on images of different size apart.
    """
    known = _KEYS.get(id(stage))
    if known is not None and known[0] is stage:
        return known[1]
    what = [stage.module.builder, dict(stage.module.arguments), stage.macs, stage.output]
    key = sha256(msgspec.json.encode(what, order="sorted")).hexdigest()[:16]
    _KEYS[id(stage)] = (stage, key)
    return key


@cache
def load_cost_table(path: str | None = None) -> CostTable:
    """Cost table of `path`, else of ``COINFER_COST_TABLE``, else the one that is shipped.

    Raises
    ------
    ClusterError
        If the file cannot be read or is malformed.
    """
    path = path or os.environ.get("COINFER_COST_TABLE")
    source = Path(path) if path else resources.files("coinfer.cluster") / "cost_table.json"
    try:
        return msgspec.json.decode(source.read_bytes(), type=CostTable)
    except (OSError, msgspec.MsgspecError) as error:
        raise ClusterError(
            f"cost table {path or source}: {error}; run `coinfer calibrate`"
        ) from None
