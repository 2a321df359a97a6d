"""Stages as the runner runs them, against PyTorch in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coinfer.contract import ModuleRef, Stage
from coinfer.runtime.runner import Runner


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 64])
def test_a_head_is_the_fully_connected_layer_that_it_names(bias, rows):
    layer = torch.nn.Linear(96, 10, bias=bias)
    runner = Runner(lambda _: layer, memo=False)
    stage = Stage("head", ModuleRef("torch.nn:Linear"), (), (10,))
    x = np.random.default_rng(0).normal(size=(rows, 96)).astype(np.float32)
    found = runner.run(stage, [runner.value(x)]).array
    with torch.no_grad():
        truth = layer.double()(torch.from_numpy(x).double()).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth, atol=1e-5)
