"""The suite file, and the cells that its axes span."""

from coinfer.suite.cells import Cell, MethodChoice, expand, folder_name, resolve
from coinfer.suite.inventory import load_inventory, on_inventory
from coinfer.suite.load import load_suite, shipped_suites
from coinfer.suite.overrides import parse_override, parse_requests
from coinfer.suite.schema import AXES, SEED_AXES, Axes, Defaults, Finding, Findings, Suite

__all__ = [
    "AXES",
    "SEED_AXES",
    "Axes",
    "Cell",
    "Defaults",
    "Finding",
    "Findings",
    "MethodChoice",
    "Suite",
    "expand",
    "folder_name",
    "load_inventory",
    "load_suite",
    "on_inventory",
    "parse_override",
    "parse_requests",
    "resolve",
    "shipped_suites",
]
