"""What every back end must provide to write and read frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from .._frame import FrameInfo


class Codec(Protocol):
    """Frames out of tensors, and tensors out of frames."""

    def peek(self, buffer: Buffer) -> FrameInfo:
        """Read the header of a frame; see `coinfer_kernels.peek`."""

    def encoded_size(self, shape: Sequence[int], encoding: str) -> int:
        """Bytes of a frame; see `coinfer_kernels.encoded_size`."""

    def encode(
        self, x: npt.ArrayLike, encoding: str, out: Buffer | None = None, crc: bool = True
    ) -> bytearray | memoryview:
        """Write a tensor as a frame: a 64-byte header and the payload.

        Parameters
        ----------
        x : array_like of float32 or float16
            C-contiguous, up to four dimensions. CPU torch tensors are read in place; float16 is
            widened first.
        encoding : str
            ``"raw"`` keeps float32. ``"fp16"`` and ``"bf16"`` round to nearest even, to infinity
            beyond their range. ``"int8"`` and ``"int4"`` are affine: with ``low = min(x, 0)`` and
            ``high = max(x, 0)``, ``scale = (high - low) / steps`` with 255 or 15 steps, so the
            error is half a step at most, and zero stays exactly zero; one scale serves the whole
            tensor, or each channel (axis 1) in ``"int8-channel"`` and ``"int4-channel"``, or each
            32 consecutive elements in ``"int4-group32"``. ``"sparse-fp32"``, ``"sparse-fp16"``
            and ``"sparse-int8"`` write a bitmap and, as raw, fp16 or int8, only the elements that
            are not +0.0.
        out : writable buffer of bytes, optional
            One-dimensional and contiguous, at least `encoded_size` long. Where a sparse frame is
            shorter than that, the bytes behind it up to `encoded_size` may change, too.
        crc : bool, default True
            Whether to add a CRC32C of header and payload.

        Returns
        -------
        bytearray or memoryview
            The frame, which ZeroMQ sends as it is (``socket.send(frame, copy=False)``); with
            `out`, a view of the bytes written there. Frames of all back ends have the same bytes
            (but for the payload bits of a NaN in fp16 and bf16).

        Raises
        ------
        TypeError
            `x` is neither float32 nor float16.
        ValueError
            The encoding is unknown, `x` is not C-contiguous, has too many dimensions or
            elements, or `out` is too short; for a quantised encoding, `x` holds a NaN or an
            infinity, or what shares a scale spans more than float32 can hold.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import decode, encode
        >>> frame = encode(np.array([[0.0, 0.5, 1.0]], np.float32), "int8")
        >>> len(frame), decode(frame).round(2).tolist()
        (67, [[0.0, 0.5, 1.0]])
        """

    def encode_batch(
        self,
        tensors: Iterable[npt.ArrayLike],
        encoding: str,
        out: Buffer | None = None,
        crc: bool = True,
    ) -> list[memoryview]:
        """Write several tensors as frames, one after another in one buffer.

        Parameters
        ----------
        tensors : iterable of array_like
            Each one as in `encode`; their shapes may differ.
        encoding : str
            As in `encode`, for all of them.
        out : writable buffer of bytes, optional
            One-dimensional and contiguous, at least as long as their `encoded_size` together.
        crc : bool, default True
            Whether each frame gets a CRC32C.

        Returns
        -------
        list of memoryview
            One frame a tensor, without gaps between them, in a new buffer or in `out`: ready for
            ``socket.send_multipart(frames, copy=False)``.

        Raises
        ------
        TypeError, ValueError
            As in `encode`.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import decode, encode_batch
        >>> frames = encode_batch([np.ones(3, np.float32), np.zeros((2, 2), np.float32)], "raw")
        >>> [decode(frame).shape for frame in frames]
        [(3,), (2, 2)]
        """

    def decode(
        self, buffer: Buffer, out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Read a frame.

        Parameters
        ----------
        buffer : bytes-like
            Exactly one frame, at any alignment.
        out : ndarray of float32, optional
            C-contiguous and writable, of exactly the shape of the frame; must not overlap
            `buffer`.

        Returns
        -------
        ndarray of float32
            The tensor, in memory of its own: `out` or a new array.

        Raises
        ------
        FrameError
            The frame is malformed or damaged; ``error.field`` names the field. Nothing is
            allocated or written before all checks have passed.
        TypeError, ValueError
            `out` is not such an array.

        Examples
        --------
        >>> from coinfer_kernels import decode
        >>> decode(b"not a frame")
        Traceback (most recent call last):
        coinfer_kernels.errors.FrameError: frame length: 11 bytes are shorter than the header (64)
        """

    def verify(self, buffer: Buffer) -> FrameInfo:
        """Check a frame as `decode` does, without decoding it.

        For frames that are kept for later, or come from where nobody is trusted: what has passed
        is decoded without an error.

        Parameters
        ----------
        buffer : bytes-like
            Exactly one frame, at any alignment.

        Returns
        -------
        FrameInfo
            What the header says. ``has_crc`` tells whether damage to the payload would have been
            seen.

        Raises
        ------
        FrameError
            The frame is malformed or damaged; ``error.field`` names the field.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import encode, verify
        >>> frame = encode(np.ones((2, 3), np.float32), "fp16")
        >>> verify(frame).shape
        (2, 3)
        >>> frame[-1] ^= 1
        >>> verify(frame)
        Traceback (most recent call last):
        coinfer_kernels.errors.FrameError: frame crc: the checksum does not match: header or \
payload is damaged
        """

    def gather(
        self,
        frames: Sequence[Buffer | None],
        widths: Sequence[int],
        out: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Decode the portions of a feature vector side by side; missing ones become zeros.

        Parameters
        ----------
        frames : sequence of bytes-like or None
            One frame a portion, each with the same number of rows; None for what did not come.
        widths : sequence of int
            Elements that a row of each portion has: frame ``i`` holds a tensor of shape
            ``(rows, ...)`` whose other dimensions multiply to ``widths[i]``.
        out : ndarray of float32, shape (rows, sum(widths)), optional
            C-contiguous and writable; must not overlap a frame.

        Returns
        -------
        ndarray of float32, shape (rows, sum(widths))
            The portions in their order, decoded straight into their place: `out` or a new array.

        Raises
        ------
        FrameError
            A frame is malformed or damaged.
        ValueError
            A frame has another shape (the message names its position), the numbers of frames and
            widths differ, a width is negative, or no frame is there and no `out` tells the rows.
        TypeError, ValueError
            `out` is not such an array. Whatever is refused, nothing has been written.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import encode, gather
        >>> frame = encode(np.ones((2, 3), np.float32), "fp16")
        >>> gather([frame, None], [3, 2]).tolist()
        [[1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0, 0.0]]
        """

    def crc32c(self, data: Buffer, crc: int = 0) -> int:
        """Compute a CRC32C (Castagnoli; RFC 3720, appendix B.4), as frames carry it.

        Parameters
        ----------
        data : bytes-like
            Any contiguous buffer.
        crc : int, default 0
            Checksum of what comes before `data`, to be continued.

        Returns
        -------
        int
            Checksum of everything up to the end of `data`.

        Raises
        ------
        TypeError
            `data` is no buffer, or `crc` no integer.
        ValueError
            `data` is not contiguous, or `crc` does not fit into 32 bits without a sign.

        Examples
        --------
        >>> from coinfer_kernels import crc32c
        >>> hex(crc32c(b"123456789")), crc32c(b"6789", crc32c(b"12345")) == crc32c(b"123456789")
        ('0xe3069283', True)
        """
