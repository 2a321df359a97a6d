"""Energy counters of the processor (RAPL), read where the system lets us.

Linux shows them as ``/sys/class/powercap/intel-rapl:N``, those of AMD too [Linux kernel, Power
Capping Framework]. They count what whole packages draw: every process of the machine, ours or not.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from coinfer.runtime.record import Energy

POWERCAP: Final = Path("/sys/class/powercap")

READ_AGAIN_S: Final = 20.0
"""A counter of 2^32 steps of 61 uJ wraps within 15 minutes at 300 W; nobody draws 10 kW."""


class _Zone(NamedTuple):
    name: str
    counter: Path
    range_uj: int


class Rapl:
    """Sums up what the packages have drawn since it was made.

    Parameters
    ----------
    powercap : Path
        Folder of the zones.

    Attributes
    ----------
    problem : str or None
        Why nothing can be read.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._zones: list[_Zone] = []
        self._last_uj: list[int] = []
        self._total_uj = 0
        self.problem: str | None = None
        try:
            # Zones within a package have a second colon; their energy is part of the package's.
            for folder in sorted(powercap.glob("intel-rapl:*")):
                if folder.name.count(":") == 1:
                    self._open(folder)
        except (OSError, ValueError) as error:
            self._give_up(error)
        if not self._zones and self.problem is None:
            self.problem = f"no counters of packages in {powercap} (virtual machine, other system)"
        self._read_s = time.monotonic()

    @property
    def zones(self) -> tuple[str, ...]:
        """Names of the packages that are counted; empty where none can be."""
        return tuple(zone.name for zone in self._zones)

    def note(self) -> None:
        """Read the counters if that is a while ago, so that none wraps twice unseen."""
        if self._zones and time.monotonic() - self._read_s >= READ_AGAIN_S:
            self.spent()

    def spent(self) -> Energy | None:
        """Energy since the beginning; None where nothing can be read."""
        self._read_s = time.monotonic()
        try:
            for place, zone in enumerate(self._zones):
                now_uj = _number(zone.counter)
                self._total_uj += (now_uj - self._last_uj[place]) % zone.range_uj
                self._last_uj[place] = now_uj
        except (OSError, ValueError) as error:
            self._give_up(error)
        if not self._zones:
            return None
        scope = f"{', '.join(self.zones)} of the whole machine, all processes"
        return Energy(self._total_uj / 1e6, scope)

    def _open(self, folder: Path) -> None:
        name = (folder / "name").read_text("utf-8").strip()
        # "psys" counts the whole board, packages included.
        if name.startswith("package"):
            zone = _Zone(name, folder / "energy_uj", _number(folder / "max_energy_range_uj"))
            self._last_uj.append(_number(zone.counter))
            self._zones.append(zone)

    def _give_up(self, error: OSError | ValueError) -> None:
        """Count nothing rather than some of the packages."""
        self._zones.clear()
        self.problem = str(error)


def _number(path: Path) -> int:
    return int(path.read_text("utf-8"))
