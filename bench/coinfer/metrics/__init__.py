"""Records in, figures out."""

from coinfer.metrics.catalogue import BENCHMARK_METRICS, METRICS, Metric, metric
from coinfer.metrics.figures import EXITS, FIGURES, STATICS, figures
from coinfer.metrics.latency import percentiles_told

__all__ = [
    "BENCHMARK_METRICS",
    "EXITS",
    "FIGURES",
    "METRICS",
    "STATICS",
    "Metric",
    "figures",
    "metric",
    "percentiles_told",
]
