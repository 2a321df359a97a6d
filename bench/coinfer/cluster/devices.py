"""Devices as a suite file states them."""

from __future__ import annotations

import msgspec

from coinfer.cluster.catalogue import BOARDS, Board
from coinfer.cluster.checks import UNSAID, at_least, not_negative, one_of, positive
from coinfer.cluster.cost_table import load_cost_table
from coinfer.errors import ClusterError

_UNLIKE = Board(
    macs_per_s=UNSAID,
    memory_bytes=64_000_000,
    idle_w=0.5,
    busy_w=2.0,
    j_per_byte=1e-7,
    source="invented",
)
"""What holds for a device that is like none of the catalogue."""


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device.

    How fast it is, is said in one of four ways. Whatever was said, a device of a cluster has its
    `macs_per_s`; that of a device by itself is None as long as only the cluster can tell.

    Attributes
    ----------
    name : str
    macs_per_s : float
        Sustained compute; one multiply-accumulate is counted once.
    memory_bytes : int
        What weights and activations may take; 64 000 000 unless said.
    failure_probability : float
        Chance of being lost during a request, as the planner believes.
    idle_w, busy_w, j_per_byte : float
        Parameters of the energy proxy; 0.5, 2.0 and 1e-7 unless said.
    flops : float or None
        Sustained floating-point operations a second; the cluster's `flops_per_mac` divides them.
    times_reference : float or None
        Multiple of the reference kernel's MAC/s in the cost table.
    like : str or None
        A board of the catalogue, which fills what is not said.
    stage_costs : {"macs", "measured"}
        What a stage costs: its MACs, or what the cost table holds for it, if it does, in MACs of
        the reference kernel. ``measured`` for a device that says `times_reference`, unless said.
    count : int
        How many such devices there are. A cluster has them one by one, as ``NAME0``, ``NAME1`` …

    Raises
    ------
    ClusterError
        If a value is impossible, or the speed is said not at all or twice.
    """

    name: str
    macs_per_s: float = UNSAID
    memory_bytes: int = UNSAID
    failure_probability: float = 0.05
    idle_w: float = UNSAID
    busy_w: float = UNSAID
    j_per_byte: float = UNSAID
    flops: float | None = None
    times_reference: float | None = None
    like: str | None = None
    stage_costs: str = UNSAID
    count: int = 1

    def __post_init__(self) -> None:
        place = f"device {self.name}"
        if self.like is not None:
            one_of(place, "like", self.like, BOARDS)
        stated = [
            n for n in ("macs_per_s", "flops", "times_reference") if getattr(self, n) is not None
        ]
        if len(stated) > 1 or (not stated and self.like is None):
            said = f"it says {' and '.join(stated)}" if stated else "it says none"
            raise ClusterError(
                f"{place}: give exactly one of macs_per_s, flops, times_reference and like; {said}"
            )
        for name in stated:
            positive(place, name, getattr(self, name))
        if self.stage_costs is None:
            usual = "macs" if self.times_reference is None else "measured"
            msgspec.structs.force_setattr(self, "stage_costs", usual)
        one_of(place, "stage_costs", self.stage_costs, ("macs", "measured"))
        board = _UNLIKE if self.like is None else BOARDS[self.like]
        for name in ("memory_bytes", "idle_w", "busy_w", "j_per_byte"):
            if getattr(self, name) is None:
                msgspec.structs.force_setattr(self, name, getattr(board, name))
        if not stated:
            msgspec.structs.force_setattr(self, "macs_per_s", board.macs_per_s)
        at_least(place, "memory_bytes", self.memory_bytes, 1)
        at_least(place, "count", self.count, 1)
        if not 0 <= self.failure_probability < 1:
            raise ClusterError(
                f"{place}: failure_probability = {self.failure_probability}; use a value in [0, 1)"
            )
        for name in ("idle_w", "busy_w", "j_per_byte"):
            not_negative(place, name, getattr(self, name))

    def one_by_one(self) -> tuple[Device, ...]:
        """Each of the devices that this one stands for."""
        if self.count == 1:
            return (self,)
        return tuple(
            msgspec.structs.replace(self, name=f"{self.name}{number}", count=1)
            for number in range(self.count)
        )

    def resolved(self, flops_per_mac: float) -> Device:
        """The same device with its `macs_per_s`, and no other speed.

        Parameters
        ----------
        flops_per_mac : float

        Raises
        ------
        ClusterError
            If the cost table does not say how fast the reference kernel is.
        """
        if self.flops is not None:
            macs_per_s = self.flops / flops_per_mac
        elif self.times_reference is not None:
            macs_per_s = self.times_reference * _reference_macs_per_s(self.name)
        else:
            return self
        return msgspec.structs.replace(
            self, macs_per_s=macs_per_s, flops=None, times_reference=None
        )


def _reference_macs_per_s(device: str) -> float:
    found = load_cost_table().reference_macs_per_s
    if found is None:
        raise ClusterError(
            f"device {device}: times_reference needs a cost table that says how fast the "
            "reference kernel is; run `coinfer calibrate -o FILE`, set COINFER_COST_TABLE=FILE, "
            "or give macs_per_s"
        )
    return found
