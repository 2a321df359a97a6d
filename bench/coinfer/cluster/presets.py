"""Clusters and fault lists that suites name without defining them, each with its source."""

from __future__ import annotations

from typing import Final

from coinfer.cluster.clusters import Cluster
from coinfer.cluster.devices import Device
from coinfer.cluster.faults import Fault, FaultList
from coinfer.cluster.links import Link

_MIXED_MMACS: Final = (24, 30, 36, 48, 60, 80, 100, 120)
_ROCOIN_MFLOPS: Final = (5, 8, 10, 15, 18, 22, 26, 30)
_ROCOIN_BPS: Final = (500, 550, 600, 700, 750, 850, 950, 1000)
_ROCOIN_DEVICES: Final = tuple(
    Device(name=f"d{i}", macs_per_s=mflops * 1e6 / 2, memory_bytes=8_000_000)
    for i, mflops in enumerate(_ROCOIN_MFLOPS)
)
_UNCOUNTED_BPS: Final = 1e12

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
        devices=_ROCOIN_DEVICES,
        links={
            f"d{i}": Link(up_bps=bps, down_bps=bps, header_bytes=0)
            for i, bps in enumerate(_ROCOIN_BPS)
        },
        source_macs_per_s=100e6,
        note="the setting published for RoCoIn (arXiv 2406.14185): 8 devices, 5-30 MFLOPS, "
        "0.5-1 kbit/s; the values in between and the pairing are [ours]",
    ),
    "rocoin-8-uplink": Cluster(
        devices=_ROCOIN_DEVICES,
        links={
            f"d{i}": Link(up_bps=bps, down_bps=_UNCOUNTED_BPS, header_bytes=0)
            for i, bps in enumerate(_ROCOIN_BPS)
        },
        source_macs_per_s=100e6,
        note="rocoin-8 as if inputs reached every device at once [ours]: only computation and the "
        "way back of a portion are counted",
    ),
    "pi-4": Cluster(
        devices=(
            Device(name="pi3", like="raspberry-pi-3"),
            Device(name="pi4a", like="raspberry-pi-4"),
            Device(name="pi4b", like="raspberry-pi-4"),
            Device(name="pi5", like="raspberry-pi-5"),
        ),
        links={"*": Link(up_bps=20e6, down_bps=20e6, latency_ms=2.0, jitter_ms=2.0)},
        source_macs_per_s=3.2e9,
        medium="shared",
        note="four Raspberry Pis and a Pi 4 that asks, on one 2.4 GHz Wi-Fi network; boards as in "
        "the catalogue, the network is an estimate",
    ),
    "jetson-pi-4": Cluster(
        devices=(
            Device(name="nano", like="jetson-nano"),
            Device(name="orin", like="jetson-orin-nano"),
            Device(name="pi4", like="raspberry-pi-4"),
            Device(name="pi5", like="raspberry-pi-5"),
        ),
        links={"*": Link(up_bps=900e6, down_bps=900e6, latency_ms=0.3, jitter_ms=0.1)},
        source_macs_per_s=3.2e9,
        note="two Jetsons, two Raspberry Pis and a Pi 4 that asks, on switched gigabit Ethernet; "
        "boards as in the catalogue, the network is an estimate",
    ),
    "esp32-8": Cluster(
        devices=tuple(Device(name=f"esp{i}", like="esp32") for i in range(8)),
        links={"*": Link(up_bps=1e6, down_bps=1e6, latency_ms=3.0, jitter_ms=3.0, header_bytes=43)},
        source_macs_per_s=29e6,
        medium="shared",
        note="eight ESP32 modules and one that asks, on one radio channel at the 1 Mbit/s that "
        "ESP-NOW sends at unless told; boards as in the catalogue, the network is an estimate",
    ),
}

FAULTS: Final[dict[str, FaultList]] = {
    "none": FaultList(),
    "one-crash": FaultList(events=(Fault(kind="crash", target="random", on_request=100),)),
}
