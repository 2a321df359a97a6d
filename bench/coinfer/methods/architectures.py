"""Teacher and students that the suite uses for each data set [ours]."""

from __future__ import annotations

from typing import Final, NamedTuple

from coinfer.errors import UsageError
from coinfer.models import StudentSpec, TeacherSpec


class Architectures(NamedTuple):
    """Networks for one data set; the students from small to large."""

    teacher: TeacherSpec
    students: tuple[StudentSpec, ...]


# The 4x4 stem with stride 2 costs a quarter of the usual one and little accuracy at 28x28.
ARCHITECTURES: Final = {
    "fashion-mnist": Architectures(
        TeacherSpec(depth=16, width=2, stem_stride=2),
        (
            StudentSpec(depth=10, width=1, stem_stride=2, base=8),
            StudentSpec(depth=10, width=1, stem_stride=2),
        ),
    ),
    "digits": Architectures(
        TeacherSpec(depth=10, width=1),
        (StudentSpec(depth=10, width=1, base=4), StudentSpec(depth=10, width=1, base=8)),
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
