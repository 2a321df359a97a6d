"""One cell as one flat object, for programs."""

from __future__ import annotations

from typing import Any

from coinfer.metrics import FIGURES
from coinfer.store import StoredCell
from coinfer.suite import AXES


def entry(stored: StoredCell) -> dict[str, Any]:
    """Coordinates, status and every figure of a cell; figures of a failed cell are None.

    ``latency_p999_ms`` is there only for cells with enough requests for it.
    """
    cell = stored.cell
    return {
        "cell": cell.key,
        **{axis: cell.coordinates[axis] for axis in AXES},
        "base": cell.method.base,
        "parameters": cell.method.parameters,
        "status": stored.status,
        "error": stored.error,
        **{
            name: stored.figures.get(name)
            for name in FIGURES
            if name != "latency_p999_ms" or name in stored.figures
        },
    }
