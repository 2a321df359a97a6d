"""Loaders and splits of the data sets that coinfer measures on (internal: no stable promise)."""

from coinfer_datasets.catalogue import Info, available, info
from coinfer_datasets.dataset import Dataset, Split
from coinfer_datasets.loading import load

__all__ = ["Dataset", "Info", "Split", "available", "info", "load"]
