"""What a board and the machine that it dials tell each other outside of runs: *notes*.

A note is one MessagePack value with its number; packets of a run are something else. Identities of
boards begin with `LOBBY`, which no process of a run has.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from coinfer.runtime.wire import Natural

PROTOCOL: Final = 1
"""Version of notes and packets; both ends must have the same."""

LOBBY: Final = b"lobby/"

CHUNK_BYTES: Final = 1 << 18
"""Weights travel in pieces of this size, asked for one by one."""

MOST_FROM_BOARD_BYTES: Final = 1 << 20
MOST_TO_BOARD_BYTES: Final = 1 << 26
"""Notes that are larger are not let in."""

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=4000)]


class Facts(msgspec.Struct, frozen=True):
    """What a board says of itself.

    Attributes
    ----------
    machine : str
        Architecture, as the kernel names it.
    model : str
        Board or processor; empty where it cannot be read.
    cores : int
    memory_bytes : int or None
    governor : str or None
        Of the first core's clock.
    temperature_c : float or None
        The hottest sensor.
    system, python, torch : str
    kernels : tuple of str
        Back ends that work there, the preferred one first.
    """

    machine: Text
    model: Text
    cores: Natural
    memory_bytes: Natural | None
    governor: Text | None
    temperature_c: float | None
    system: Text
    python: Text
    torch: Text
    kernels: tuple[Name, ...]


# From a board


class Join(msgspec.Struct, frozen=True, tag="join"):
    """A board would like to take part; said until it is answered."""

    protocol: Natural
    release: Text
    code_sha256: Text
    facts: Facts


class Want(msgspec.Struct, frozen=True, tag="want"):
    """A board lacks weights, from this place in their file on."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    offset: Natural


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """A board has all that its stages take."""

    kernels: Name


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A board cannot take part."""

    reason: Text


class Process(msgspec.Struct, frozen=True, tag="process"):
    """A life of a board's device, as its process is seen.

    Attributes
    ----------
    birth : int
    exit_code : int or None
        None: it runs.
    stopped : bool
    """

    birth: Natural
    exit_code: int | None = None
    stopped: bool = False


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """A board is there; the answer, which is the same, says so of the other end."""

    temperature_c: float | None = None


class Echo(msgspec.Struct, frozen=True, tag="echo"):
    """A payload: sent back with as many bytes as are asked for."""

    number: Natural
    payload: bytes = b""
    wanted_bytes: Annotated[int, msgspec.Meta(ge=0, le=CHUNK_BYTES)] = 0


class Speed(msgspec.Struct, frozen=True, tag="speed"):
    """What the reference kernel took."""

    reference_ns: Natural
    reference_macs: Natural


# To a board


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """A board may not take part; it need not try again as it is."""

    reason: str


class Deploy(msgspec.Struct, frozen=True, tag="deploy"):
    """A board is to get ready for a run."""

    blueprint: bytes


class Chunk(msgspec.Struct, frozen=True, tag="chunk"):
    """A piece of a file of weights."""

    sha256: str
    offset: Natural
    size: Natural
    content: bytes


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """A life is to be started.

    Attributes
    ----------
    birth : int
    age_ns : int or None
        For how long the run has gone on; None: it begins when the process is told.
    """

    birth: Natural
    age_ns: int | None = None


class Signal(msgspec.Struct, frozen=True, tag="signal"):
    """A signal to the process of a life."""

    birth: Natural
    signal: Natural


class Measure(msgspec.Struct, frozen=True, tag="measure"):
    """A board is to time the reference kernel."""


class Again(msgspec.Struct, frozen=True, tag="again"):
    """The session of a board is not known here: it has to join anew."""


class Over(msgspec.Struct, frozen=True, tag="over"):
    """Nothing more is wanted of a board; the answer is the same."""


FromBoard: TypeAlias = Join | Want | Prepared | Failed | Process | Alive | Echo | Speed | Over
ToBoard: TypeAlias = (
    Refusal | Deploy | Chunk | Begin | Signal | Alive | Echo | Measure | Again | Over
)


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """A note of a board; numbers rise within a session."""

    number: Natural
    body: FromBoard


_ENCODER: Final = msgspec.msgpack.Encoder()
_NUMBERED: Final = msgspec.msgpack.Decoder(Numbered)
_TO_BOARD: Final[msgspec.msgpack.Decoder[ToBoard]] = msgspec.msgpack.Decoder(ToBoard)


def encode(note: Any) -> bytes:
    """Bytes of a note.

    Examples
    --------
    >>> to_board(encode(Over()))
    Over()
    """
    return _ENCODER.encode(note)


def from_board(content: bytes) -> Numbered:
    """Note of a board.

    Raises
    ------
    ValueError
        If it is none (`msgspec.MsgspecError` and `UnicodeDecodeError` are some).
    """
    found: Numbered = _decoded(_NUMBERED, content)
    return found


def to_board(content: bytes) -> ToBoard:
    """Note to a board.

    Raises
    ------
    ValueError
        If it is none.
    """
    found: ToBoard = _decoded(_TO_BOARD, content)
    return found


def _decoded(decoder: Any, content: bytes) -> Any:
    try:
        return decoder.decode(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def lobby_identity(name: str, session: str) -> bytes:
    """What a board shows to be known by a name, in a session of its own.

    Examples
    --------
    >>> lobby_identity("pi4-a", "0f")
    b'lobby/pi4-a/0f'
    """
    return LOBBY + f"{name}/{session}".encode()
