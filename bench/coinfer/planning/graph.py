"""The filter activation graph of a teacher [related: NoNN]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_CHUNK_IMAGES = 256


def activation_graph(features: npt.NDArray[np.floating], top: int = 50) -> npt.NDArray[np.float32]:
    """Weigh each pair of filters by how strongly and how differently they fire together.

    Per image, negatives become 0, the rest is divided by the image's maximum, and the `top`
    largest are kept; then ``A_ij = Σ_images a_i · a_j · |a_i − a_j|`` [related].

    Parameters
    ----------
    features : ndarray, shape (images, F)
        Average-pooled activations of the last filters on the validation split.
    top : int
        Filters that count in one image.

    Returns
    -------
    ndarray of float32, shape (F, F)
        Symmetric with a zero diagonal; an isolated filter has a zero row.
    """
    a = np.maximum(features.astype(np.float64), 0.0)
    peak = a.max(axis=1, keepdims=True)
    a = np.divide(a, peak, out=np.zeros_like(a), where=peak > 0)
    if top < a.shape[1]:
        weakest = np.argpartition(a, -top, axis=1)[:, :-top]
        np.put_along_axis(a, weakest, 0.0, axis=1)
    graph = np.zeros((a.shape[1], a.shape[1]))
    for start in range(0, len(a), _CHUNK_IMAGES):
        rows = a[start : start + _CHUNK_IMAGES]
        left, right = rows[:, :, None], rows[:, None, :]
        graph += (left * right * np.abs(left - right)).sum(axis=0)
    return graph.astype(np.float32)
