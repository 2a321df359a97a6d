"""Records in, figures out."""

from coinfer.metrics.catalogue import METRICS, Metric, metric
from coinfer.metrics.figures import FIGURES, figures

__all__ = ["FIGURES", "METRICS", "Metric", "figures", "metric"]
