"""Faults: a declarative list, expanded by the seed to concrete events before a run."""

from __future__ import annotations

import msgspec

from coinfer.cluster.draws import choice
from coinfer.errors import ClusterError


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault as a suite states it.

    Attributes
    ----------
    kind : {"crash"}
        ``crash``: the device process dies and stays dead.
    target : str
        A device name, or ``"random"``: any device that no earlier fault of the list has taken.
    at_ms : float or None
        Time since the start of the run.
    on_request : int or None
        When this request (counted from 0) starts. Exactly one of the two is given.
    """

    kind: str
    target: str = "random"
    at_ms: float | None = None
    on_request: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("crash",):
            raise ClusterError(f"fault: kind = {self.kind!r}; allowed: crash")
        if (self.at_ms is None) == (self.on_request is None):
            raise ClusterError("fault: give exactly one of at_ms and on_request")


class FaultList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults of one cell; empty means none."""

    events: tuple[Fault, ...] = ()


class FaultEvent(msgspec.Struct, frozen=True):
    """A concrete fault: what, whom, when."""

    kind: str
    target: str
    at_ns: int | None
    on_request: int | None


def expand(faults: FaultList, devices: tuple[str, ...], seed: int) -> tuple[FaultEvent, ...]:
    """Concrete events of a list, drawn by `seed`.

    Parameters
    ----------
    faults : FaultList
    devices : tuple of str
        Names that ``"random"`` may pick from.
    seed : int

    Raises
    ------
    ClusterError
        If a target is unknown or more devices are to be lost than there are.

    Examples
    --------
    >>> one = FaultList(events=(Fault(kind="crash", target="d1", on_request=3),))
    >>> expand(one, ("d0", "d1"), seed=0)
    (FaultEvent(kind='crash', target='d1', at_ns=None, on_request=3),)
    """
    taken: list[str] = []
    events = []
    for number, fault in enumerate(faults.events):
        if fault.target == "random":
            free = [d for d in devices if d not in taken]
            if not free:
                raise ClusterError(
                    f"faults: event {number} finds no device left of {len(devices)}; "
                    "shorten the list or use a larger cluster"
                )
            target = choice(free, seed, "fault-target", number)
        elif fault.target in devices:
            target = fault.target
        else:
            raise ClusterError(
                f"faults: unknown target {fault.target!r}; devices: {', '.join(devices)}"
            )
        taken.append(target)
        at_ns = None if fault.at_ms is None else round(fault.at_ms * 1e6)
        events.append(FaultEvent(fault.kind, target, at_ns, fault.on_request))
    return tuple(events)
