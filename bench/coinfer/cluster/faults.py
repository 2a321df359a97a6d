"""Faults: the declarative list of a suite, and the concrete events that it becomes."""

from __future__ import annotations

from typing import Final

import msgspec

from coinfer.cluster.checks import at_least, not_negative, one_of, positive, twice
from coinfer.errors import ClusterError

KINDS: Final = (
    *("crash", "pause", "straggle", "drop", "delay", "corrupt", "partition"),
    "rejoin",
)
WINDOWS: Final = ("pause", "straggle", "drop", "delay", "corrupt", "partition")
"""Kinds that last for a while."""

_NEEDED: Final = {
    "duration_ms": WINDOWS,
    "factor": ("straggle",),
    "delay_ms": ("delay",),
}
_ALLOWED: Final = {
    **_NEEDED,
    "probability": ("drop", "corrupt"),
    "rejoin_after_ms": ("crash",),
}
_WHEN: Final = ("at_ms", "on_request", "rate_per_s")

UNTIL_MS: Final = 60_000.0


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a fault list, as a suite states it.

    Attributes
    ----------
    kind : str
        ``crash``: the device is gone with all it holds. ``rejoin``: a crashed one comes back
        empty, and is shipped its stages. ``pause``: it does nothing for a while. ``straggle``: it
        computes `factor` times slower. ``drop``, ``delay``, ``corrupt``: messages from and to it
        are lost, late, or have a bit flipped. ``partition``: nothing crosses its links.
    target : str or tuple of str
        A device; several; ``"group:NAME"``, all devices of that group of the cluster;
        ``"random"`` or ``"random:K"``, so many devices that are up and have no fault of the kind.
    at_ms : float or None
        Time since the start of the run.
    on_request : int or None
        When this request (counted from 0) starts.
    rate_per_s : float or None
        Again and again, as a Poisson process. Exactly one of the three is given.
    until_ms : float
        Where the Poisson process ends.
    duration_ms : float or None
        How long it lasts; for all kinds but crash and rejoin, and needed there.
    probability : float
        Of each message to be hit; for drop and corrupt.
    factor : float or None
        How many times longer a computation takes; for straggle.
    delay_ms : float or None
        How much later a message arrives; for delay.
    rejoin_after_ms : float or None
        When a crashed device comes back; for crash, never unless given.

    Raises
    ------
    ClusterError
        If a value is impossible, missing, or of no use to this kind.
    """

    kind: str
    target: str | tuple[str, ...] = "random"
    at_ms: float | None = None
    on_request: int | None = None
    rate_per_s: float | None = None
    until_ms: float = UNTIL_MS
    duration_ms: float | None = None
    probability: float = 1.0
    factor: float | None = None
    delay_ms: float | None = None
    rejoin_after_ms: float | None = None

    def __post_init__(self) -> None:
        one_of("fault", "kind", self.kind, KINDS)
        self._check_when()
        self._check_use()
        self._check_target()
        for name in ("rate_per_s", "until_ms", "duration_ms", "delay_ms", "rejoin_after_ms"):
            positive("fault", name, getattr(self, name))
        if not 0 < self.probability <= 1:
            raise ClusterError(f"fault: probability = {self.probability}; use a value in (0, 1]")
        if self.factor is not None and not 1 < self.factor < float("inf"):
            raise ClusterError(f"fault: factor = {self.factor}; use a finite number > 1")

    @property
    def picks(self) -> int:
        """How many devices are to be drawn; 0 where the target says whom."""
        if not isinstance(self.target, str) or self.target.split(":")[0] != "random":
            return 0
        return int(self.target.partition(":")[2] or 1)

    def _check_when(self) -> None:
        given = [name for name in _WHEN if getattr(self, name) is not None]
        if len(given) != 1:
            raise ClusterError(
                "fault: give exactly one of at_ms, on_request and rate_per_s; "
                f"it has {' and '.join(given) or 'none'}"
            )
        not_negative("fault", "at_ms", self.at_ms)
        at_least("fault", "on_request", self.on_request, 0)
        if self.until_ms != UNTIL_MS and self.rate_per_s is None:
            raise ClusterError("fault: until_ms is for rate_per_s; leave it out")
        if self.kind == "rejoin" and (self.rate_per_s is not None or self.picks):
            raise ClusterError(
                "fault: a rejoin names its devices, and has at_ms or on_request; "
                "for others give the crash a rejoin_after_ms"
            )

    def _check_use(self) -> None:
        for name, kinds in _ALLOWED.items():
            given = getattr(self, name) != (1.0 if name == "probability" else None)
            if given and self.kind not in kinds:
                raise ClusterError(
                    f"fault: {name} is for {', '.join(kinds)}, not for {self.kind}; leave it out"
                )
            if name in _NEEDED and not given and self.kind in kinds:
                raise ClusterError(f"fault: {self.kind} needs {name}")

    def _check_target(self) -> None:
        if isinstance(self.target, tuple):
            if not self.target:
                raise ClusterError("fault: target is empty; name at least one device")
            if again := twice(self.target):
                raise ClusterError(f"fault: target has {again[0]!r} twice")
            return
        head, colon, rest = self.target.partition(":")
        if head == "random" and colon and not (rest.isascii() and rest.isdigit() and int(rest)):
            raise ClusterError(
                f"fault: target = {self.target!r}; write 'random:K' with a number K from 1 on"
            )


class FaultList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults of one cell; empty means none."""

    events: tuple[Fault, ...] = ()


class FaultEvent(msgspec.Struct, frozen=True):
    """A concrete fault: what, whom, when.

    Attributes
    ----------
    kind, target : str
        The target is one device.
    at_ns : int or None
        Time since the start of the run.
    on_request : int or None
        When this request starts. Exactly one of the two is given.
    after_ns : int
        So much later than that: of a rejoin whose crash hangs on a request.
    duration_ns : int
        0 for crash and rejoin.
    probability, factor : float
    delay_ns : int
    number : int
        Place in the expanded list.
    cause : int
        Place of the entry in the declared list: events of one cause belong together.
    """

    kind: str
    target: str
    at_ns: int | None
    on_request: int | None
    after_ns: int = 0
    duration_ns: int = 0
    probability: float = 1.0
    factor: float = 1.0
    delay_ns: int = 0
    number: int = 0
    cause: int = 0
