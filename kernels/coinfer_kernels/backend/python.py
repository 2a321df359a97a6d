"""What the back ends written in Python share: everything but the loops themselves."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .. import _arrays, _frame, _layout, _scores
from .._scores import ExitScores
from . import codec
from .protocol import InstructionSet, document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from .loops import Loops

    Bools = npt.NDArray[np.bool_]
    Float32 = npt.NDArray[np.float32]
    Int32 = npt.NDArray[np.int32]


class PythonBackend:
    """A back end made of `Loops`; see `coinfer_kernels` for what its functions do."""

    def __init__(self, loops: Loops, versions: dict[str, str]) -> None:
        self.name = loops.name
        self._loops = loops
        self._versions = versions

    peek = staticmethod(_frame.peek)
    encoded_size = staticmethod(_layout.encoded_size)

    def versions(self) -> dict[str, str]:
        """Versions of what the loops are made with."""
        return dict(self._versions)

    def instruction_set(self) -> InstructionSet:
        """None: NumPy and Numba choose their own."""
        return InstructionSet()

    def encode(
        self, x: npt.ArrayLike, encoding: str, out: Buffer | None = None, crc: bool = True
    ) -> bytearray | memoryview:
        """See `Backend.encode`."""
        kind = _frame.encoding_named(encoding)
        array = _arrays.as_tensor(x)
        room = _layout.encoded_size(array.shape, encoding)
        if out is not None:
            target = _arrays.checked_buffer(out, room)
            return target[: codec.write(self._loops, array, kind, crc, target)]
        frame = bytearray(room)
        size = codec.write(self._loops, array, kind, crc, frame)
        del frame[size:]
        return frame

    def encode_batch(
        self,
        tensors: Iterable[npt.ArrayLike],
        encoding: str,
        out: Buffer | None = None,
        crc: bool = True,
    ) -> list[memoryview]:
        """See `Backend.encode_batch`."""
        kind = _frame.encoding_named(encoding)
        arrays = [_arrays.as_tensor(x, f"tensors[{i}]") for i, x in enumerate(tensors)]
        room = sum(_layout.encoded_size(array.shape, encoding) for array in arrays)
        target = bytearray(room) if out is None else _arrays.checked_buffer(out, room)
        ends = [0]
        for array in arrays:
            rest = memoryview(target)[ends[-1] :]
            ends.append(ends[-1] + codec.write(self._loops, array, kind, crc, rest))
            rest.release()  # a bytearray that is viewed cannot shrink
        if isinstance(target, bytearray):
            del target[ends[-1] :]
        whole = memoryview(target)
        return [whole[start:end] for start, end in itertools.pairwise(ends)]

    def decode(self, buffer: Buffer, out: Float32 | None = None) -> Float32:
        """See `Backend.decode`."""
        opened = codec.open_frame(self._loops, buffer)
        if out is None:
            out = np.empty(opened.info.shape, np.float32)
        else:
            _arrays.checked_out(out, opened.info.shape, np.float32)
        codec.read(self._loops, opened, out.reshape(-1))
        return out

    def verify(self, buffer: Buffer) -> _frame.FrameInfo:
        """See `Backend.verify`."""
        return codec.open_frame(self._loops, buffer).info

    def gather(
        self,
        frames: Sequence[Buffer | None],
        widths: Sequence[int],
        out: Float32 | None = None,
    ) -> Float32:
        """See `Backend.gather`."""
        spans = _arrays.as_widths(widths, len(frames))
        rows = None
        if out is not None:
            rows = len(out) if getattr(out, "ndim", 0) else 0
            _arrays.checked_out(out, (rows, sum(spans)), np.float32)
        portions = [None if f is None else codec.open_frame(self._loops, f) for f in frames]
        for position, portion in enumerate(portions):
            if portion is not None:
                shape = portion.info.shape
                rows = _arrays.checked_portion(shape, position, rows, spans[position])
        if rows is None:
            raise ValueError("no frame is there and no out tells the rows")
        if out is None:
            out = np.empty((rows, sum(spans)), np.float32)
        start = 0
        for portion, span in zip(portions, spans, strict=True):
            target = out[:, start : start + span]
            start += span
            if portion is None:
                target.fill(0)
            elif target.flags.c_contiguous:
                codec.read(self._loops, portion, target.reshape(-1))
            else:
                values = np.empty((rows, span), np.float32)
                codec.read(self._loops, portion, values.reshape(-1))
                target[:] = values
        return out

    def crc32c(self, data: Buffer, crc: int = 0) -> int:
        """See `Backend.crc32c`."""
        start = _scores.checked_crc(crc)
        return self._loops.crc32c(np.frombuffer(_frame.as_bytes(data), np.uint8), start)

    def exit_scores(
        self,
        logits: npt.ArrayLike,
        out: ExitScores | None = None,
        temperature: float = 1.0,
        mask: npt.ArrayLike | None = None,
    ) -> ExitScores:
        """See `Backend.exit_scores`."""
        rows = _arrays.as_logits(logits)
        divisor = _scores.checked_temperature(temperature)
        present = _arrays.as_mask(mask, len(rows))
        if out is not None:
            _arrays.checked_scores(out, len(rows))
        else:
            out = ExitScores.empty(len(rows)) if present is None else ExitScores.none(len(rows))
        self._loops.scores(rows, divisor, present, out)
        return out

    def should_exit(
        self,
        logits: npt.ArrayLike,
        rule: str,
        threshold: float,
        out: Bools | None = None,
        temperature: float = 1.0,
        mask: npt.ArrayLike | None = None,
    ) -> Bools:
        """See `Backend.should_exit`."""
        _scores.checked_rule(rule)
        bound = _scores.checked_threshold(threshold)
        scores = self.exit_scores(logits, None, temperature, mask)
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

    def feature_change(
        self,
        previous: npt.ArrayLike,
        current: npt.ArrayLike,
        kind: str,
        out: Float32 | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> Float32:
        """See `Backend.feature_change`."""
        _scores.checked_change(kind)
        before, after = _arrays.as_row_pair(previous, current)
        present = _arrays.as_mask(mask, len(before))
        if out is None:
            out = np.full(len(before), np.nan, np.float32)
        else:
            _arrays.checked_out(out, (len(before),), np.float32)
        self._loops.change(before, after, kind, present, out)
        return out

    def count_agreement(
        self,
        previous: npt.ArrayLike,
        current: npt.ArrayLike,
        counts: Int32,
        patience: int,
        out: Bools | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> Bools:
        """See `Backend.count_agreement`."""
        before, after = _arrays.as_label_pair(previous, current)
        _arrays.checked_out(counts, before.shape, np.int32, "counts")
        enough = _scores.checked_patience(patience)
        present = _arrays.as_mask(mask, len(before))
        if out is None:
            out = np.empty(len(before), np.bool_)
        else:
            _arrays.checked_out(out, before.shape, np.bool_)
        self._loops.agree(before, after, present, counts)
        if present is None:
            return np.greater_equal(counts, enough, out=out)
        return np.logical_and(counts >= enough, present, out=out)  # which may be the mask itself


document(PythonBackend)
