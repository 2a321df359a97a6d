"""What answering at each exit takes, as a plan predicts it: MACs, and latency without faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from coinfer.cluster import Cluster
from coinfer.methods.base import Profile, broadcast_ns, head_ns, portion_ns
from coinfer.methods.rules import Costs, ExitRule
from coinfer.models import JointSpec, head_stage, student_stages

CONTROL_BYTES = 16
"""About what a permit takes; for the prediction only, the runtime counts real bytes."""

Control: TypeAlias = Literal["strict", "speculative"]


def exit_costs(
    spec: JointSpec,
    devices: Sequence[str],
    rule: type[ExitRule],
    control: Control,
    profile: Profile,
    cluster: Cluster,
) -> Costs:
    """Costs of every exit, of all devices together with the source.

    Latency leaves out kernels and jitter's luck, as all predictions do. With speculative control
    no MACs are counted for what devices do before a stop reaches them.

    Parameters
    ----------
    spec : JointSpec
        Student k runs on ``devices[k]``.
    devices : sequence of str
    rule : type of ExitRule
    control : {"strict", "speculative"}
    profile : Profile
    cluster : Cluster
    """
    student_macs = [
        {s.id.rpartition(".")[2]: s.macs for s in student_stages(spec, k, None)}
        for k in range(len(devices))
    ]
    heads = [head_stage(spec, b, None).macs for b in range(1, spec.exits + 1)]

    def macs(exits: Sequence[int]) -> int:
        """Until the last of these exits has answered."""
        ran = sum(
            found[f"b{i}"] + (found[f"e{i}"] if i in exits else 0)
            for found in student_macs
            for i in range(1, exits[-1] + 1)
        )
        asked = exits if rule.reads_logits else exits[-1:]
        return ran + sum(heads[b - 1] for b in asked)

    def steps(k: int, exits: Sequence[int]) -> list[int]:
        """MACs of device k before each portion."""
        found, begun, made = student_macs[k], 0, []
        for b in exits:
            made.append(sum(found[f"b{i}"] for i in range(begun + 1, b + 1)) + found[f"e{b}"])
            begun = b
        return made

    def sent(k: int) -> int:
        return profile.payload_bytes(spec.filters[k])

    def strict_ns(exits: Sequence[int]) -> int:
        """The slowest device of every step between two decisions."""
        total = max(broadcast_ns(cluster, d, profile.input_bytes) for d in devices)
        for place in range(len(exits)):
            total += max(
                portion_ns(cluster, d, steps(k, exits)[place], sent(k))
                for k, d in enumerate(devices)
            )
            if place < len(exits) - 1:
                total += max(broadcast_ns(cluster, d, CONTROL_BYTES) for d in devices)
        return total + decided_ns(exits)

    def speculative_ns(exits: Sequence[int]) -> int:
        """The slowest device that goes on at once; portions queue for its uplink."""
        ends = []
        for k, device in enumerate(devices):
            computed = free = broadcast_ns(cluster, device, profile.input_bytes)
            late_ns = portion_ns(cluster, device, 0, sent(k)) - transmit_ns(device, sent(k))
            for step in steps(k, exits):
                computed += round(step * 1e9 / cluster.device(device).macs_per_s)
                free = max(free, computed) + transmit_ns(device, sent(k))
            ends.append(free + late_ns)
        return max(ends) + decided_ns(exits)

    def transmit_ns(device: str, payload_bytes: int) -> int:
        link = cluster.link(device)
        return round(8 * (payload_bytes + link.header_bytes) * 1e9 / link.up_bps)

    def decided_ns(exits: Sequence[int]) -> int:
        asked = exits if rule.reads_logits else exits[-1:]
        return sum(head_ns(cluster, heads[b - 1]) for b in asked)

    timed = strict_ns if control == "strict" else speculative_ns
    reached = [range(1, b + 1) for b in range(1, spec.exits + 1)]
    alone = [(b,) for b in range(1, spec.exits + 1)]
    return Costs(
        macs=tuple(map(macs, reached)),
        ns=tuple(map(timed, reached)),
        alone_macs=tuple(map(macs, alone)),
        alone_ns=tuple(map(timed, alone)),
    )
