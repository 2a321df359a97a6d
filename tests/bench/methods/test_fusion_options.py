"""What stands for lost portions, deployed in virtual time, against the same sums in NumPy."""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import pytest
import torch

import coinfer_datasets
from coinfer.cluster import Fault, FaultList
from coinfer.contract import Arrival
from coinfer.errors import UsageError
from coinfer.execute.cell import run_cell
from coinfer.execute.prepare import prepare
from coinfer.methods.nonn import NoNNParameters
from coinfer.methods.portion_fusion import PortionLayout
from coinfer.methods.portions import fit_portions
from coinfer.models import JointModel, JointSpec, StudentSpec
from coinfer.runtime.runner import Runner
from coinfer.training import Zoo
from coinfer.training.modules import build
from coinfer.training.zoo import ZOO_VARIABLE


@pytest.fixture(scope="module", autouse=True)
def own_zoo(tmp_path_factory):
    """Heads are trained into a zoo of this module's own; the students come with the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ZOO_VARIABLE, str(tmp_path_factory.mktemp("zoo")))
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cell_of(smoke_cell):
    """A function: a cell of a method with a fusion, from the first request without some devices."""

    def find(method, fusion, lost=()):
        cell = smoke_cell(method, faults="none", encoding="raw")
        choice = msgspec.structs.replace(
            cell.method, parameters={**cell.method.parameters, "fusion": fusion}
        )
        events = tuple(Fault(kind="crash", target=name, on_request=1) for name in lost)
        return msgspec.structs.replace(cell, method=choice, faults=FaultList(events=events))

    return find


@pytest.fixture(scope="module")
def runner():
    return Runner(build, memo=True)


def weights_of(cell, stage_id):
    (stage,) = [s for s in prepare(cell).deployment.stages if s.id == stage_id]
    (found,) = [a for a in Zoo().ls() if a.weights_sha256 == stage.module.weights_sha256][:1]
    return found


def portions(cell, split):
    """Portions (N, F), sizes and labels of a split, by the students as a whole in torch."""
    found = weights_of(cell, "s0")
    students = tuple(msgspec.convert(s, StudentSpec) for s in found.inputs["students"])
    filters = tuple(len(p) for p in found.inputs["partitions"])
    model = JointModel(JointSpec(students, filters, (1, 8, 8), 10))
    model.load_state_dict(found.tensors())
    data = coinfer_datasets.load("digits")
    images = data.split(split)
    with torch.inference_mode():
        out = model.eval()(torch.from_numpy(data.normalise(images.images)))
    features = torch.cat(out.portions[-1], dim=1).double().numpy()
    return features, np.array(filters), images.labels, model.heads[0]


def linear(values, layer_weight, layer_bias):
    return values @ layer_weight.double().numpy().T + layer_bias.double().numpy()


def subset_logits(tensors, features, filters, present):
    """The any-subset head in float64."""
    seen = features * np.repeat(present, filters, axis=1)
    x = np.concatenate([seen, present], axis=1)
    hidden = np.maximum(linear(x, tensors["hidden.weight"], tensors["hidden.bias"]), 0)
    return linear(hidden, tensors["answer.weight"], tensors["answer.bias"])


def degraded(outcome):
    rows = [r for r in outcome.records if r.status == "degraded"]
    assert len(rows) > 20
    return [r.item for r in rows], np.array([r.prediction for r in rows])


def run(cell, runner):
    return run_cell(cell, prepare(cell), runner, lambda _: None).outcome


def lost_devices(cell, count):
    return [device.name for device in cell.cluster.devices][:count]


@pytest.mark.parametrize("count", [1, 3])
def test_mean_fill_puts_the_mean_of_the_validation_split(cell_of, runner, count):
    lost = lost_devices(cell_of("nonn", "mean-fill"), count)
    cell = cell_of("nonn", "mean-fill", lost)
    items, answers = degraded(run(cell, runner))
    features, filters, _, head = portions(cell, "test")
    mean = portions(cell, "validation")[0].mean(axis=0)
    width = filters[:count].sum()
    filled = features[items]
    filled[:, :width] = mean[:width]
    expected = linear(filled, head.weight.detach(), head.bias.detach()).argmax(axis=1)
    np.testing.assert_array_equal(answers, expected)
    assert prepare(cell).notes["fusion"] == "mean-fill"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_any_subset_head_is_told_what_is_missing(cell_of, runner, count):
    lost = lost_devices(cell_of("nonn", "any-subset"), count)
    cell = cell_of("nonn", "any-subset", lost)
    outcome = run(cell, runner)
    if count:
        items, answers = degraded(outcome)
    else:
        items = [r.item for r in outcome.records]
        answers = np.array([r.prediction for r in outcome.records])
    features, filters, _, _ = portions(cell, "test")
    present = np.ones((len(items), len(filters)))
    present[:, :count] = 0
    tensors = weights_of(cell, "any-subset").tensors()
    expected = subset_logits(tensors, features[items], filters, present).argmax(axis=1)
    np.testing.assert_array_equal(answers, expected)


def test_the_heads_record_is_what_all_subsets_give(cell_of):
    """The drawn estimate on the validation split against every subset; better than zeros."""
    cell = cell_of("nonn", "any-subset")
    features, filters, labels, head = portions(cell, "validation")
    found = weights_of(cell, "any-subset")
    told = found.record["validation_accuracy"]
    assert len(told) == len(filters)
    zero_filled = []
    for count in range(1, len(filters) + 1):
        ours, zeros = [], []
        for kept in combinations(range(len(filters)), count):
            present = np.zeros((len(labels), len(filters)))
            present[:, list(kept)] = 1
            logits = subset_logits(found.tensors(), features, filters, present)
            ours.append((logits.argmax(axis=1) == labels).mean())
            seen = features * np.repeat(present, filters, axis=1)
            plain = linear(seen, head.weight.detach(), head.bias.detach())
            zeros.append((plain.argmax(axis=1) == labels).mean())
        assert told[count - 1] == pytest.approx(np.mean(ours), abs=0.02)
        zero_filled.append(np.mean(zeros))
    assert told[0] > zero_filled[0] + 0.05
    assert told[-1] > zero_filled[-1] - 0.02
    notes = prepare(cell).notes["validation_accuracy_by_survivors"]
    assert list(notes.values()) == told


def test_the_head_counts_and_is_found_again(cell_of, monkeypatch):
    cell = cell_of("nonn", "any-subset")
    prepared = prepare(cell)
    (stage,) = [s for s in prepared.deployment.stages if s.id == "any-subset"]
    features, partitions = 64, len(cell.cluster.devices)
    assert stage.macs == (features + partitions) * 64 + 64 * 10
    monkeypatch.setattr(coinfer_datasets, "load", None)
    again = cell_of("nonn", "any-subset", ["d0"])
    assert prepare(again).deployment.stages == prepared.deployment.stages


def test_rows_that_left_are_filled_row_by_row():
    layout = PortionLayout(("s0", "s1"), (2, 1), (("a",), ("b",)))
    got = {"s0": Arrival("s0", "a", (7, 9), np.array([[1, 2], [5, 6]], np.float32))}
    vector, present = layout.gather(got, (7, 8, 9), np.array([0.1, 0.2, 0.3], np.float32))
    np.testing.assert_allclose(vector, [[1, 2, 0.3], [0.1, 0.2, 0.3], [5, 6, 0.3]], rtol=1e-6)
    assert present.tolist() == [[1, 0], [0, 0], [1, 0]]


def test_a_dropout_rate_that_is_none_is_refused():
    with pytest.raises(UsageError, match="partition_dropout"):
        NoNNParameters(partition_dropout=1.0)
    assert NoNNParameters(partition_dropout="outage").partition_dropout == "outage"


class Recorder:
    """A workshop that trains nothing and says what it was asked for."""

    def distil(self, profile, students, partitions, dropout):
        return dropout

    def fuse(self, profile, fusion, joint):
        return fusion, joint


@pytest.mark.parametrize(
    ("asked", "rates"),
    [(0.0, ()), (0.15, (0.15,)), ("outage", (0.01, 0.3 * 0.2, 0.0))],
)
def test_students_are_trained_with_the_losses_that_are_asked_for(asked, rates):
    parameters = NoNNParameters(fusion="mean-fill", partition_dropout=asked)
    outages = [0.1 * 0.1, 0.2 * 0.3, 0.0]
    fusion, dropout = fit_portions(parameters, None, Recorder(), [], [], outages)
    assert fusion == "mean-fill"
    assert dropout == pytest.approx(rates)
