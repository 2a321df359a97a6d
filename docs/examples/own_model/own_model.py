"""A network of one's own, trained here and run on an emulated device.

coinfer needs three things: a function that builds the module (`build`), its weights in the zoo, and
a method that says where it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

import coinfer_datasets
from coinfer.cluster import Cluster
from coinfer.contract import Deployment, Replica, Stage
from coinfer.methods import Parameters, Profile, Workshop
from coinfer.methods.base import broadcast_ns, portion_ns
from coinfer.methods.local_teacher import OneAnswer
from coinfer.models import canonical_sha256, own_stage, state_tensors

EPOCHS = 60


class TwoLayers(nn.Module):
    """A convolution and a linear layer: any module that returns (rows, classes) in float32 does."""

    def __init__(self, hidden: int, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.convolution = nn.Conv2d(channels, hidden, 3, padding=1)
        self.classifier = nn.Linear(hidden * height * width // 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = nn.functional.max_pool2d(torch.relu(self.convolution(x)), 2)
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def build(hidden: int, shape: list[int], classes: int) -> nn.Module:
    """Build the module from JSON values: every device does, before it loads the weights."""
    channels, height, width = shape
    return TwoLayers(hidden, (channels, height, width), classes)


class OwnModelParameters(Parameters, frozen=True, kw_only=True):
    """What a suite file may set.

    Attributes
    ----------
    hidden : int
        Channels of the convolution.
    """

    hidden: int = 16


@dataclass(frozen=True)
class OwnPlan:
    """The device, and the stage, which has weights once they are there."""

    device: str
    stage: Stage
    predicted_ns: int

    def describe(self) -> dict[str, Any]:
        """For ``coinfer plan``, and to be kept with the results."""
        return {"device": self.device, "macs": self.stage.macs}


class OwnModel:
    """A network of one's own on the fastest device."""

    Parameters = OwnModelParameters
    summary = "my own network on the fastest device"

    def __init__(self, parameters: OwnModelParameters) -> None:
        self._parameters = parameters

    def plan(self, profile: Profile, cluster: Cluster) -> OwnPlan:
        """Take the fastest device."""
        device = max(cluster.devices, key=lambda d: d.macs_per_s).name
        stage = self._stage(profile, None)
        predicted_ns = broadcast_ns(cluster, device, profile.input_bytes) + portion_ns(
            cluster, device, stage.macs, profile.payload_bytes(profile.teacher.classes)
        )
        return OwnPlan(device, stage, predicted_ns)

    def fit(self, plan: OwnPlan, profile: Profile, workshop: Workshop) -> OwnPlan:
        """Find the weights in the zoo, or train for a second and put them there."""
        arguments = self._arguments(profile)
        # Everything that decides the weights; its digest is their address.
        inputs = {
            "what": "own-model",
            "version": 1,
            "data": coinfer_datasets.info(profile.dataset).identity,
            "arguments": arguments,
            "epochs": EPOCHS,
            "train_seed": workshop.train_seed,
        }
        found = workshop.zoo.get(canonical_sha256(inputs))
        if found is None:
            module = build(**arguments)
            train(module, profile.dataset, workshop)
            found = workshop.zoo.put(inputs, state_tensors(module), {})
        return replace(plan, stage=self._stage(profile, found.weights_sha256))

    def calibrate(self, plan: OwnPlan, profile: Profile, workshop: Workshop) -> OwnPlan:
        """No thresholds."""
        return plan

    def deploy(self, plan: OwnPlan, profile: Profile, cluster: Cluster) -> Deployment:
        """One stage on one device; its logits are the answer."""
        return Deployment(
            stages=(plan.stage,),
            replicas=(Replica(plan.stage.id, plan.device),),
            fusion=lambda job: OneAnswer(job, plan.device),
            predicted_latency_ns=plan.predicted_ns,
            notes=plan.describe(),
        )

    def _stage(self, profile: Profile, weights_sha256: str | None) -> Stage:
        arguments = self._arguments(profile)
        shapes = [profile.teacher.shape]
        return own_stage("own", "own_model:build", shapes, weights_sha256, arguments)

    def _arguments(self, profile: Profile) -> dict[str, Any]:
        teacher = profile.teacher
        return {
            "hidden": self._parameters.hidden,
            "shape": list(teacher.shape),
            "classes": teacher.classes,
        }


def train(module: nn.Module, dataset: str, workshop: Workshop) -> None:
    """Fit to the training split, the same way for the same seed."""
    data = coinfer_datasets.load(coinfer_datasets.info(dataset).base, workshop.data_dir)
    images = torch.from_numpy(data.normalise(data.train.images))
    labels = torch.from_numpy(data.train.labels)
    draws = torch.Generator().manual_seed(workshop.train_seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.05, generator=draws)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimiser.step()
