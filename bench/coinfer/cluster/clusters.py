"""Clusters: devices, the source that asks, and how they are joined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from coinfer.cluster.boards import Boards
from coinfer.cluster.checks import one_of, positive, twice
from coinfer.cluster.devices import Device
from coinfer.cluster.links import Link, Read
from coinfer.contract import SOURCE
from coinfer.errors import ClusterError, hint

RESERVED: Final = (SOURCE, "hub", "random", "*")
"""Names that mean something else than a device."""

_BOARD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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
        What the `flops` of a device are divided by [ours].
    note : str
        Where the numbers come from.
    groups : dict of str to tuple of str
        Devices that fail together, for faults to name.
    routes : dict of str to Link
        ``"a>b"``: a link of its own from a to b, one way, with the rate `up_bps`. Without one,
        a message crosses the uplink of a and the downlink of b.
    broadcast : {"unicast", "multicast"}
        Whether one message to several receivers is charged for each, or once.
    boards : Boards or None
        Where real boards with the names of the devices dial in: native cells run on them, and in
        processes of this machine where there are none. The other modes take no notice.

    Raises
    ------
    ClusterError
        If names do not fit together, or a value is impossible.
    """

    devices: tuple[Device, ...]
    links: dict[str, Link]
    source_macs_per_s: float = 500e6
    medium: str = "point-to-point"
    heartbeat_ms: float = 100.0
    heartbeat_timeout_ms: float = 300.0
    flops_per_mac: float = 2.0
    note: str = ""
    groups: dict[str, tuple[str, ...]] = {}
    routes: dict[str, Link] = {}
    broadcast: str = "unicast"
    boards: Boards | None = None

    def __post_init__(self) -> None:
        for name in ("source_macs_per_s", "flops_per_mac", "heartbeat_ms", "heartbeat_timeout_ms"):
            positive("cluster", name, getattr(self, name))
        if self.heartbeat_timeout_ms < self.heartbeat_ms:
            raise ClusterError(
                f"cluster: heartbeat_timeout_ms = {self.heartbeat_timeout_ms} is shorter than "
                f"heartbeat_ms = {self.heartbeat_ms}; every device would seem lost at once"
            )
        one_of("cluster", "medium", self.medium, ("point-to-point", "shared"))
        one_of("cluster", "broadcast", self.broadcast, ("unicast", "multicast"))
        each = tuple(one for device in self.devices for one in device.one_by_one())
        msgspec.structs.force_setattr(self, "devices", each)
        names = self.names
        self._check_devices(names)
        self._check_links(names)
        self._check_groups(names)
        self._check_routes(names)
        resolved = tuple(device.resolved(self.flops_per_mac) for device in self.devices)
        msgspec.structs.force_setattr(self, "devices", resolved)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all devices, in order."""
        return tuple(device.name for device in self.devices)

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

    def read(self, read: Read) -> Cluster:
        """The same cluster with the content of its traces in place of their paths.

        Raises
        ------
        ClusterError
            If a file cannot be read or is malformed; the message names the link.
        """
        return msgspec.structs.replace(
            self,
            links=_read(self.links, "link", read),
            routes=_read(self.routes, "route", read),
        )

    def _check_devices(self, names: tuple[str, ...]) -> None:
        if not names:
            raise ClusterError("cluster: no devices; name at least one")
        if again := twice(names):
            raise ClusterError(f"cluster: two devices are named {again[0]!r}; rename one")
        for name in names:
            if name in RESERVED or name.startswith(("random:", "group:")) or ">" in name:
                raise ClusterError(
                    f"cluster: no device may be named {name!r}; reserved: {', '.join(RESERVED)}, "
                    "'random:…', 'group:…' and names with a '>'"
                )
            if self.boards is not None and _BOARD.fullmatch(name) is None:
                raise ClusterError(
                    f"cluster: no board may be named {name!r}; use up to 64 letters, digits, '.', "
                    "'_' and '-', with a letter or digit first"
                )

    def _check_links(self, names: tuple[str, ...]) -> None:
        for name in names:
            self.link(name)
        if unknown := sorted(self.links.keys() - {*names, "*"}):
            raise ClusterError(
                f"cluster: link for unknown device {unknown[0]!r}; "
                f"{hint(unknown[0], (*names, '*'))}"
            )

    def _check_groups(self, names: tuple[str, ...]) -> None:
        for group, members in self.groups.items():
            if not members:
                raise ClusterError(f"cluster: group {group!r} is empty; name its devices")
            for member in members:
                if member not in names:
                    raise ClusterError(
                        f"cluster: group {group!r} has the unknown device {member!r}; "
                        f"{hint(member, names)}"
                    )
            if again := twice(members):
                raise ClusterError(f"cluster: group {group!r} has {again[0]!r} twice")

    def _check_routes(self, names: tuple[str, ...]) -> None:
        for route, link in self.routes.items():
            ends = route.split(">")
            if len(ends) != 2 or ends[0] == ends[1]:
                raise ClusterError(
                    f"cluster: route {route!r} does not lead from one device to another; "
                    f"write it as {names[0] + '>' + names[-1]!r}"
                )
            for end in ends:
                if end not in names:
                    raise ClusterError(
                        f"cluster: route {route!r} with the unknown device {end!r}; "
                        f"{hint(end, names)}"
                    )
            steps = link.trace if isinstance(link.trace, tuple) else ()
            if link.down_bps != link.up_bps or any(s.up_bps != s.down_bps for s in steps):
                raise ClusterError(
                    f"cluster: route {route!r} is one way and its rate is up_bps; leave out "
                    f"down_bps, and give the way back a route {ends[1] + '>' + ends[0]!r}"
                )


def _read(links: Mapping[str, Link], kind: str, read: Read) -> dict[str, Link]:
    found = {}
    for name, link in links.items():
        try:
            found[name] = link.read(read)
        except ClusterError as error:
            raise ClusterError(f"{kind} {name!r}: {error}") from None
    return found
