"""Exits on the one device that asks, against the same network run as a whole in torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from coinfer.cluster import CLUSTERS
from coinfer.cluster.cost_table import load_cost_table
from coinfer.contract import Batching
from coinfer.methods.local_exit import LocalExit, LocalExitParameters, LocalExitPlan
from coinfer.methods.rules import RULES, Costs, Tuned
from coinfer.methods.rules.curve import Curve
from coinfer.models import JointModel, JointSpec, StudentSpec
from coinfer.runtime.job import Load
from coinfer.runtime.runner import Runner
from coinfer.runtime.scenario import Scenario
from coinfer.runtime.virtual import VirtualDriver
from coinfer.training import JointArtifact
from coinfer_kernels import backend

SPEC = JointSpec((StudentSpec(depth=10, base=4, exits=3),), (12,), (1, 8, 8), 10)
REQUESTS = 24


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = JointModel(SPEC).eval()
    for parameter in made.heads.parameters():
        parameter.data *= 8  # random heads are sure of nothing
    return made


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(REQUESTS, 1, 8, 8)).astype(np.float32)


def entropies(out):
    logits = torch.stack(out.logits[:-1]).double()
    p = torch.softmax(logits, dim=-1)
    return -(p * p.log()).sum(dim=-1).numpy()


def differences(out):
    unit = []
    for (portion,) in out.portions[:-1]:
        v = portion.double().numpy()
        unit.append(v / np.linalg.norm(v, axis=1, keepdims=True))
    first = np.full(REQUESTS, np.inf)
    return np.stack([first, np.linalg.norm(unit[1] - unit[0], axis=1)])


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize(
    ("rule", "scores"), [("entropy", entropies), ("feature-difference", differences)]
)
def test_rows_leave_where_the_definition_says_and_the_rest_is_not_run(
    model, images, rule, scores, rows
):
    with torch.inference_mode():
        out = model(torch.from_numpy(images))
    truth = scores(out)
    taus = np.median(truth, axis=1)
    taus[np.isinf(taus)] = 0.0  # nothing to be compared with, whatever the threshold
    exits = np.where(truth[0] <= taus[0], 1, np.where(truth[1] <= taus[1], 2, 3))
    labels = np.stack([logits.argmax(dim=1).numpy() for logits in out.logits])

    curve = Curve(*(np.zeros(1),) * 5, np.zeros((1, 3)))
    tuned = Tuned(RULES[rule](), taus[None], curve, 0, 0.0)
    joint = JointArtifact("digits", SPEC, ((),), 0, "", "", (), ())
    costs = Costs((0,) * 3, (0,) * 3, (0,) * 3, (0,) * 3)
    method = LocalExit(LocalExitParameters(rule=rule))
    deployment = method.deploy(LocalExitPlan(SPEC, costs, 0, joint, tuned), None, None)
    deployment = replace(deployment, batching=Batching(rows=rows, wait_ns=10**6))
    items = tuple(range(REQUESTS))
    given = Scenario(
        deployment=deployment,
        cluster=CLUSTERS["mixed-4"],
        load=Load(images, items, items, [0] * REQUESTS, 10**12),
        faults=(),
        encoding="raw",
        backend=backend.load("reference"),
        costs=load_cost_table(),
        seed=0,
    )
    runner = Runner(lambda ref: model.get_submodule(ref.prefix.rstrip(".")), memo=True)
    records = VirtualDriver(given, runner).run().records

    assert len(set(exits)) > 1
    assert [r.exit for r in records] == exits.tolist()
    assert [r.prediction for r in records] == labels[exits - 1, np.arange(REQUESTS)].tolist()
    macs = {stage.id: stage.macs for stage in deployment.stages}
    for record in records:
        ran = [f"s0.{part}{b}" for part in "be" for b in range(1, record.exit + 1)]
        asked = range(1, record.exit + 1) if rule == "entropy" else [record.exit]
        ran += [f"head{b}" for b in asked]
        assert (record.macs, record.macs_wasted) == (sum(macs[stage] for stage in ran), 0)
        assert record.messages == 0
