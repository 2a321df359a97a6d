"""What every back end must provide, and the documentation of its functions."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from .protocol_codec import Codec
from .protocol_confidence import Confidence

DOCUMENTED: Final = (
    "encode",
    "encode_batch",
    "decode",
    "verify",
    "gather",
    "crc32c",
    "exit_scores",
    "should_exit",
    "feature_change",
    "count_agreement",
)
"""The functions that each back end has of its own."""


class InstructionSet(NamedTuple):
    """What a back end runs on; all empty for those written in Python."""

    isa: str | None = None
    isa_available: tuple[str, ...] = ()
    isa_reason: str | None = None


class Backend(Codec, Confidence, Protocol):
    """The functions of a back end; the module-level ones are those of the selected back end."""

    @property
    def name(self) -> str:
        """``"native"``, ``"numba"`` or ``"reference"``."""

    def versions(self) -> dict[str, str]:
        """Versions of what the back end is made with."""

    def instruction_set(self) -> InstructionSet:
        """Which instruction set is used, which could be, and why this one."""


def document(owner: type) -> None:
    """Give the functions of a back end the docstrings of `Backend`."""
    for name in DOCUMENTED:
        getattr(owner, name).__doc__ = getattr(Backend, name).__doc__
