"""What a model is, as plain JSON values that name it in artifacts and in module references."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from coinfer.errors import UsageError

Family = Literal["wrn", "mobilenet-v2"]
Partition = tuple[int, ...]
"""Indices of the teacher's last filters that one student learns to produce, in message order."""

_FIRST_CHANNELS: dict[Family, int] = {"wrn": 16, "mobilenet-v2": 32}


class BackboneSpec(msgspec.Struct, frozen=True):
    """A convolutional network without its classifier.

    Attributes
    ----------
    family : {"wrn", "mobilenet-v2"}
    depth : int
        Layers of a WideResNet, 6 n + 4; MobileNet-v2 has one depth and takes 0.
    width : float
        Multiplier of the channels.
    stem_stride : int
        1 for the usual 3×3 stem, 2 for a 4×4 stride-2 stem, which costs a quarter [ours].
    base : int
        Channels before the multiplier; 0 means the family's own (16 and 32), less is slimmer.
    """

    family: Family = "wrn"
    depth: int = 10
    width: float = 1.0
    stem_stride: int = 1
    base: int = 0

    def __post_init__(self) -> None:
        # 1 and 1.0 must give one digest.
        msgspec.structs.force_setattr(self, "width", float(self.width))
        if self.family not in _FIRST_CHANNELS:
            raise UsageError(f"no model family {self.family!r}; there are {list(_FIRST_CHANNELS)}")
        if self.family == "wrn" and (self.depth < 10 or (self.depth - 4) % 6):
            raise UsageError(f"a WideResNet's depth is 6 n + 4, not {self.depth}; say 10 or 16")
        if self.family == "mobilenet-v2" and self.depth:
            raise UsageError(f"MobileNet-v2 has one depth: give 0, not {self.depth}")
        if self.stem_stride not in (1, 2):
            raise UsageError(f"stem_stride is 1 or 2, not {self.stem_stride}")
        if self.width <= 0 or self.base < 0:
            raise UsageError(f"width {self.width} and base {self.base} must be positive")

    @property
    def first_channels(self) -> int:
        """Channels before the multiplier."""
        return self.base or _FIRST_CHANNELS[self.family]

    @property
    def name(self) -> str:
        """Short name, such as ``wrn-16-2-s2``."""
        parts = [self.family, *([str(self.depth)] if self.depth else []), f"{self.width:g}"]
        if self.base:
            parts.append(f"b{self.base}")
        if self.stem_stride != 1:
            parts.append(f"s{self.stem_stride}")
        return "-".join(parts)


class TeacherSpec(BackboneSpec, frozen=True):
    """A whole classifier: backbone, global average pool and one fully connected layer."""

    @classmethod
    def like(cls, backbone: BackboneSpec) -> TeacherSpec:
        """Return the classifier with the backbone of another specification.

        Examples
        --------
        >>> TeacherSpec.like(StudentSpec(depth=10, stem_stride=2, exits=3)).name
        'wrn-10-1-s2'
        """
        return cls(*(getattr(backbone, name) for name in BackboneSpec.__struct_fields__))


class StudentSpec(BackboneSpec, frozen=True):
    """A student: backbone and one portion head an exit.

    Attributes
    ----------
    exits : int
        How many exits (B); 1 is the plain student of NoNN and RoCoIn. They stand after equal
        numbers of residual blocks, so B = 3 of a WideResNet is one after each group.
    """

    exits: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exits < 1:
            raise UsageError(f"a student has one exit or more, not {self.exits}")

    @property
    def name(self) -> str:
        """Short name, such as ``wrn-10-1-s2-x3``."""
        return super().name + (f"-x{self.exits}" if self.exits > 1 else "")


class JointSpec(msgspec.Struct, frozen=True):
    """K students that are trained and answer together.

    Attributes
    ----------
    students : tuple of StudentSpec
        One a partition; all have the same number of exits.
    filters : tuple of int
        ``|P_k|``: values in the portion of student k.
    shape : tuple of int
        (C, H, W) of an input row.
    classes : int
    """

    students: tuple[StudentSpec, ...]
    filters: tuple[int, ...]
    shape: tuple[int, int, int]
    classes: int

    def __post_init__(self) -> None:
        if not self.students or len(self.students) != len(self.filters):
            raise UsageError(f"{len(self.students)} students for {len(self.filters)} partitions")
        if len({student.exits for student in self.students}) > 1:
            raise UsageError("students that answer together need the same number of exits")
        if min(self.filters) < 1:
            raise UsageError(f"a partition without a filter: sizes {self.filters}")

    @property
    def exits(self) -> int:
        """B, the number of exits."""
        return self.students[0].exits

    @property
    def features(self) -> int:
        """Values in the concatenated portions of one exit."""
        return sum(self.filters)


def builtins(value: msgspec.Struct) -> dict[str, Any]:
    """Return a spec as JSON values."""
    converted: dict[str, Any] = msgspec.to_builtins(value)
    return converted


def canonical_sha256(value: Any) -> str:
    """Hex sha256 of the JSON of `value` with sorted keys and no spaces."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
