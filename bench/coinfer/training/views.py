"""The teacher's answers on fixed views of the training images, computed once and kept.

Students of several joint trainings learn from the same answers; a forward pass of the teacher
costs about as much as a training step of a small student.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from coinfer.training.artifacts import Artifact
from coinfer.training.images import Pictures, fixed_views
from coinfer.training.loop import OnProgress, Progress, left_s, outputs
from coinfer.training.recipe import StudentRecipe
from coinfer.training.teacher import VERSION, TeacherArtifact, load_teacher
from coinfer.training.zoo import Zoo
from coinfer_datasets import Dataset


@dataclass(frozen=True)
class Views:
    """Teacher answers on V views of N images.

    Attributes
    ----------
    down, right : Tensor of int64, shape (V,)
    mirror : Tensor of bool, shape (V,)
    logits : Tensor of float16, shape (V, N, classes)
    features : Tensor of float16, shape (V, N, F)
    """

    down: Tensor
    right: Tensor
    mirror: Tensor
    logits: Tensor
    features: Tensor


def teacher_views(
    data: Dataset,
    teacher: TeacherArtifact,
    recipe: StudentRecipe,
    zoo: Zoo,
    progress: OnProgress | None = None,
) -> Views:
    """Return the teacher's answers from the zoo, or compute them and put them there."""
    views = fixed_views(recipe.views, recipe.shift_pixels, recipe.flip)
    inputs = {
        "what": "views",
        "version": VERSION,
        "data": data.info.identity,
        "teacher": teacher.weights_sha256,
        "views": views,
    }

    def ask() -> Artifact:
        model = load_teacher(teacher, zoo)
        reach = max(max(abs(down), abs(right)) for down, right, _ in views)
        pictures = Pictures(torch.from_numpy(data.train.images), data.info, reach)
        features = []
        begun = time.perf_counter()
        for done, view in enumerate(views, 1):
            features.append(torch.cat(outputs(model.features, pictures, view)))
            if progress:
                what = f"answers of the teacher {teacher.spec.name}, seed {teacher.train_seed}"
                left = left_s(begun, done, len(views) - done)
                progress(Progress(what, done, len(views), 1, 1, {}, left))
        stacked = torch.stack(features)
        with torch.inference_mode():
            logits = model.head(stacked)
        tensors = {"features": stacked.half(), "logits": logits.half()}
        return zoo.put(inputs, tensors, {"teacher": teacher.address})

    stored = zoo.find_or_make(inputs, ask).tensors()
    return Views(
        down=torch.tensor([view[0] for view in views]),
        right=torch.tensor([view[1] for view in views]),
        mirror=torch.tensor([view[2] for view in views]),
        logits=stored["logits"],
        features=stored["features"],
    )
