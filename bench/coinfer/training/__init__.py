"""Training: recipes, losses, and the zoo that keeps what was trained."""

from coinfer.training.artifacts import Artifact, Packed
from coinfer.training.calibration import SplitOutputs, split_outputs
from coinfer.training.confidence import Reliability, fit_temperature, reliability
from coinfer.training.fusion import FusedArtifact, FusionName, fit_fusion
from coinfer.training.joint import JointArtifact, fit_joint, load_joint
from coinfer.training.loop import OnProgress, Progress
from coinfer.training.partitions import remembered_partitions, remembering_partitioner
from coinfer.training.recipe import (
    RECIPES,
    Recipe,
    Schedule,
    StudentRecipe,
    SubsetHeadRecipe,
    TeacherRecipe,
    recipe,
)
from coinfer.training.sharing import free_first
from coinfer.training.single import SingleArtifact, fit_single
from coinfer.training.subset_head import SubsetHeadArtifact, fit_subset_head
from coinfer.training.teacher import TeacherArtifact, fit_teacher, load_teacher, teacher_inputs
from coinfer.training.views import teacher_views
from coinfer.training.zoo import Zoo, shipped_zoo, user_zoo

__all__ = [
    "RECIPES",
    "Artifact",
    "FusedArtifact",
    "FusionName",
    "JointArtifact",
    "OnProgress",
    "Packed",
    "Progress",
    "Recipe",
    "Reliability",
    "Schedule",
    "SingleArtifact",
    "SplitOutputs",
    "StudentRecipe",
    "SubsetHeadArtifact",
    "SubsetHeadRecipe",
    "TeacherArtifact",
    "TeacherRecipe",
    "Zoo",
    "fit_fusion",
    "fit_joint",
    "fit_single",
    "fit_subset_head",
    "fit_teacher",
    "fit_temperature",
    "free_first",
    "load_joint",
    "load_teacher",
    "recipe",
    "reliability",
    "remembered_partitions",
    "remembering_partitioner",
    "shipped_zoo",
    "split_outputs",
    "teacher_inputs",
    "teacher_views",
    "user_zoo",
]
