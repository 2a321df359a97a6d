"""Devices, links and clusters as a suite file states them."""

from __future__ import annotations

import math

import msgspec

from coinfer.contract import SOURCE
from coinfer.errors import ClusterError


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device.

    Attributes
    ----------
    name : str
    macs_per_s : float
        Sustained compute; one multiply-accumulate is counted once.
    memory_bytes : int
        What weights and activations may take.
    failure_probability : float
        Chance of being lost during a request, as the planner believes.
    idle_w, busy_w, j_per_byte : float
        Parameters of the energy proxy.
    """

    name: str
    macs_per_s: float
    memory_bytes: int = 64_000_000
    failure_probability: float = 0.05
    idle_w: float = 0.5
    busy_w: float = 2.0
    j_per_byte: float = 1e-7

    def __post_init__(self) -> None:
        if not (self.macs_per_s > 0 and math.isfinite(self.macs_per_s)):
            raise ClusterError(f"device {self.name}: macs_per_s = {self.macs_per_s}; use > 0")
        if self.memory_bytes <= 0:
            raise ClusterError(f"device {self.name}: memory_bytes = {self.memory_bytes}; use > 0")
        if not 0 <= self.failure_probability < 1:
            raise ClusterError(
                f"device {self.name}: failure_probability = {self.failure_probability}; "
                "use a value in [0, 1)"
            )


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The link between one device and the medium.

    Attributes
    ----------
    up_bps, down_bps : float
        Bit rates from and to the device.
    latency_ms, jitter_ms : float
        Every message takes the latency plus a keyed uniform draw from [0, jitter].
    header_bytes : int
        Charged for every message beside its payload (0 in the papers' setting, where the
        64-byte header of a frame alone would take a second).
    """

    up_bps: float
    down_bps: float
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    header_bytes: int = 64

    def __post_init__(self) -> None:
        if not (self.up_bps > 0 and self.down_bps > 0):
            raise ClusterError(
                f"link: up_bps = {self.up_bps}, down_bps = {self.down_bps}; both must be > 0"
            )
        if self.latency_ms < 0 or self.jitter_ms < 0 or self.header_bytes < 0:
            raise ClusterError("link: latency_ms, jitter_ms and header_bytes must be >= 0")


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Devices, the source that asks, and how they are joined.

    Attributes
    ----------
    devices : tuple of Device
    links : dict of str to Link
        By device name; ``"*"`` stands for every device that is not named.
    source_macs_per_s : float
        Compute of the source (heads, decisions, codec).
    medium : {"point-to-point", "shared"}
        Whether each device has a channel of its own in each direction, or all share one.
    heartbeat_ms, heartbeat_timeout_ms : float
        A device is believed lost when nothing was heard of it for the time-out.
    flops_per_mac : float
        How published FLOPS were turned into MAC/s here [ours].
    note : str
        Where the numbers come from.
    """

    devices: tuple[Device, ...]
    links: dict[str, Link]
    source_macs_per_s: float = 500e6
    medium: str = "point-to-point"
    heartbeat_ms: float = 100.0
    heartbeat_timeout_ms: float = 300.0
    flops_per_mac: float = 2.0
    note: str = ""

    def __post_init__(self) -> None:
        names = [d.name for d in self.devices]
        if not names:
            raise ClusterError("cluster: no devices; name at least one")
        if len(set(names)) != len(names) or SOURCE in names:
            raise ClusterError(
                f"cluster: device names {names} must differ and none may be {SOURCE!r}"
            )
        if self.medium not in ("point-to-point", "shared"):
            raise ClusterError(
                f"cluster: medium = {self.medium!r}; allowed: point-to-point, shared"
            )
        for name in names:
            self.link(name)
        for name in self.links:
            if name != "*" and name not in names:
                raise ClusterError(f"cluster: link for unknown device {name!r}; devices: {names}")

    def link(self, device: str) -> Link:
        """Link of a device.

        Raises
        ------
        ClusterError
            If neither the device nor ``"*"`` has a link.
        """
        found = self.links.get(device, self.links.get("*"))
        if found is None:
            raise ClusterError(f'cluster: no link for device {device!r}; add it or one named "*"')
        return found

    def device(self, name: str) -> Device:
        """Device by name; the source answers as a device with its own speed."""
        if name == SOURCE:
            return Device(name=SOURCE, macs_per_s=self.source_macs_per_s, memory_bytes=2**40)
        for device in self.devices:
            if device.name == name:
                return device
        raise ClusterError(f"cluster: no device named {name!r}")
