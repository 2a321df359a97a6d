"""Devices on other machines: they dial in, are told apart by keys, and run the same processes."""

from coinfer.runtime.boards.agent import take_part
from coinfer.runtime.boards.crew import Crew
from coinfer.runtime.boards.keys import KeyFolder

__all__ = ["Crew", "KeyFolder", "take_part"]
