"""A deployment, looked up from the sides the reactors need."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property

from coinfer.cluster import Cluster
from coinfer.contract import INPUT, SOURCE, Deployment, Now, Replica, Slice, Stage, gate_of
from coinfer.errors import ContractError


class Topology:
    """Stages by name, replicas by device, and who sends what to whom.

    Parameters
    ----------
    deployment : Deployment
    devices : tuple of str
    routes : collection of str
        ``"a>b"`` where a reaches b by a link of its own.
    multicast : bool
        Whether one transmission reaches several receivers.

    Raises
    ------
    ContractError
        If a replica, a need or a device is unknown, or a stage is placed twice on one device.
    """

    def __init__(
        self,
        deployment: Deployment,
        devices: tuple[str, ...],
        routes: Collection[str] = (),
        *,
        multicast: bool = False,
    ) -> None:
        self.multicast = multicast
        self._routes = routes
        self.deployment = deployment
        self.devices = devices
        self.stages: dict[str, Stage] = {s.id: s for s in deployment.stages}
        if len(self.stages) != len(deployment.stages):
            raise ContractError("deployment: two stages have the same id; rename one")
        self._place = {name: place for place, name in enumerate(self.stages)}
        self.on: dict[str, dict[str, Replica]] = {d: {} for d in (*devices, SOURCE)}
        for replica in deployment.replicas:
            if replica.stage not in self.stages:
                raise ContractError(f"deployment: replica of unknown stage {replica.stage!r}")
            if replica.device not in self.on:
                raise ContractError(f"deployment: replica on unknown device {replica.device!r}")
            if replica.stage in self.on[replica.device]:
                raise ContractError(
                    f"deployment: stage {replica.stage!r} stands twice on {replica.device!r}"
                )
            self.on[replica.device][replica.stage] = replica
        for stage in deployment.stages:
            for need in stage.needs:
                if gate_of(need) is None and need.stage not in self.stages and need.stage != INPUT:
                    raise ContractError(f"stage {stage.id!r} needs unknown stage {need.stage!r}")

    @classmethod
    def of(cls, deployment: Deployment, cluster: Cluster, *, modelled: bool = True) -> Topology:
        """Topology on a cluster; where its links are not modelled, nothing goes to several."""
        multicast = modelled and cluster.broadcast == "multicast"
        return cls(deployment, cluster.names, cluster.routes, multicast=multicast)

    def stages_on(self, device: str) -> dict[str, Stage]:
        """Stages of a device, in the order of the deployment."""
        names = sorted(self.on[device], key=self._place.__getitem__)
        return {name: self.stages[name] for name in names}

    def weights_bytes(self, device: str) -> int:
        """What the stages of a device keep resident."""
        return sum(self.stages[name].weights_bytes for name in self.on[device])

    def consumers(self, stage: str, device: str) -> list[tuple[str, Slice | None]]:
        """Other devices that need this output from here, and which part of it."""
        return self._consumers.get((stage, device), [])

    def group(self, sender: str, receivers: Iterable[str]) -> tuple[str, ...]:
        """Receivers that one transmission reaches together; none where each gets its own."""
        if not self.multicast:
            return ()
        found = tuple(to for to in receivers if f"{sender}>{to}" not in self._routes)
        return found if len(found) > 1 else ()

    @cached_property
    def inputs(self) -> dict[str, tuple[Slice | None, ...]]:
        """Parts of the job's input that each device needs."""
        found: dict[str, dict[Slice | None, None]] = {device: {} for device in self.workers}
        for device, parts in found.items():
            for name in self.on[device]:
                for need in self.stages[name].needs:
                    if need.stage == INPUT:
                        parts[need.select] = None
        return {device: tuple(parts) for device, parts in found.items()}

    @cached_property
    def starters(self) -> tuple[str, ...]:
        """Workers with a replica that begins without being told to."""
        return tuple(
            device
            for device in self.workers
            if any(isinstance(replica.start, Now) for replica in self.on[device].values())
        )

    @cached_property
    def workers(self) -> tuple[str, ...]:
        """Devices that hold a replica, the source left out."""
        return tuple(d for d in self.devices if self.on[d])

    @cached_property
    def gates(self) -> dict[str, tuple[str, ...]]:
        """Devices that wait for each gate."""
        found: dict[str, list[str]] = {}
        for device in self.workers:
            for name in self.on[device]:
                for need in self.stages[name].needs:
                    gate = gate_of(need)
                    if gate is not None and device not in found.setdefault(gate, []):
                        found[gate].append(device)
        return {gate: tuple(names) for gate, names in found.items()}

    def ancestry_macs(self, stages: frozenset[str]) -> int:
        """MACs of one row of these stages and of all that they rest on, each counted once."""
        known = self._ancestry.get(stages)
        if known is None:
            todo, seen = list(stages), set[str]()
            while todo:
                name = todo.pop()
                if name in seen or name not in self.stages:
                    continue
                seen.add(name)
                todo += [need.stage for need in self.stages[name].needs]
            known = self._ancestry[stages] = sum(self.stages[name].macs for name in seen)
        return known

    @cached_property
    def _ancestry(self) -> dict[frozenset[str], int]:
        return {}

    @cached_property
    def _holders(self) -> dict[str, list[str]]:
        """Devices that hold each stage, the source left out."""
        found: dict[str, list[str]] = {name: [] for name in self.stages}
        for device in self.workers:
            for name in self.on[device]:
                found[name].append(device)
        return found

    @cached_property
    def _consumers(self) -> dict[tuple[str, str], list[tuple[str, Slice | None]]]:
        found: dict[tuple[str, str], list[tuple[str, Slice | None]]] = {}
        for device in self.workers:
            for name in self.on[device]:
                for need in self.stages[name].needs:
                    if need.same_device or need.stage not in self.stages:
                        continue
                    for producer in self._holders[need.stage]:
                        if producer != device:
                            targets = found.setdefault((need.stage, producer), [])
                            if (device, need.select) not in targets:
                                targets.append((device, need.select))
        return found
