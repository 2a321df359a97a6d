"""All figures of the page, in its order; one without data is left out, with the reason."""

from collections.abc import Callable
from typing import Final

from coinfer.report.html.figures.boards import boards
from coinfer.report.html.figures.exits import exits
from coinfer.report.html.figures.failures import failures
from coinfer.report.html.figures.fidelity import fidelity
from coinfer.report.html.figures.kernels import kernels
from coinfer.report.html.figures.latency import latency
from coinfer.report.html.figures.path import path
from coinfer.report.html.figures.tradeoffs import against_bytes, against_latency, against_macs
from coinfer.report.html.material import Absent, Figure, Material

FIGURES: Final[tuple[Callable[[Material], Figure | Absent], ...]] = (
    *(against_latency, against_macs, against_bytes, failures),
    *(latency, path, exits, kernels, fidelity, boards),
)
