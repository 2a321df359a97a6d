"""How models are trained: every number that decides what weights come out."""

from __future__ import annotations

import msgspec

from coinfer.errors import UsageError


class Schedule(msgspec.Struct, frozen=True):
    """SGD with Nesterov momentum under a one-cycle learning rate.

    Attributes
    ----------
    epochs, batch : int
    max_lr, momentum, weight_decay : float
    warm_up : float
        Share of the steps in which the rate rises from ``max_lr / 10``; it ends at
        ``max_lr / 1000``.
    """

    epochs: int
    batch: int = 128
    max_lr: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warm_up: float = 0.3

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise UsageError(f"cannot train {self.epochs} epochs of batches of {self.batch}")


class TeacherRecipe(msgspec.Struct, frozen=True):
    """Supervised training with random shifts and flips.

    Attributes
    ----------
    schedule : Schedule
    shift_pixels : int
        Images move by up to this in both directions, zero-filled before normalisation.
    flip : bool
        Mirror half of the images.
    """

    schedule: Schedule
    shift_pixels: int = 2
    flip: bool = True


class StudentRecipe(msgspec.Struct, frozen=True):
    """Joint distillation; formula and symbols in `coinfer.training.losses`.

    Attributes
    ----------
    schedule : Schedule
    views : int
        Fixed shifted and mirrored views of each image for which the teacher's answer is cached;
        training draws one at random for each image and epoch [ours].
    shift_pixels : int
    flip : bool
    alpha, temperature, beta : float
    exit_weights : tuple of float
        ``w_b``; empty means 1 for every exit.
    portion_dropout : tuple of float
        Probability that the portion of student k is lost during training: one value for all, or
        one a student (ResiliNet's failout); empty means none is.
    """

    schedule: Schedule
    views: int = 10
    shift_pixels: int = 2
    flip: bool = True
    alpha: float = 0.9
    temperature: float = 4.0
    beta: float = 5.0
    exit_weights: tuple[float, ...] = ()
    portion_dropout: tuple[float, ...] = ()


class SubsetHeadRecipe(msgspec.Struct, frozen=True):
    """Distillation of an any-subset head on frozen portions with random survivors [ours].

    Attributes
    ----------
    schedule : Schedule
        Its epochs go over all views of all images.
    views : int
        The first views of the students' recipe.
    hidden : int
        Units of the hidden layer.
    alpha, temperature : float
        ``(1 − α)·CE + α·T²·KL`` against the teacher's answer.
    """

    schedule: Schedule
    views: int = 2
    hidden: int = 64
    alpha: float = 0.7
    temperature: float = 2.0


class Recipe(msgspec.Struct, frozen=True):
    """Recipes of all that is trained, under a name; the name enters no address."""

    name: str
    teacher: TeacherRecipe
    students: StudentRecipe
    subset_head: SubsetHeadRecipe = SubsetHeadRecipe(
        Schedule(epochs=10, batch=256, max_lr=0.3, weight_decay=1e-4)
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        # Close to what the architecture can reach; about an hour for four trainings on two cores.
        Recipe(
            "full",
            TeacherRecipe(Schedule(epochs=20)),
            StudentRecipe(Schedule(epochs=20)),
        ),
        # For figures that are published. The teacher is the quickstart's: without bf16, three more
        # epochs of it would take as long as all students of a plan.
        Recipe(
            "reference",
            TeacherRecipe(Schedule(epochs=7)),
            StudentRecipe(Schedule(epochs=8), views=4),
        ),
        # All four quickstart trainings within 18 minutes on two cores without bf16.
        Recipe(
            "quickstart",
            TeacherRecipe(Schedule(epochs=7)),
            StudentRecipe(Schedule(epochs=6), views=4),
        ),
        # Seconds on digits, which must not be mirrored.
        Recipe(
            "smoke",
            TeacherRecipe(Schedule(epochs=8, batch=64), shift_pixels=1, flip=False),
            StudentRecipe(Schedule(epochs=8, batch=64), views=3, shift_pixels=1, flip=False),
            SubsetHeadRecipe(Schedule(epochs=10, batch=64, max_lr=0.1, weight_decay=1e-4)),
        ),
    )
}
"""The recipes that come with the suite, by name."""


# CIFAR is padded by four pixels (He et al. 2016, arXiv 1512.03385, section 4.2).
_TEACHER_SHIFTS = {"cifar-10": 4, "cifar-100": 4}


def recipe(name: str, dataset: str | None = None) -> Recipe:
    """Return a recipe of the suite by name.

    Parameters
    ----------
    name : str
    dataset : str, optional
        Base of the data set to train on: images of CIFAR move by up to four pixels when a teacher
        is trained, whatever the recipe.

    Raises
    ------
    UsageError
        If there is none.

    Examples
    --------
    >>> recipe("quickstart").teacher.shift_pixels, recipe("full", "cifar-10").teacher.shift_pixels
    (2, 4)
    """
    if name not in RECIPES:
        raise UsageError(f"no training recipe {name!r}; there are {', '.join(RECIPES)}")
    found = RECIPES[name]
    shift = _TEACHER_SHIFTS.get(dataset or "", found.teacher.shift_pixels)
    teacher = msgspec.structs.replace(found.teacher, shift_pixels=shift)
    return msgspec.structs.replace(found, teacher=teacher)
