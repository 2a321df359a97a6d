"""A whole classifier, and the pooled activations of its last filters."""

from __future__ import annotations

from torch import Tensor, nn

from coinfer.models.backbone import backbone
from coinfer.models.pieces import GlobalAveragePool
from coinfer.models.specs import BackboneSpec


class Classifier(nn.Module):
    """Backbone, global average pool and one fully connected layer.

    Attributes
    ----------
    filters : int
        Filters of the last feature map.
    """

    def __init__(self, spec: BackboneSpec, in_channels: int, classes: int) -> None:
        super().__init__()
        pieces = backbone(spec, in_channels)
        self.filters = pieces.tail_channels
        self.body = nn.Sequential(pieces.stem, *pieces.units, pieces.tail)
        self.pool = GlobalAveragePool()
        self.head = nn.Linear(self.filters, classes)

    def features(self, x: Tensor) -> Tensor:
        """Pooled activations of the last filters, shape (N, filters), never negative."""
        pooled: Tensor = self.pool(self.body(x))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits
