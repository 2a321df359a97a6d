"""Clusters and fault lists that suites name without defining them, each with its source."""

from __future__ import annotations

from typing import Final

from coinfer.cluster.devices import Cluster, Device, Link
from coinfer.cluster.faults import Fault, FaultList

_MIXED_MMACS: Final = (24, 30, 36, 48, 60, 80, 100, 120)
_ROCOIN_MFLOPS: Final = (5, 8, 10, 15, 18, 22, 26, 30)
_ROCOIN_BPS: Final = (500, 550, 600, 700, 750, 850, 950, 1000)

CLUSTERS: Final[dict[str, Cluster]] = {
    "mixed-8": Cluster(
        devices=tuple(
            Device(name=f"d{i}", macs_per_s=mmacs * 1e6, memory_bytes=8_000_000)
            for i, mmacs in enumerate(_MIXED_MMACS)
        ),
        links={"*": Link(up_bps=1e6, down_bps=2e6, latency_ms=4.0, jitter_ms=2.0, header_bytes=64)},
        source_macs_per_s=100e6,
        note="eight microcontroller- to small-board-class devices on a busy Wi-Fi network; "
        "invented, so that compute and transport both matter for 28x28 images",
    ),
    "mixed-4": Cluster(
        devices=tuple(
            Device(name=f"d{i}", macs_per_s=mmacs * 1e6, memory_bytes=8_000_000)
            for i, mmacs in enumerate((30, 48, 80, 120))
        ),
        links={"*": Link(up_bps=1e6, down_bps=2e6, latency_ms=4.0, jitter_ms=2.0, header_bytes=64)},
        source_macs_per_s=100e6,
        note="every other device of mixed-8",
    ),
    "rocoin-8": Cluster(
        devices=tuple(
            Device(name=f"d{i}", macs_per_s=mflops * 1e6 / 2, memory_bytes=8_000_000)
            for i, mflops in enumerate(_ROCOIN_MFLOPS)
        ),
        links={
            f"d{i}": Link(up_bps=bps, down_bps=bps, header_bytes=0)
            for i, bps in enumerate(_ROCOIN_BPS)
        },
        source_macs_per_s=100e6,
        note="the setting published for RoCoIn (arXiv 2406.14185): 8 devices, 5-30 MFLOPS, "
        "0.5-1 kbit/s; the values in between and the pairing are [ours]",
    ),
}

FAULTS: Final[dict[str, FaultList]] = {
    "none": FaultList(),
    "one-crash": FaultList(events=(Fault(kind="crash", target="random", on_request=100),)),
}
