"""Cells on other machines, handed out by Dask: what it takes to run one there is as it is here."""

from coinfer.execute.dask.executor import dask_executor

__all__ = ["dask_executor"]
