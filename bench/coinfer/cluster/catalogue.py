"""Boards that a device can be said to be `like`.

All speeds are estimates until measured on a board: what one network took in one inference library,
halved where that library computed in float16. Nothing here was measured for the models of this
project.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Board(NamedTuple):
    """What is believed of a board until it is measured.

    Attributes
    ----------
    macs_per_s : float
        Sustained float32, one image at a time, on one core or on the GPU.
    memory_bytes : int
        What the system leaves for weights and activations.
    idle_w, busy_w : float
        Of the whole board.
    j_per_byte : float
        Of sending or receiving.
    source : str
        Where each number comes from.
    """

    macs_per_s: float
    memory_bytes: int
    idle_w: float
    busy_w: float
    j_per_byte: float
    source: str


_LIBRARY: Final = "speed: MobileNet-v2 (300 MMAC) in the benchmark list of ncnn (2026)"
_CLOCK: Final = (
    "speed: dot product of 256 in the benchmarks of ESP-DSP (2024), 240 MHz, halved for memory"
)
_CURRENT: Final = "busy: typical active current in the Raspberry Pi documentation (2025) at 5 V"

BOARDS: Final[dict[str, Board]] = {
    "raspberry-pi-3": Board(
        macs_per_s=1.9e9,
        memory_bytes=512_000_000,
        idle_w=1.9,
        busy_w=2.5,
        j_per_byte=2e-7,
        source=f"{_LIBRARY}, 3 B+, one core; half of 1 GB; idle: pidramble.com (2018); "
        f"{_CURRENT}; Wi-Fi: half a watt at 20 Mbit/s [estimate]",
    ),
    "raspberry-pi-4": Board(
        macs_per_s=3.2e9,
        memory_bytes=2_000_000_000,
        idle_w=2.7,
        busy_w=3.0,
        j_per_byte=2e-7,
        source=f"{_LIBRARY}, 1.8 GHz, one core; half of 4 GB; idle: pidramble.com (2019); "
        f"{_CURRENT}; Wi-Fi: half a watt at 20 Mbit/s [estimate]",
    ),
    "raspberry-pi-5": Board(
        macs_per_s=9e9,
        memory_bytes=4_000_000_000,
        idle_w=2.7,
        busy_w=4.0,
        j_per_byte=2e-7,
        source=f"{_LIBRARY}, one core, float16 halved; half of 8 GB; idle: as the Pi 4 "
        f"[estimate]; {_CURRENT}; Wi-Fi: half a watt at 20 Mbit/s [estimate]",
    ),
    "jetson-nano": Board(
        macs_per_s=12e9,
        memory_bytes=2_000_000_000,
        idle_w=1.25,
        busy_w=4.58,
        j_per_byte=1e-7,
        source=f"{_LIBRARY}, GPU, float16 halved; half of 4 GB; power: Hadidi et al., IISWC "
        "2019; Ethernet [estimate]",
    ),
    "jetson-orin-nano": Board(
        macs_per_s=39e9,
        memory_bytes=4_000_000_000,
        idle_w=5.0,
        busy_w=15.0,
        j_per_byte=1e-7,
        source=f"{_LIBRARY}, GPU, float16 halved; half of 8 GB; busy: highest power mode of the "
        "data sheet (2023); idle, Ethernet [estimate]",
    ),
    "esp32": Board(
        macs_per_s=29e6,
        memory_bytes=4_000_000,
        idle_w=0.10,
        busy_w=0.22,
        j_per_byte=5e-7,
        source=f"{_CLOCK}, one core; mapped PSRAM of a WROVER module; power: 30 to 68 mA at "
        "3.3 V, and 180 mA sending, in the data sheet (2021); 10 Mbit/s [estimate]",
    ),
    "esp32-s3": Board(
        macs_per_s=71e6,
        memory_bytes=8_000_000,
        idle_w=0.10,
        busy_w=0.22,
        j_per_byte=5e-7,
        source=f"{_CLOCK}, one core; PSRAM of a WROOM-1 N8R8 module; power: as the ESP32 "
        "[estimate]",
    ),
}
