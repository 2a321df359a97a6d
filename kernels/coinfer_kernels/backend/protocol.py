"""What every back end must provide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from .._frame import FrameInfo
    from .._scores import ExitScores


DOCUMENTED: Final = ("encode", "decode", "exit_scores", "should_exit", "feature_change")
"""The functions that each back end has of its own."""


class InstructionSet(NamedTuple):
    """What a back end runs on; all empty for those written in Python."""

    isa: str | None = None
    isa_available: tuple[str, ...] = ()
    isa_reason: str | None = None


class Backend(Protocol):
    """The functions of a back end; the module-level ones are those of the selected back end."""

    @property
    def name(self) -> str:
        """``"native"``, ``"numba"`` or ``"reference"``."""

    def versions(self) -> dict[str, str]:
        """Versions of what the back end is made with."""

    def instruction_set(self) -> InstructionSet:
        """Which instruction set is used, which could be, and why this one."""

    def peek(self, buffer: Buffer) -> FrameInfo:
        """Read the header of a frame; see `coinfer_kernels.peek`."""

    def encoded_size(self, shape: Sequence[int], encoding: str) -> int:
        """Bytes of a frame; see `coinfer_kernels.encoded_size`."""

    def encode(
        self, x: npt.ArrayLike, encoding: str, out: Buffer | None = None, *, crc: bool = True
    ) -> bytearray | memoryview:
        """Write a tensor as a frame: a 64-byte header and the payload.

        Parameters
        ----------
        x : array_like of float32 or float16
            C-contiguous, up to four dimensions. CPU torch tensors are read in place; float16 is
            widened first.
        encoding : str
            ``"raw"`` keeps float32. ``"fp16"`` rounds to nearest even; from 65520 on the value
            becomes infinite. ``"int8"`` is affine per tensor: with ``low = min(x, 0)`` and
            ``high = max(x, 0)``, ``scale = (high - low) / 255``, so the error is half a step
            at most, and zero stays exactly zero.
        out : writable buffer of bytes, optional
            One-dimensional and contiguous, at least `encoded_size` long.
        crc : bool, default True
            Whether to add a CRC32C of header and payload.

        Returns
        -------
        bytearray or memoryview
            The frame, which ZeroMQ sends as it is (``socket.send(frame, copy=False)``); with
            `out`, a view of the bytes written there. Frames of all back ends have the same bytes
            (but for the payload bits of a NaN in fp16).

        Raises
        ------
        TypeError
            `x` is neither float32 nor float16.
        ValueError
            The encoding is unknown, `x` is not C-contiguous, has too many dimensions or
            elements, or `out` is too short; for int8, `x` holds a NaN or an infinity, or spans
            more than float32 can hold.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import decode, encode
        >>> frame = encode(np.array([[0.0, 0.5, 1.0]], np.float32), "int8")
        >>> len(frame), decode(frame).round(2).tolist()
        (67, [[0.0, 0.5, 1.0]])
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

    def exit_scores(self, logits: npt.ArrayLike, out: ExitScores | None = None) -> ExitScores:
        r"""Compute every confidence of every row in one pass.

        With :math:`p = \mathrm{softmax}(z)`: ``max_prob`` is :math:`\max p` (MSDNet, Huang et al.
        2018), ``entropy`` is :math:`-\sum p \ln p` in nats (BranchyNet, Teerapittayanon et al.
        2016), ``margin`` is :math:`p_{(1)} - p_{(2)}`, ``energy`` is
        :math:`-\ln \sum \exp z`, at temperature 1 (Liu et al. 2020), ``label`` is the arg-max.

        Parameters
        ----------
        logits : array_like of float32 or float16, shape (rows, classes)
            C-contiguous, one class at least. A logit of -Inf is a class of probability zero.
        out : ExitScores, optional
            Arrays to fill; make them once with ``ExitScores.empty(rows)``.

        Returns
        -------
        ExitScores
            Five arrays of shape ``(rows,)``. A row with a NaN or +Inf, or with -Inf only, has NaN
            in all scores and the label -1.

        Raises
        ------
        TypeError, ValueError
            `logits` or `out` has the wrong type, shape or layout.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import exit_scores
        >>> scores = exit_scores(np.array([[0.0, 0.0], [9.0, 0.0]], np.float32))
        >>> scores.max_prob.round(3).tolist(), scores.label.tolist()
        ([0.5, 1.0], [0, 0])
        """

    def should_exit(
        self,
        logits: npt.ArrayLike,
        rule: str,
        threshold: float,
        out: npt.NDArray[np.bool_] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Decide for each row whether it is confident enough to leave here.

        Parameters
        ----------
        logits : array_like of float32 or float16, shape (rows, classes)
            As in `exit_scores`.
        rule : str
            ``"max-prob"`` and ``"margin"`` exit at ``score >= threshold``, ``"entropy"`` and
            ``"energy"`` at ``score <= threshold``; see `exit_scores`.
        threshold : float
            Compared with the float32 score in float64; not NaN.
        out : ndarray of bool, shape (rows,), optional
            Array to fill.

        Returns
        -------
        ndarray of bool, shape (rows,)
            A row without scores (NaN or +Inf among its logits) does not exit.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or layout, or the rule is unknown.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import should_exit
        >>> should_exit(np.array([[0.0, 0.0], [9.0, 0.0]], np.float32), "max-prob", 0.9).tolist()
        [False, True]
        """

    def feature_change(
        self, previous: npt.ArrayLike, current: npt.ArrayLike, kind: str
    ) -> npt.NDArray[np.float32]:
        r"""Measure how far each row of features has moved.

        Parameters
        ----------
        previous, current : array_like of float32 or float16, shape (rows, ...)
            C-contiguous and equal in shape, 2 to 4 dimensions; everything after the first is one
            vector.
        kind : str
            ``"l2"``: :math:`\|c/\|c\| - p/\|p\|\|` (the feature difference of DistrEE);
            ``"relative-l2"``: :math:`\|c - p\| / \|p\|`; ``"cosine"``: :math:`1 - \cos(c, p)`.

        Returns
        -------
        ndarray of float32, shape (rows,)
            Zero where nothing changed. A zero vector has no direction: against another vector its
            l2 and cosine are 1, and a change from zero is infinite in relative-l2. NaN when an
            element is NaN or infinite.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or layout, or the kind is unknown.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import feature_change
        >>> p, c = np.array([[[3, 4]], [[6, 8]]], np.float32)
        >>> feature_change(p, c, "relative-l2").tolist(), feature_change(p, c, "l2").tolist()
        ([1.0], [0.0])
        """


def document(owner: type) -> None:
    """Give the functions of a back end the docstrings of `Backend`."""
    for name in DOCUMENTED:
        getattr(owner, name).__doc__ = getattr(Backend, name).__doc__
