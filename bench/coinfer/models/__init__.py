"""Models: specifications, modules built from references, their cost, and their stages."""

from coinfer.models.build import build
from coinfer.models.classifier import Classifier
from coinfer.models.cost import Cost, cost_of, measure
from coinfer.models.own import own_stage, state_tensors
from coinfer.models.specs import (
    BackboneSpec,
    JointSpec,
    Partition,
    StudentSpec,
    TeacherSpec,
    builtins,
    canonical_sha256,
)
from coinfer.models.stages import (
    any_subset_stage,
    classifier_stage,
    head_stage,
    stage,
    student_stages,
    teacher_ref,
    teacher_stage,
)
from coinfer.models.student import JointModel, JointOutput, Student
from coinfer.models.subset import AnySubsetHead

__all__ = [
    "AnySubsetHead",
    "BackboneSpec",
    "Classifier",
    "Cost",
    "JointModel",
    "JointOutput",
    "JointSpec",
    "Partition",
    "Student",
    "StudentSpec",
    "TeacherSpec",
    "any_subset_stage",
    "build",
    "builtins",
    "canonical_sha256",
    "classifier_stage",
    "cost_of",
    "head_stage",
    "measure",
    "own_stage",
    "stage",
    "state_tensors",
    "student_stages",
    "teacher_ref",
    "teacher_stage",
]
