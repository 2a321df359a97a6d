"""One cell from start to finish, and all cells of a run: on this machine, or on several."""

from coinfer.execute.calibrate import calibrate
from coinfer.execute.executor import Executor
from coinfer.execute.inputs import inputs_hash
from coinfer.execute.local import run_cells
from coinfer.execute.planned import check, plan_notes
from coinfer.execute.stage_costs import measurable_stages
from coinfer.execute.training import train
from coinfer.execute.worker import Finished, OnProgress, Progress

__all__ = [
    "Executor",
    "Finished",
    "OnProgress",
    "Progress",
    "calibrate",
    "check",
    "inputs_hash",
    "measurable_stages",
    "plan_notes",
    "run_cells",
    "train",
]
