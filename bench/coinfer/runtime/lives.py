"""Lives of devices: one that went down and came back is another one under the same name."""

from __future__ import annotations

from collections import Counter

import msgspec

from coinfer.runtime.wire import Envelope, Shipment


class Life(msgspec.Struct):
    """What is known of the latest life of a device.

    Attributes
    ----------
    up : bool
    fallen : int
        Number of the fault that it went down with; -1 where it did not.
    rejoin : int
        Number of the fault that it is coming back with; -1 where it is not.
    births : int
        How many times it has come back, or begun to.
    born_ns : int
        When it came back last.
    """

    up: bool = True
    fallen: int = -1
    rejoin: int = -1
    births: int = 0
    born_ns: int = 0

    def takes(self, envelope: Envelope) -> bool:
        """Whether a message that is across is for this life.

        Examples
        --------
        >>> from coinfer.runtime.wire import Control, Path
        >>> sent = Envelope("source", "d0", 5, Path(5), Control("stop", 0, "", ()))
        >>> Life(born_ns=5).takes(sent), Life(born_ns=6).takes(sent), Life(up=False).takes(sent)
        (True, False, False)
        """
        if isinstance(envelope.body, Shipment):
            return not self.up and self.rejoin >= 0 and envelope.body.birth == self.births
        return self.up and envelope.sent_ns >= self.born_ns


class Turnstile:
    """Lets a message through to the life that it was sent to, and counts the others.

    Attributes
    ----------
    stale_messages : int
        Messages for a former life of a device that is back, or on its way back.
    lost_messages : Counter
        Messages for a device that was down, by the number of the fault that it went down with.
    """

    def __init__(self) -> None:
        self.stale_messages = 0
        self.lost_messages: Counter[int] = Counter()

    def admits(self, life: Life, envelope: Envelope) -> bool:
        """Whether a message reaches anybody."""
        if life.takes(envelope):
            return True
        if isinstance(envelope.body, Shipment) or life.up or life.rejoin >= 0:
            self.stale_messages += 1
        else:
            self.lost_messages[life.fallen] += 1
        return False
