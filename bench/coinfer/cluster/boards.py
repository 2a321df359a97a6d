"""Where real boards dial in, for clusters that have some."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import msgspec

from coinfer.cluster.checks import positive
from coinfer.errors import ClusterError

_ENDPOINT: Final = re.compile(r"tcp://(\[[^\]]+\]|[^:/\[\]]+):(\d{1,5})")


class Boards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Real boards behind the devices of a cluster; native cells run on them.

    Attributes
    ----------
    bind : str
        ``tcp://HOST:PORT`` where the boards dial in: an address of this machine, or ``*``.
    curve : bool or None
        Whether connections are encrypted, and let in by an allow-list of keys. Beyond the loopback
        interface always; there only where it is said.
    join_s : float
        How long a cell waits for its boards to dial in.

    Raises
    ------
    ClusterError
        If the address is malformed, or open without keys.
    """

    bind: str
    curve: bool | None = None
    join_s: float = 60.0

    def __post_init__(self) -> None:
        beyond = not is_loopback(self.bind)
        if beyond and self.curve is False:
            raise ClusterError(
                f"boards: bind = {self.bind!r} reaches beyond this machine, where curve = false is "
                "refused; leave curve out, or bind to tcp://127.0.0.1:PORT"
            )
        if self.curve is None:
            msgspec.structs.force_setattr(self, "curve", beyond)
        positive("boards", "join_s", self.join_s)


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is reached from this machine alone.

    Raises
    ------
    ClusterError
        If it is no ``tcp://HOST:PORT``.

    Examples
    --------
    >>> is_loopback("tcp://127.0.0.1:5755"), is_loopback("tcp://[::1]:5755")
    (True, True)
    >>> is_loopback("tcp://192.168.1.10:5755"), is_loopback("tcp://*:5755")
    (False, False)
    """
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ClusterError(
            f"boards: {endpoint!r} is no address of this form: tcp://HOST:PORT, such as "
            "tcp://192.168.1.10:5755"
        )
    host = found[1].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
