"""What the second emulator keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import simpy

from coinfer.cluster import FaultEvent, Link
from coinfer.contract import Job, Need, Replica, Stage

WIDTH = 4
"""Values of one input row."""


def ns_of(macs: float, macs_per_s: float) -> int:
    return round(macs * 1e9 / macs_per_s)


class Message(NamedTuple):
    kind: str
    job: int
    sender: str
    to: str
    name: str
    rows: tuple[int, ...]
    sent_ns: int
    payload: int | None = None
    group: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.name if self.kind == "data" else f"{self.kind}:{self.name}"

    @property
    def payload_bytes(self) -> int:
        if self.payload is not None:
            return self.payload
        return len(msgspec.msgpack.encode((self.kind, self.job, self.name, self.rows)))


class Leg(NamedTuple):
    link: Link
    channel: simpy.Resource
    devices: tuple[str, ...]
    way: str


class Window(NamedTuple):
    begin_ns: int
    end_ns: int
    event: FaultEvent


@dataclass
class Held:
    """What a device has of one job."""

    waiting: list[Stage]
    frames: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)


@dataclass
class Device:
    name: str
    macs_per_s: float
    stages: list[Stage]
    replicas: dict[str, Replica]
    life: int = 0
    up: bool = True
    lost: bool = False
    coming: bool = False
    births: int = 0
    born_ns: int = 0
    heard_ns: int = 0
    resumes_ns: int = 0
    busy: bool = False
    busy_ns: int = 0
    jobs: dict[int, Held] = field(default_factory=dict)
    slow: list[Window] = field(default_factory=list)
    deferred: list[Callable[[], None]] = field(default_factory=list)

    def needs(self, need: Need) -> bool:
        return any(need in stage.needs for stage in self.stages)


@dataclass
class Open:
    """A job at the source."""

    job: Job
    rule: Any
    fed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
