"""Where the cells of a run on several machines were run."""

from __future__ import annotations

from collections import Counter

from coinfer.store import Contents, RunFolder
from coinfer.store.timings import machines


def machine_lines(run: RunFolder, contents: Contents) -> list[str]:
    """Name the machines with the number of their cells; nothing where there was one, unnamed."""
    where = machines(run)
    if not where:
        return []
    counted = Counter(where.get(s.cell.key, "where the run was started") for s in contents.cells)
    told = ", ".join(
        f"{name}: {count} cell{'' if count == 1 else 's'}" for name, count in counted.items()
    )
    timed = any(s.cell.mode != "virtual" for s in contents.cells)
    return [f"{told}{'; what was timed on different ones is kept apart' if timed else ''}"]
