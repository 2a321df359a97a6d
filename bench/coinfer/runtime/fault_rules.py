"""What a fault can do to which device, and what is logged of it: the same in both drivers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from coinfer.cluster import FaultEvent
from coinfer.runtime.fault_log import DOWN, NO_COMPUTE, NO_MESSAGE, UP, FaultLog
from coinfer.runtime.impairments import LINK_KINDS
from coinfer.runtime.lives import Life
from coinfer.runtime.source import SourceReactor
from coinfer.runtime.wire import Shipment

OUT_OF_MEMORY = "out-of-memory"


class FaultRules(ABC):
    """Decides what becomes of a fault; how that is done is the driver's.

    Parameters
    ----------
    log : FaultLog
    source : SourceReactor

    Attributes
    ----------
    unseen : str
        Why a crash or a pause does not count as landed yet; empty where it does at once.
    """

    unseen = ""

    def __init__(self, log: FaultLog, source: SourceReactor) -> None:
        self._log = log
        self._source = source

    @property
    @abstractmethod
    def now_ns(self) -> int:
        """Time of the event being handled."""

    @abstractmethod
    def life(self, device: str) -> Life:
        """Latest life of a device."""

    @abstractmethod
    def _impair(self, fault: FaultEvent) -> None:
        """Open the window of a fault of the link; a partition takes the heartbeats too."""

    @abstractmethod
    def _fall(self, device: str, number: int, *, planned: bool) -> None:
        """Have a device gone with all it holds; one that nobody planned to lose is gone already."""

    @abstractmethod
    def _hold(self, fault: FaultEvent) -> None:
        """Have a device stop for a while."""

    @abstractmethod
    def _slow(self, fault: FaultEvent) -> None:
        """Have a device compute slower for a while."""

    @abstractmethod
    def _give_up(self, device: str) -> bool:
        """Take a silent device for lost at once; False where it is already."""

    @abstractmethod
    def _ship(self, device: str, birth: int) -> None:
        """Send a device all its stages."""

    def inject(self, fault: FaultEvent) -> None:
        """Carry a fault out, or note why it cannot be."""
        number, now_ns, life = fault.number, self.now_ns, self.life(fault.target)
        if fault.kind in LINK_KINDS:
            self._log.inject(number, now_ns, NO_MESSAGE)
            self._impair(fault)
        elif fault.kind == "rejoin":
            self._rejoin(life, fault)
        elif not life.up and (fault.kind != "crash" or life.rejoin < 0):
            self._log.miss(number, DOWN)
        elif fault.kind == "crash":
            self._log.inject(number, now_ns, self.unseen)
            self._fall(fault.target, number, planned=True)
        elif fault.kind == "pause":
            self._log.inject(number, now_ns, self.unseen)
            self._hold(fault)
        else:
            self._log.inject(number, now_ns, NO_COMPUTE)
            self._slow(fault)

    def overflow(self, device: str) -> None:
        """Lose a device that has run out of memory."""
        self._fall(device, self._log.happen(OUT_OF_MEMORY, device, self.now_ns), planned=False)

    def _rejoin(self, life: Life, fault: FaultEvent) -> None:
        """A fresh device says hello: by that the source knows that the old one is gone."""
        if life.up or life.rejoin >= 0:
            self._log.miss(fault.number, UP)
            return
        self._log.inject(fault.number, self.now_ns, "its stages never arrived")
        self._return(fault.target, life, fault.number)

    def _return(self, device: str, life: Life, number: int) -> None:
        """Begin another life of a device that is down."""
        life.rejoin = number
        life.births += 1
        if self._give_up(device):
            self._believe(device, alive=False)
        self._ship(device, life.births)

    def _arrived(self, device: str, rejoin: int, shipment: Shipment) -> None:
        """Have the stages there: the device is up, and the source is told."""
        self._log.observe(rejoin, {"shipped_bytes": shipment.attempt * shipment.payload_bytes})
        self._log.land(rejoin)
        self._log.back(device, self.now_ns)
        self._source.on_birth(device)

    def _believe(self, device: str, *, alive: bool) -> None:
        """Have the source believe a device lost, or alive again."""
        (self._log.back if alive else self._log.lost)(device, self.now_ns)
        self._source.on_peer(device, alive)
