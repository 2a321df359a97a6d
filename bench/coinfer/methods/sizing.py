"""What the students of a profile cost: the zoo of architectures as planners see it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from coinfer.errors import PlanError
from coinfer.methods.base import Profile
from coinfer.models import JointSpec, StudentSpec, student_stages


class Sized(NamedTuple):
    """A student with its cost for one row, at the median size of a portion."""

    spec: StudentSpec
    macs: int
    memory_bytes: int


def size_students(profile: Profile, exits: int = 1, filters: int = 32) -> list[Sized]:
    """Students of the profile with so many exits, from small to large by MACs.

    Parameters
    ----------
    profile : Profile
    exits : int
    filters : int
        Size of the partition that is assumed; it hardly matters beside the backbone.
    """
    students = [msgspec.structs.replace(student, exits=exits) for student in profile.students]
    return sorted((size(profile, student, filters) for student in students), key=lambda s: s.macs)


def named_student(profile: Profile, name: str) -> StudentSpec:
    """A student of the profile by its name.

    Raises
    ------
    PlanError
        If there is none.
    """
    named = {student.name: student for student in profile.students}
    if name not in named:
        raise PlanError(
            f"student = {name!r} is not among the students that are listed: {', '.join(named)}; "
            "'students' says which list that is"
        )
    return named[name]


def size(profile: Profile, student: StudentSpec, filters: int) -> Sized:
    """What a student of the profile costs that sends a portion of so many filters."""
    teacher = profile.teacher
    joint = JointSpec((student,), (filters,), teacher.shape, teacher.classes)
    stages = student_stages(joint, 0, None)
    memory = sum(s.weights_bytes for s in stages) + max(s.activation_bytes for s in stages)
    return Sized(student, sum(s.macs for s in stages), memory)
