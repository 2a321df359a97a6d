"""What every back end must provide to decide an early exit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .._scores import ExitScores


class Confidence(Protocol):
    """How sure a network is of each row, and how that changes from exit to exit."""

    def exit_scores(
        self,
        logits: npt.ArrayLike,
        out: ExitScores | None = None,
        temperature: float = 1.0,
        mask: npt.ArrayLike | None = None,
    ) -> ExitScores:
        """Compute every confidence of every row in one pass.

        With p = softmax(z / T): ``max_prob`` is max p (MSDNet, Huang et al. 2018), ``entropy`` is
        −Σ p ln p in nats (BranchyNet, Teerapittayanon et al. 2016), ``margin`` is the largest p
        less the second largest, ``energy`` is −T ln Σ exp(z / T) (Liu et al. 2020), ``label`` is
        the arg-max, whatever the temperature (calibration by temperature: Guo et al. 2017).

        Parameters
        ----------
        logits : array_like of float32 or float16, shape (rows, classes)
            C-contiguous, one class at least. A logit of -Inf is a class of probability zero.
        out : ExitScores, optional
            Arrays to fill; make them once with ``ExitScores.empty(rows)``.
        temperature : float, default 1.0
            What the logits are divided by; positive and finite.
        mask : array_like of bool, shape (rows,), optional
            Which rows are still there; the others cost nothing.

        Returns
        -------
        ExitScores
            Five arrays of shape ``(rows,)``. A row with a NaN or +Inf, or with -Inf only, has NaN
            in all scores and the label -1. So has a row that is gone; with `out` its entries stay
            as they were.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape, layout or value.

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
        temperature: float = 1.0,
        mask: npt.ArrayLike | None = None,
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
            Array to fill; may be `mask` itself.
        temperature : float, default 1.0
            As in `exit_scores`.
        mask : array_like of bool, shape (rows,), optional
            Which rows are still there; the others cost nothing.

        Returns
        -------
        ndarray of bool, shape (rows,)
            A row without scores (NaN or +Inf among its logits) does not exit, nor does one that
            is gone.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape, layout or value, or the rule is unknown.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import should_exit
        >>> should_exit(np.array([[0.0, 0.0], [9.0, 0.0]], np.float32), "max-prob", 0.9).tolist()
        [False, True]
        """

    def feature_change(
        self,
        previous: npt.ArrayLike,
        current: npt.ArrayLike,
        kind: str,
        out: npt.NDArray[np.float32] | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.float32]:
        """Measure how far each row of features has moved.

        Parameters
        ----------
        previous, current : array_like of float32 or float16, shape (rows, ...)
            C-contiguous and equal in shape, 2 to 4 dimensions; everything after the first is one
            vector.
        kind : str
            ``"l2"``: ‖c/‖c‖ − p/‖p‖‖ (the feature difference of DistrEE);
            ``"relative-l2"``: ‖c − p‖ / ‖p‖; ``"cosine"``: 1 − cos(c, p).
        out : ndarray of float32, shape (rows,), optional
            Array to fill.
        mask : array_like of bool, shape (rows,), optional
            Which rows are still there; the others cost nothing.

        Returns
        -------
        ndarray of float32, shape (rows,)
            Zero where nothing changed. A zero vector has no direction: against another vector its
            l2 and cosine are 1, and a change from zero is infinite in relative-l2. NaN when an
            element is NaN or infinite. NaN, too, for a row that is gone; with `out` its entry
            stays as it was.

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

    def count_agreement(
        self,
        previous: npt.ArrayLike,
        current: npt.ArrayLike,
        counts: npt.NDArray[np.int32],
        patience: int,
        out: npt.NDArray[np.bool_] | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Count for each row how often in a row exits have agreed (PABEE, Zhou et al. 2020).

        Parameters
        ----------
        previous, current : array_like of int64, shape (rows,)
            Labels that two successive exits gave, such as ``ExitScores.label``; -1 (no label)
            agrees with nothing.
        counts : ndarray of int32, shape (rows,)
            Changed in place: one more where the labels agree (up to the largest int32), else
            zero. Start with zeros; the first exit has nothing to be compared with.
        patience : int
            How many agreements make a row leave; 1 at least.
        out : ndarray of bool, shape (rows,), optional
            Array to fill; may be `mask` itself.
        mask : array_like of bool, shape (rows,), optional
            Which rows are still there. The counts of the others stay as they are.

        Returns
        -------
        ndarray of bool, shape (rows,)
            Whether ``counts >= patience``; False for rows that are gone.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape, layout or value.

        Examples
        --------
        >>> import numpy as np
        >>> from coinfer_kernels import count_agreement
        >>> counts = np.zeros(2, np.int32)
        >>> exits = [np.array([3, 1]), np.array([3, 2]), np.array([3, 2])]
        >>> for previous, current in zip(exits, exits[1:]):
        ...     print(count_agreement(previous, current, counts, 2), counts)
        [False False] [1 0]
        [ True False] [2 1]
        """
