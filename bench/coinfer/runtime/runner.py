"""Runs stages: builds their modules once, and remembers outputs where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from coinfer.contract import FloatArray, ModuleRef, Slice, Stage

if TYPE_CHECKING:
    import torch

Build = Callable[[ModuleRef], "torch.nn.Module"]
"""Builds a module with its weights, ready for inference."""

Forward = Callable[..., FloatArray]
"""A module on arrays of shape (rows, …), with one argument for each of its inputs."""

MEMO_BYTES = 2 << 30
"""Outputs kept in memory at most; the oldest go first."""

ENTRY_BYTES = 512
"""What an output takes beside its numbers: key, digest, headers of the objects."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """An array with the digest of what it was made from (empty where nothing is remembered)."""

    array: FloatArray
    digest: bytes = b""

    def take(self, select: Slice | None) -> Value:
        """Part of the array, as its consumer selected it."""
        if select is None:
            return self
        index = [slice(None)] * self.array.ndim
        index[select.axis] = slice(select.start, select.stop)
        return Value(np.ascontiguousarray(self.array[tuple(index)]), _derive(self.digest, select))

    def pick(self, places: Sequence[int]) -> Value:
        """Some of the rows."""
        if len(places) == len(self.array):
            return self
        return Value(self.array[list(places)], _derive(self.digest, tuple(places)))


def digest_of(data: Any) -> bytes:
    """Digest of a buffer, to tell values apart."""
    return blake2b(data, digest_size=16).digest()


def _derive(digest: bytes, how: object) -> bytes:
    return digest_of(digest + repr(how).encode()) if digest else b""


class Runner:
    """Runs stages on one thread.

    Virtual time remembers every output by (module, digest of the inputs) at the batch size that
    is executed, so that cells that share a deployment pay for each image once. Real processes
    compute every time.

    Parameters
    ----------
    build : callable
    memo : bool

    Attributes
    ----------
    remembers : bool
        Whether digests are needed.
    """

    def __init__(self, build: Build, *, memo: bool) -> None:
        self._build = build
        self._forwards: dict[bytes, Forward] = {}
        self._memo: dict[tuple[bytes, ...], Value] | None = {} if memo else None
        self._memo_bytes = 0
        self.remembers = memo

    def value(self, array: FloatArray) -> Value:
        """Array as a value of this runner."""
        return Value(array, digest_of(np.ascontiguousarray(array)) if self.remembers else b"")

    def prepare(self, stage: Stage) -> None:
        """Build the module of a stage before time starts."""
        self._forward(stage)

    def run(self, stage: Stage, inputs: Sequence[Value]) -> Value:
        """Output of a stage, shape (rows, …) in float32."""
        if self._memo is None:
            return Value(self._forward(stage)(*[v.array for v in inputs]))
        key = (module_key(stage.module), *[v.digest for v in inputs])
        if (known := self._memo.get(key)) is not None:
            return known
        digest = digest_of(b"".join(key))
        value = Value(self._forward(stage)(*[v.array for v in inputs]), digest)
        self._memo[key] = value
        self._memo_bytes += ENTRY_BYTES + value.array.nbytes
        while self._memo_bytes > MEMO_BYTES:
            oldest = next(iter(self._memo))
            self._memo_bytes -= ENTRY_BYTES + self._memo.pop(oldest).array.nbytes
        return value

    def _forward(self, stage: Stage) -> Forward:
        """What the module of a stage does; built once."""
        key = module_key(stage.module)
        found = self._forwards.get(key)
        if found is None:
            found = self._forwards[key] = _forward_of(self._build(stage.module))
        return found


def _forward_of(module: torch.nn.Module) -> Forward:
    """What a module does, on arrays."""
    import torch

    if type(module) is torch.nn.Linear:
        return _linear(module)

    def forward(*arrays: FloatArray) -> FloatArray:
        with torch.inference_mode():
            out: torch.Tensor = module(*[torch.from_numpy(np.ascontiguousarray(a)) for a in arrays])
        return np.ascontiguousarray(out.numpy(), dtype=np.float32)

    return forward


def _linear(layer: torch.nn.Linear) -> Forward:
    """The same in NumPy: for one row, most of the time would be what PyTorch takes around it."""
    weight = layer.weight.detach().numpy().T
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()

    def forward(x: FloatArray) -> FloatArray:
        out: FloatArray = x @ weight
        out += bias
        return out

    return forward


_KEYS: dict[int, tuple[ModuleRef, bytes]] = {}


def module_key(ref: ModuleRef) -> bytes:
    """Digest that names a module with its weights."""
    known = _KEYS.get(id(ref))
    if known is not None and known[0] is ref:
        return known[1]
    arguments: Mapping[str, Any] = dict(ref.arguments)
    text = json.dumps([ref.builder, arguments, ref.weights_sha256, ref.prefix], sort_keys=True)
    key = digest_of(text.encode())
    _KEYS[id(ref)] = (ref, key)
    return key
