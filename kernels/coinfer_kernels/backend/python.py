"""What the back ends written in Python share: everything but the loops themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from .. import _arrays, _frame, _scores
from .._frame import CRC_OFFSET, HEADER_BYTES
from .._scores import ExitScores
from ..errors import FrameError
from .protocol import InstructionSet, document

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Float32 = npt.NDArray[np.float32]
    Int8 = npt.NDArray[np.int8]
    Bytes = npt.NDArray[np.uint8]
    Words = npt.NDArray[np.uint16]


class Loops(Protocol):
    """The loops a Python back end must bring. Arrays are contiguous, checked, and aligned."""

    name: str

    def crc32c(self, data: Bytes, crc: int) -> int:
        """CRC32C of `data`, continuing from `crc`."""

    def narrow(self, x: Float32, out: Words) -> None:
        """Bits of `x` as float16, to nearest even. `out` may be unaligned."""

    def widen(self, halves: Words, out: Float32) -> None:
        """Bits of float16 as float32. `halves` may be unaligned."""

    def span(self, x: Float32) -> tuple[float, float]:
        """Smallest and largest of the finite `x` and zero; NaN when an element is not finite."""

    def quantise(self, x: Float32, inverse: float, zero_point: int, out: Int8) -> None:
        """``clip(rint(x * inverse) + zero_point, -128, 127)``, the product in float32."""

    def dequantise(self, q: Int8, scale: float, zero_point: int, out: Float32) -> None:
        """``(q - zero_point) * scale`` in float32."""

    def scores(self, logits: Float32, out: ExitScores) -> None:
        """Fill `out` row by row."""

    def change(self, previous: Float32, current: Float32, kind: str, out: Float32) -> None:
        """Feature change row by row."""


class PythonBackend:
    """A back end made of `Loops`; see `coinfer_kernels` for what its functions do."""

    def __init__(self, loops: Loops, versions: dict[str, str]) -> None:
        self.name = loops.name
        self._loops = loops
        self._versions = versions

    peek = staticmethod(_frame.peek)
    encoded_size = staticmethod(_frame.encoded_size)

    def versions(self) -> dict[str, str]:
        """Versions of what the loops are made with."""
        return dict(self._versions)

    def instruction_set(self) -> InstructionSet:
        """None: NumPy and Numba choose their own."""
        return InstructionSet()

    def encode(
        self, x: npt.ArrayLike, encoding: str, out: Buffer | None = None, *, crc: bool = True
    ) -> bytearray | memoryview:
        """See `coinfer_kernels.encode`."""
        kind = _frame.encoding_named(encoding)
        array = _arrays.as_tensor(x)
        size = _frame.encoded_size(array.shape, encoding)
        frame = bytearray(size) if out is None else _arrays.checked_buffer(out, size)
        payload = np.frombuffer(frame, np.uint8, offset=HEADER_BYTES)
        scale, zero_point = 0.0, 0
        if encoding == "raw":
            payload.view("<f4")[:] = array.ravel()
        elif encoding == "fp16":
            self._loops.narrow(array.ravel(), payload.view("<u2"))
        else:
            flat = array.ravel()
            low, high = self._loops.span(flat)
            scale, inverse, zero_point = _frame.affine_int8(low, high)
            self._loops.quantise(flat, inverse, zero_point, payload.view(np.int8))
        _frame.pack_header(frame, kind, array.shape, scale=scale, zero_point=zero_point, crc=crc)
        if crc:
            frame[CRC_OFFSET:HEADER_BYTES] = self._checksum(frame).to_bytes(4, "little")
        return frame

    def decode(self, buffer: Buffer, out: Float32 | None = None) -> Float32:
        """See `coinfer_kernels.decode`."""
        frame = _frame.as_bytes(buffer)
        info, crc = _frame.unpack_header(frame)
        if len(frame) != info.frame_bytes:
            raise FrameError("length", f"{len(frame)} bytes, the header says {info.frame_bytes}")
        if info.has_crc and self._checksum(frame) != crc:
            raise FrameError("crc", "the checksum does not match: header or payload is damaged")
        if out is None:
            out = np.empty(info.shape, np.float32)
        else:
            _arrays.checked_out(out, info.shape, np.float32)
        payload = np.frombuffer(frame, np.uint8, offset=HEADER_BYTES)
        flat = out.reshape(-1)
        if info.encoding == "raw":
            flat[:] = payload.view("<f4")
        elif info.encoding == "fp16":
            self._loops.widen(payload.view("<u2"), flat)
        else:
            self._loops.dequantise(payload.view(np.int8), info.scale, info.zero_point, flat)
        return out

    def exit_scores(self, logits: npt.ArrayLike, out: ExitScores | None = None) -> ExitScores:
        """See `coinfer_kernels.exit_scores`."""
        rows = _arrays.as_logits(logits)
        if out is None:
            out = ExitScores.empty(len(rows))
        else:
            _arrays.checked_scores(out, len(rows))
        self._loops.scores(rows, out)
        return out

    def should_exit(
        self,
        logits: npt.ArrayLike,
        rule: str,
        threshold: float,
        out: npt.NDArray[np.bool_] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """See `coinfer_kernels.should_exit`."""
        _scores.checked_rule(rule)
        bound = _scores.checked_threshold(threshold)
        scores = self.exit_scores(logits)
        if out is None:
            out = np.empty(len(scores.label), np.bool_)
        else:
            _arrays.checked_out(out, scores.label.shape, np.bool_)
        # In float64, so that a threshold is not rounded; comparing with NaN is false: no exit.
        if rule in ("max-prob", "margin"):
            score = scores.max_prob if rule == "max-prob" else scores.margin
            return np.greater_equal(score.astype(np.float64), bound, out=out)
        score = scores.entropy if rule == "entropy" else scores.energy
        return np.less_equal(score.astype(np.float64), bound, out=out)

    def feature_change(self, previous: npt.ArrayLike, current: npt.ArrayLike, kind: str) -> Float32:
        """See `coinfer_kernels.feature_change`."""
        _scores.checked_change(kind)
        before, after = _arrays.as_row_pair(previous, current)
        out = np.empty(len(before), np.float32)
        self._loops.change(before, after, kind, out)
        return out

    def _checksum(self, frame: bytearray | memoryview) -> int:
        data = np.frombuffer(frame, np.uint8)
        head = self._loops.crc32c(data[:CRC_OFFSET], 0)
        return self._loops.crc32c(data[HEADER_BYTES:], head)


document(PythonBackend)
