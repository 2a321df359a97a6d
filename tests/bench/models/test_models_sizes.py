"""Parameters and operations against the sizes that the literature states (METHODS.md)."""

import pytest
import torch

from coinfer.errors import UsageError
from coinfer.models import Classifier, StudentSpec, TeacherSpec, measure


@pytest.mark.parametrize(
    ("spec", "parameters", "macs"),
    [
        (TeacherSpec("wrn", 10, 1), 77_850, 12_501_632),
        (TeacherSpec("wrn", 16, 1), 175_066, 26_657_408),
        (TeacherSpec("wrn", 22, 1), 272_282, 40_813_184),
        (TeacherSpec("wrn", 28, 1), 369_498, 54_968_960),
        (TeacherSpec("wrn", 40, 1), 563_930, 83_280_512),
        (TeacherSpec("wrn", 16, 2), 691_674, 101_106_944),
        (TeacherSpec("wrn", 16, 4), 2_748_890, 392_612_352),
        (TeacherSpec("wrn", 40, 4), 8_949_210, 1_298_582_016),
        (TeacherSpec("mobilenet-v2", 0, 0.25), 164_750, 6_967_936),
        (TeacherSpec("mobilenet-v2", 0, 0.5), 602_482, 24_483_072),
        (TeacherSpec("mobilenet-v2", 0, 1), 2_296_922, 91_154_944),
    ],
    ids=lambda value: value.name if isinstance(value, TeacherSpec) else "",
)
def test_sizes_of_the_literature(spec: TeacherSpec, parameters: int, macs: int) -> None:
    model = Classifier(spec, 3, 10)
    assert sum(p.numel() for p in model.parameters()) == parameters
    cost = measure(model, (3, 32, 32))
    assert cost.macs == macs
    assert cost.output == (10,)


def test_a_stride_2_stem_costs_a_quarter() -> None:
    full = measure(Classifier(TeacherSpec("wrn", 16, 2), 3, 10), (3, 32, 32))
    half = measure(Classifier(TeacherSpec("wrn", 16, 2, stem_stride=2), 3, 10), (3, 32, 32))
    assert half.macs / full.macs == pytest.approx(0.25, abs=0.01)


def test_bytes_are_counted_by_hand() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU())
    cost = measure(module, (1, 4, 4))
    assert cost.weights_bytes == 4 * (2 * 9 + 2)
    assert cost.activation_bytes == 4 * (2 * 16 + 2 * 16)
    assert cost.macs == 2 * 9 * 16


@pytest.mark.parametrize(
    "wrong",
    [
        {"family": "vgg"},
        {"depth": 12},
        {"family": "mobilenet-v2", "depth": 10},
        {"stem_stride": 3},
        {"width": 0},
        {"exits": 0},
    ],
)
def test_an_impossible_specification_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        StudentSpec(**wrong)  # type: ignore[arg-type]
