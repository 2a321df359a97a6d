"""Teacher and students that the suite uses for each data set [ours]."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from coinfer.errors import UsageError
from coinfer.models.specs import StudentSpec, TeacherSpec

StudentChoice: TypeAlias = Literal["pair", "zoo"]


class Architectures(NamedTuple):
    """Networks for one data set.

    Attributes
    ----------
    teacher : TeacherSpec
    pair : tuple of StudentSpec
        A small student and a larger one; those of Fashion-MNIST come with the package, trained.
    zoo : tuple of StudentSpec
        More widths and depths, and depthwise convolutions, from which a planner may pick.
    """

    teacher: TeacherSpec
    pair: tuple[StudentSpec, ...]
    zoo: tuple[StudentSpec, ...]

    def students(self, which: StudentChoice) -> tuple[StudentSpec, ...]:
        """Students by the name of the list."""
        return self.zoo if which == "zoo" else self.pair


_DIGITS: Final = tuple(StudentSpec(depth=10, width=1, base=base) for base in (4, 8))


def _stride_2(small: int) -> Architectures:
    """Networks for images of 28x28 or 32x32, whose small student has `small` first channels.

    The 4x4 stem with stride 2 costs a quarter of the usual one, and little accuracy at 28x28; at
    32x32 that has not been measured.
    """
    pair = tuple(StudentSpec(depth=10, width=1, stem_stride=2, base=base) for base in (small, 0))
    zoo = (
        StudentSpec(depth=10, width=1, stem_stride=2, base=4),
        *pair,
        StudentSpec(depth=16, width=1, stem_stride=2, base=8),
        StudentSpec(depth=16, width=1, stem_stride=2),
        StudentSpec(depth=10, width=2, stem_stride=2),
        *(StudentSpec("mobilenet-v2", depth=0, width=w, stem_stride=2) for w in (0.25, 0.5)),
    )
    return Architectures(TeacherSpec(depth=16, width=2, stem_stride=2), pair, zoo)


# At 32x32 seven channels cost the MACs of eight at 28x28: the budgets of the suites allow both.
_CIFAR: Final = _stride_2(small=7)

ARCHITECTURES: Final = {
    "fashion-mnist": _stride_2(small=8),
    "cifar-10": _CIFAR,
    "cifar-100": _CIFAR,
    "digits": Architectures(
        TeacherSpec(depth=10, width=1),
        pair=_DIGITS,
        zoo=(
            *_DIGITS,
            StudentSpec(depth=16, width=1, base=4),
            StudentSpec("mobilenet-v2", depth=0, width=0.25),
        ),
    ),
}


def architectures(base: str) -> Architectures:
    """Networks for a data set by its base name.

    Raises
    ------
    UsageError
        If none are set.
    """
    if base not in ARCHITECTURES:
        raise UsageError(
            f"no architectures for data set {base!r}; there are some for {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[base]
