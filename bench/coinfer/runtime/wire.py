"""What travels between devices, source and hub: bodies, and the envelope around them.

A *frame* is what the kernels encode; an *envelope* is what a transport carries around it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from coinfer.contract import SOURCE, Slice

FRAME_HEADER_BYTES: Final = 64
"""Header of every frame; links charge their own header instead of it."""

Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
"""What no message may have below nothing, or so large that sums of it leave 64 bits."""


class Path(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Critical path up to one event: ``now - origin_ns`` split by what the time went into."""

    origin_ns: Natural
    compute_ns: Natural = 0
    serialise_ns: Natural = 0
    link_ns: Natural = 0
    queue_ns: Natural = 0
    decide_ns: Natural = 0

    def plus(
        self,
        *,
        compute: int = 0,
        serialise: int = 0,
        link: int = 0,
        queue: int = 0,
        decide: int = 0,
    ) -> Path:
        """Path with more time spent.

        Examples
        --------
        >>> Path(5).plus(compute=3, link=2).plus(link=1).total_ns
        6
        """
        return Path(
            self.origin_ns,
            self.compute_ns + compute,
            self.serialise_ns + serialise,
            self.link_ns + link,
            self.queue_ns + queue,
            self.decide_ns + decide,
        )

    @property
    def total_ns(self) -> int:
        """Length of the path."""
        return self.compute_ns + self.serialise_ns + self.link_ns + self.queue_ns + self.decide_ns


Spent: TypeAlias = dict[Natural, tuple[Natural, Natural, Natural, Natural]]
"""By request: MACs run, and bytes, messages and frame bytes sent to other devices, unreported."""


class Data(msgspec.Struct, frozen=True, gc=False, tag="data"):
    """Rows of the input or of a stage's output, as a frame.

    Attributes
    ----------
    job, size : int
        The job, and how many rows it has when complete.
    stage : str
    select : Slice or None
        The part of the output that this is.
    rows : tuple of int
        Request numbers of the rows; all rows of the job where the stage merges them.
    frame : bytes-like
    payload_bytes : int
        What the link charges, without its own header.
    spent : dict
        Ledger of the sender since its last report.
    """

    job: Natural
    size: Natural
    stage: str
    select: Slice | None
    rows: tuple[Natural, ...]
    frame: Any
    payload_bytes: Natural
    spent: Spent = {}

    @property
    def label(self) -> str:
        """What it is, for keyed draws and traces."""
        return self.stage


class Control(msgspec.Struct, frozen=True, gc=False, tag="control"):
    """A decision of the source.

    Attributes
    ----------
    kind : {"permit", "stop", "start"}
    job : int
    name : str
        Gate of a permit, stage of a start.
    rows : tuple of int
    """

    kind: Literal["permit", "stop", "start"]
    job: Natural
    name: str
    rows: tuple[Natural, ...]

    @property
    def label(self) -> str:
        """What it is, for keyed draws and traces."""
        return f"{self.kind}:{self.name}"

    @property
    def payload_bytes(self) -> int:
        """Size of its fields in MessagePack."""
        return len(msgspec.msgpack.encode((self.kind, self.job, self.name, self.rows)))


class Shipment(msgspec.Struct, frozen=True, tag="shipment"):
    """The stages of a device, sent to it when it comes back empty; belongs to no request.

    Attributes
    ----------
    birth : int
        How many times the device has come back by now: one that went down again needs another.
    attempt : int
        Counted from 1; what is lost on the way is sent again.
    payload_bytes : int
        Weights of all its stages.
    """

    birth: Natural
    attempt: Natural
    payload_bytes: Natural

    @property
    def job(self) -> int:
        """None of the jobs."""
        return -1

    @property
    def rows(self) -> tuple[int, ...]:
        """None."""
        return ()

    @property
    def label(self) -> str:
        """What it is, for keyed draws and traces."""
        return f"ship:{self.birth}.{self.attempt}"


Body: TypeAlias = Data | Control | Shipment


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A body on its way.

    Attributes
    ----------
    sender, to : str
    sent_ns : int
        When it left the sender.
    path : Path
        Critical path up to `sent_ns`, or, once delivered, up to the delivery.
    body : Data, Control or Shipment
    group : tuple of str
        All that get the same from one transmission, this receiver among them; none where it goes
        to this one alone.
    """

    sender: str
    to: str
    sent_ns: Natural
    path: Path
    body: Body
    group: tuple[str, ...] = ()

    def later(self, *, queue: int = 0, link: int = 0) -> Envelope:
        """Envelope that spent more time on its way."""
        path = self.path
        longer = Path(
            path.origin_ns,
            path.compute_ns,
            path.serialise_ns,
            path.link_ns + link,
            path.queue_ns + queue,
            path.decide_ns,
        )
        return Envelope(self.sender, self.to, self.sent_ns, longer, self.body, self.group)


def shipped(device: str, birth: int, attempt: int, weights_bytes: int, now_ns: int) -> Envelope:
    """The stages of a device as a message to it, sent now."""
    body = Shipment(birth, attempt, weights_bytes)
    return Envelope(SOURCE, device, now_ns, Path(now_ns), body)


class Loss(NamedTuple):
    """What a message to the source would have told the ledger, had it not been lost."""

    rows: tuple[int, ...]
    payload_bytes: int
    frame_bytes: int
    spent: Spent


class Crossing(msgspec.Struct, frozen=True, gc=False):
    """A message on a link of these devices: from when it had the channel until it was across."""

    devices: tuple[str, ...]
    begin_ns: int
    end_ns: int


class Flight(msgspec.Struct, frozen=True, gc=False):
    """An envelope on its way through the hub.

    Attributes
    ----------
    envelope : Envelope
        Its path reaches up to `at_ns`.
    at_ns : int
        When it comes to the first of the links ahead, or was lost.
    legs : tuple
        Links ahead; none where it is across.
    crossings : tuple of Crossing
        Links that it has crossed.
    attempt : int
        How many times the first link ahead will have been tried.
    lost : bool
    """

    envelope: Envelope
    at_ns: int
    legs: tuple[Any, ...]
    crossings: tuple[Crossing, ...] = ()
    attempt: int = 1
    lost: bool = False
