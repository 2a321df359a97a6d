"""Makes the backbone that a specification names."""

from __future__ import annotations

from coinfer.models.mobilenet import mobilenet_v2
from coinfer.models.pieces import Pieces
from coinfer.models.specs import BackboneSpec
from coinfer.models.wideresnet import wide_resnet


def backbone(spec: BackboneSpec, in_channels: int) -> Pieces:
    """Make the pieces of a backbone for images of `in_channels` channels."""
    make = {"wrn": wide_resnet, "mobilenet-v2": mobilenet_v2}
    return make[spec.family](spec, in_channels)
