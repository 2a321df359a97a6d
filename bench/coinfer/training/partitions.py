"""Partitions of a teacher's filters, kept in the zoo.

Spectral clustering may come out otherwise under another version of its library; students are
trained for one set of partitions, so the set that was found first is the one that is used.
"""

from __future__ import annotations

from coinfer.errors import UsageError
from coinfer.planning.partition import PARTITIONERS, Graph, Partitioned, Partitioner
from coinfer.training.teacher import VERSION, TeacherArtifact
from coinfer.training.zoo import Zoo


def remembered_partitions(
    teacher: TeacherArtifact, rule: str, k: int, seed: int, zoo: Zoo
) -> Partitioned:
    """Cut the teacher's filters into `k` partitions, or return the cut that the zoo has.

    Parameters
    ----------
    teacher : TeacherArtifact
    rule : str
        One of `coinfer.planning.PARTITIONERS`.
    k, seed : int
    zoo : Zoo

    Raises
    ------
    UsageError
        If there is no such rule.
    PlanError
        If there are fewer connected filters than partitions.
    """
    if rule not in PARTITIONERS:
        raise UsageError(f"no partition rule {rule!r}; there are {', '.join(PARTITIONERS)}")
    inputs = {
        "what": "partitions",
        "version": VERSION,
        "teacher": teacher.weights_sha256,
        "rule": rule,
        "k": k,
        "seed": seed,
    }

    def cut() -> dict[str, object]:
        made = PARTITIONERS[rule](teacher.activation_graph, k, seed)
        return {"partitions": made.partitions, "dropped": made.dropped, "ncut": made.ncut}

    value = zoo.remember(inputs, cut)
    partitions = tuple(tuple(partition) for partition in value["partitions"])
    return Partitioned(partitions, tuple(value["dropped"]), value["ncut"])


def remembering_partitioner(teacher: TeacherArtifact, rule: str, zoo: Zoo) -> Partitioner:
    """Return a partitioner for `coinfer.planning.plan_rocoin` that keeps its cuts in the zoo."""

    def cut(_: Graph, k: int, seed: int) -> Partitioned:
        return remembered_partitions(teacher, rule, k, seed, zoo)

    return cut
