"""What the sockets of a device need where it is another machine than the source's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import zmq

NUMBER_BYTES: Final = 8
"""Each message from another machine begins with its number, so that none is taken twice."""

TCP_OPTIONS: Final = (
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, 5),
    (zmq.TCP_KEEPALIVE_INTVL, 1),
    (zmq.TCP_KEEPALIVE_CNT, 5),
    (zmq.TCP_MAXRT, 10_000),
)
"""A connection whose other end is silent is given up after about ten seconds, and dialled again: a
cable that was pulled tells neither end of it."""


@dataclass(frozen=True)
class Keys:
    """CURVE keys of one end, in Z85.

    Attributes
    ----------
    public, secret : bytes
        Its own. The secret one is shown by nothing that prints the object.
    server : bytes or None
        Of the machine that is dialled; None for that machine itself.
    """

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes | None = None

    def prepare(self, socket: zmq.Socket[Any]) -> None:
        """Have a socket speak CURVE only."""
        socket.curve_publickey = self.public
        socket.curve_secretkey = self.secret
        if self.server is None:
            socket.curve_server = True
        else:
            socket.curve_serverkey = self.server


@dataclass(frozen=True)
class Remote:
    """How a device reaches a source on another machine.

    Attributes
    ----------
    keys : Keys or None
        None: in the clear, over the loopback interface.
    """

    keys: Keys | None

    def prepare(self, socket: zmq.Socket[Any]) -> None:
        """Set a socket up for another machine, before it binds or dials."""
        for option, value in TCP_OPTIONS:
            socket.setsockopt(option, value)
        if self.keys is not None:
            self.keys.prepare(socket)
