"""What is measured: every kernel and size, what it is given, and what it should take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from bursts import Call
from inputs import LOGITS, SHAPES, features, logits, memory
from peers.confidence import THRESHOLD

import coinfer_kernels
from coinfer_kernels import ExitScores, backend

ENCODINGS = coinfer_kernels.info()["encodings"]
_WITH_CRC = ("raw", "fp16", "int8")
_PORTIONS = 8
_LARGE = 65536


class Target(NamedTuple):
    """Most that a kernel may take, as a multiple of what something else takes in the same run."""

    of: str
    at_most: float


class Task(NamedTuple):
    """One kernel at one size."""

    kernel: str
    size: int | str

    @property
    def small(self) -> bool:
        """Whether the call itself is a good part of it."""
        return self.size in (64, "1x10", "1x1000", "32x100")

    def inputs(self) -> tuple[Any, ...]:
        """Arrays that kernel and peers are given, the first one as large as what is copied."""
        if isinstance(self.size, str):
            return (logits(self.size),)
        x = features(self.size)
        if self.kernel == "crc32c":
            return (x.reshape(-1).view(np.uint8),)
        if self.kernel.startswith("feature_change"):
            return x.reshape(1, -1), features(self.size, seed=2).reshape(1, -1)
        if self.kernel.startswith("gather"):
            return tuple(x.reshape(_PORTIONS, 1, -1))
        return (x,)

    def copied(self) -> np.ndarray:
        """Give the float32 bytes that a memcpy moves."""
        return logits(self.size) if isinstance(self.size, str) else features(self.size)

    def target(self) -> Target | None:
        """What is aimed at on an AVX-512 machine, where something is."""
        return _target(self.kernel, self.size)


def tasks() -> Iterator[Task]:
    """Every kernel at every size, with checksum too where frames are often sent with one."""
    for size in SHAPES:
        for verb in ("encode", "decode"):
            for encoding in ENCODINGS:
                yield Task(f"{verb} {encoding}", size)
            for encoding in _WITH_CRC:
                yield Task(f"{verb} {encoding} +crc", size)
        for kernel in ("crc32c", "feature_change l2", f"gather {_PORTIONS} int8"):
            yield Task(kernel, size)
    for kernel in ("exit_scores", "should_exit"):
        for size in LOGITS:
            yield Task(kernel, size)


def subjects() -> Iterator[tuple[str, str | None]]:
    """Back ends that work here, the native one once for each instruction set."""
    for name in backend.available():
        for isa in backend.load(name).instruction_set().isa_available or (None,):
            yield name, isa


def call(task: Task, kernels: Any, inputs: tuple[Any, ...]) -> Call | None:
    """Return the call to measure, or None where the back end does not have it."""
    verb, _, rest = task.kernel.partition(" ")
    function = getattr(kernels, verb, None)
    if function is None:
        return None
    x = inputs[0]
    if verb in ("encode", "decode"):
        encoding, _, crc = rest.partition(" ")
        encoding = sys.intern(encoding)  # as a name is that stands in source code
        # What users have at hand; a memoryview that is made once would be taken faster still.
        room = bytearray(kernels.encoded_size(x.shape, encoding))
        if verb == "encode":
            return Call(function, (x, encoding, room, bool(crc)))
        frame = kernels.encode(x, encoding, room, bool(crc))
        return Call(function, (frame, memory(x.size, np.float32).reshape(x.shape)))
    if verb == "crc32c":
        return Call(function, (x,))
    if verb == "gather":
        frames = [kernels.encode(part, rest.split()[1], None, False) for part in inputs]
        widths = [part.shape[1] for part in inputs]
        return Call(function, (frames, widths, memory(sum(widths), np.float32).reshape(1, -1)))
    if verb == "exit_scores":
        return Call(function, (x, ExitScores.empty(len(x))))
    if verb == "should_exit":
        return Call(function, (x, "max-prob", THRESHOLD, np.empty(len(x), bool)))
    return Call(function, (*inputs, sys.intern(rest), np.empty(len(x), np.float32)))


def _target(kernel: str, size: int | str) -> Target | None:
    verb, _, encoding = kernel.partition(" ")
    if size == "1x10" and verb == "should_exit":
        return Target("empty call", 4.0)
    if size in ("1024x10", "256x1000") and verb == "exit_scores":
        return Target("numba", 1 / 3.4)
    if size == 64 and verb in ("encode", "decode") and "+crc" not in encoding:
        return Target("empty call", 4.5)
    if size != _LARGE:
        return None
    if verb == "crc32c":
        return Target("memcpy", 1.0)
    if encoding.startswith("sparse"):
        return Target("memcpy", 1.25 if verb == "encode" else 1.6)
    most = {"fp16": 0.8, "bf16": 0.8, "int8": 1.15, "int4": 1.15}.get(encoding)
    return Target("memcpy", most) if most is not None and verb == "encode" else None
