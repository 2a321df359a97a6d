"""Images on their way into a network: keyed random draws, shifts, flips, memory layout."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from coinfer_datasets import Info

_SHIFTS = ((0, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a random stream that depends on the seed and the purpose alone."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class Pictures:
    """Normalised images that can be cut out shifted and mirrored, batch by batch.

    Parameters
    ----------
    images : Tensor of uint8, shape (N, C, H, W)
    info : Info
        Whose normalisation is used.
    shift_pixels : int
        Largest shift.
    """

    def __init__(self, images: Tensor, info: Info, shift_pixels: int) -> None:
        self._height, self._width = images.shape[2:]
        self._shift = shift_pixels
        self._padded = torch.nn.functional.pad(images, [shift_pixels] * 4)
        self._mean = torch.tensor(info.mean).reshape(1, -1, 1, 1)
        self._std = torch.tensor(info.std).reshape(1, -1, 1, 1)

    def __len__(self) -> int:
        return len(self._padded)

    def batch(
        self,
        which: Tensor,
        down: Tensor | None = None,
        right: Tensor | None = None,
        mirror: Tensor | None = None,
    ) -> Tensor:
        """Cut out a batch.

        Parameters
        ----------
        which : Tensor of int64, shape (N,)
        down, right : Tensor of int64, shape (N,), optional
            How far each image is moved, in pixels.
        mirror : Tensor of bool, shape (N,), optional

        Returns
        -------
        Tensor of float32, shape (N, C, H, W), channels last
        """
        zero = torch.zeros_like(which)
        rows = (self._shift - (zero if down is None else down))[:, None]
        columns = (self._shift - (zero if right is None else right))[:, None]
        rows = rows + torch.arange(self._height)
        columns = columns + torch.arange(self._width)
        if mirror is not None:
            columns = torch.where(mirror[:, None], columns.flip(1), columns)
        cut = self._padded[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        # Advanced indices around a slice put the channels last already: (N, H, W, C).
        return (cut.permute(0, 3, 1, 2).float() - self._mean) / self._std

    def random_batch(self, which: Tensor, flip: bool, draws: torch.Generator) -> Tensor:
        """Cut out a batch, each image at a random shift and mirrored half of the time."""
        bound = self._shift + 1
        down, right = torch.randint(1 - bound, bound, (2, len(which)), generator=draws)
        mirror = torch.rand(len(which), generator=draws) < 0.5 if flip else None
        return self.batch(which, down, right, mirror)


def fixed_views(count: int, shift_pixels: int, flip: bool) -> list[tuple[int, int, bool]]:
    """Return the first `count` of the fixed views as (down, right, mirror).

    The plain image comes first, then its mirror image, then four diagonal shifts likewise.
    """
    shift = min(shift_pixels, 1)
    shifts = _SHIFTS if shift else _SHIFTS[:1]
    mirrors = (False, True) if flip else (False,)
    return [(down, right, mirror) for down, right in shifts for mirror in mirrors][:count]
