"""Methods: DistrEE, RoCoIn and their baselines, each a plan and a fusion rule in one file."""

from __future__ import annotations

from coinfer.methods.base import Method, Parameters, Profile, Workshop
from coinfer.methods.registry import method, names


def parameter_types() -> dict[str, type[Parameters]]:
    """Type of the parameters of every method."""
    return {name: method(name).Parameters for name in names()}


def descriptions() -> dict[str, str]:
    """One line about every method."""
    return {name: method(name).summary for name in names()}


__all__ = [
    "Method",
    "Parameters",
    "Profile",
    "Workshop",
    "descriptions",
    "method",
    "names",
    "parameter_types",
]
