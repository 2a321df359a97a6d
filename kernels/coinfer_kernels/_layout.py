"""How the elements of a tensor lie in a frame: limits, sizes, tables, and what shares a scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from ._encodings import Encoding, encoding_named

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER_BYTES: Final = 64
MAX_DIMS: Final = 4
MAX_ELEMENTS: Final = 1 << 28
"""Most elements a frame may announce: 1 GiB of float32, so that no header alone can exhaust us."""
GROUP: Final = 32
"""Elements of a group of int4-group32."""


def checked_elements(shape: Sequence[int]) -> int:
    """Elements of `shape`, refused when it cannot be put into a header.

    A zero counts as one in the limit: NumPy, too, refuses ``(0, 2**32, 2**32)``.
    """
    if len(shape) > MAX_DIMS:
        raise ValueError(f"a frame holds at most {MAX_DIMS} dimensions, not {len(shape)}")
    if any(dim < 0 for dim in shape):
        raise ValueError(f"shape {tuple(shape)} has a negative dimension")
    if math.prod(max(dim, 1) for dim in shape) > MAX_ELEMENTS:
        raise ValueError(f"shape {tuple(shape)} has more than {MAX_ELEMENTS} elements")
    return math.prod(shape)


class Scopes(NamedTuple):
    """The flattened tensor as ``outer`` times ``number`` runs of ``inner`` elements.

    The runs of the same number share a scale and a zero point. The very last run may be shorter.
    """

    outer: int
    number: int
    inner: int


def scopes_of(encoding: Encoding, shape: Sequence[int]) -> Scopes:
    """What shares a scale in a tensor of this shape.

    Channels are those of axis 1, as in feature maps ``(rows, channels, ...)`` and in vectors
    ``(rows, features)``; with fewer than two axes there is one channel.
    """
    elements = math.prod(shape)
    if encoding.scope == "group":
        return Scopes(1, -(-elements // GROUP), GROUP)
    if encoding.scope == "channel" and len(shape) >= 2:
        return Scopes(shape[0], shape[1], math.prod(shape[2:]))
    return Scopes(1, 1, elements)


def parameter_of(encoding: Encoding, dims: int) -> int:
    """Content of the header field ``parameter``: axis of the channels or size of a group."""
    if encoding.scope == "group":
        return GROUP
    return 1 if encoding.scope == "channel" and dims >= 2 else 0


def table_bytes_of(encoding: Encoding, shape: Sequence[int]) -> int:
    """Bytes ahead of the values: scales (4 each) and zero points (1 each), or a bitmap."""
    if encoding.sparse:
        return (math.prod(shape) + 7) // 8
    if encoding.scope in ("channel", "group"):
        return 5 * scopes_of(encoding, shape).number
    return 0


def encoded_size(shape: Sequence[int], encoding: str) -> int:
    """Bytes of a whole frame, header included.

    Parameters
    ----------
    shape : sequence of int
        Shape of the tensor, up to four dimensions.
    encoding : str
        Name of an encoding; see `coinfer_kernels.encode`.

    Returns
    -------
    int
        What `coinfer_kernels.encode` will write for a tensor of this shape. The sparse encodings
        depend on the content: for them it is the most that can be, a tensor without a zero.

    Raises
    ------
    ValueError
        The encoding is unknown, or the shape does not fit into a frame.

    Examples
    --------
    >>> encoded_size((32, 64), "int8"), encoded_size((32, 64), "int4-channel")
    (2112, 1408)
    """
    kind = encoding_named(encoding)
    elements = checked_elements(shape)
    return HEADER_BYTES + table_bytes_of(kind, shape) + kind.value_bytes(elements)
