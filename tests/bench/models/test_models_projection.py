"""The strided shortcut of narrow networks: the same numbers and gradients as a convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coinfer.models.wideresnet import Projection


@pytest.mark.parametrize("channels", [1, 4, 8, 16])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_projection_is_a_strided_convolution(channels: int, stride: int) -> None:
    made = Projection(channels, 6, stride)
    plain = nn.Conv2d(channels, 6, 1, stride, bias=False).double()
    plain.load_state_dict({"weight": made.weight.detach().double()})
    x = torch.randn(5, channels, 7, 8)
    ours, theirs = x.clone().requires_grad_(), x.double().requires_grad_()
    y, expected = made(ours), plain(theirs)
    weight = torch.randn(y.shape)
    (y * weight).sum().backward()
    (expected * weight.double()).sum().backward()
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert made.weight.grad is not None
    assert plain.weight.grad is not None
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(made.weight.grad.double(), plain.weight.grad, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(made(x), y)
