"""The errors of the kernel library."""

from __future__ import annotations


class FrameError(ValueError):
    """A frame cannot be decoded: it is malformed, damaged or of an unknown version.

    Parameters
    ----------
    field : str
        What is at fault: a field of the header, as named in the byte table of
        ``docs/kernels.md`` (``"magic"``, ``"version"``, ...), ``"length"`` for the size of the
        whole frame, or ``"scales"``, ``"zero_points"``, ``"bitmap"`` or ``"padding"`` in the
        payload.
    message : str
        What is wrong with it.

    Attributes
    ----------
    field : str
        What is at fault.

    Examples
    --------
    >>> error = FrameError("version", "9 is unknown (this library reads 1)")
    >>> error.field, str(error)
    ('version', 'frame version: 9 is unknown (this library reads 1)')
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"frame {field}: {message}")
        self.field = field
        self._message = message

    def __reduce__(self) -> tuple[type[FrameError], tuple[str, str]]:
        return type(self), (self.field, self._message)


class BackendError(ImportError):
    """The back end or instruction set that was asked for cannot be used here."""
