"""pytest plug-in: one kernel does 5 % more calls in every burst than it is said to.

``pytest -p slow_kernel`` with this folder on PYTHONPATH. No call is changed: the burst is longer.
"""

from __future__ import annotations

KERNEL, SIZE, BACKEND = "encode int8", 65536, "native"
SHARE = 0.05


def pytest_runtest_setup(item):
    params = getattr(getattr(item, "callspec", None), "params", {})
    task = params.get("task")
    if task is None or "name" not in params or params["name"] != BACKEND:
        return
    if (task.kernel, task.size) != (KERNEL, SIZE):
        return
    inner = item.module.measure

    def measure(benchmark, burst, beside):
        item.module.measure = inner
        run = burst.run
        burst.run = lambda calls: run(calls + round(SHARE * calls))
        return inner(benchmark, burst, beside)

    item.module.measure = measure
