"""Injects 5 % of a request's time into the codec of native cells, and looks who notices.

    python tests/perf/injection/native.py OUTPUT.json [--repeats 10] [--pairs 10] [--requests 300]

First pairs of runs of the same thing, none of which may be called slower; then one whose encodings
take longer, so that a request does by 5 % of the median latency. Cells of both sides alternate, so
that what the machine does meanwhile meets both. `coinfer compare` judges the stored runs, as it
would those of a user.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SHARE = 0.05
ENCODINGS = 2  # that a request waits for: the source's, then a device's
SUITE = """
schema = 1
name = "native"
question = "Is a slower codec found?"

[defaults]
dataset = "digits"
mode = "native"
encoding = "int8"
deadline_ms = 10_000 # no request is lost to a busy moment
workload = { kind = "single-stream", requests = REQUESTS, warm_up = 50 }

[axes]
method = ["nonn"]
cluster = ["two"]

[cluster.two]
devices = [{ name = "a", macs_per_s = 20e6 }, { name = "b", macs_per_s = 20e6 }]
links = { "*" = { up_bps = 1e9, down_bps = 1e9, latency_ms = 0 } } # native mode applies none
"""


def measure(folder, inject, repeats, requests, extra_ns):
    """Run both sides, cell by cell in turns; gives the paths of the two runs."""
    from coinfer.execute import run_cells, train
    from coinfer.methods import parameter_types
    from coinfer.metrics import figures
    from coinfer.store import RESULT_SCHEMA, RunFolder, StoredCell, capture
    from coinfer.suite import expand, resolve
    from coinfer.suite.load import read_suite

    axes = {"repeat": list(range(repeats))}
    suite = resolve(read_suite(SUITE.replace("REQUESTS", str(requests)), "native.toml"), axes)
    cells = expand(suite, parameter_types(), axes)
    train(cells, lambda _: None)
    machine = capture()
    runs = [RunFolder.create(folder / name, suite, cells, machine) for name in ("base", "new")]
    for number, cell in enumerate(cells):
        # Who goes first changes, too.
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            inject.write_text(str(extra_ns if side else 0))
            (ended,) = run_cells([cell], workers=1, timeout_s=120, on_progress=lambda _: None)
            if ended.error is not None:
                raise SystemExit(f"{cell.key}: {ended.error}")
            found = figures(ended.outcome, cell, ended.told)
            stored = StoredCell(RESULT_SCHEMA, cell, "injection", "done", figures=found)
            runs[side].write(stored, ended.outcome.records)
    return [run.path for run in runs]


def verdict(base, new):
    """What `coinfer compare` says, and how it exits."""
    command = ["compare", base, new, "--metric", "latency_p50_ms", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "coinfer", *map(str, command)], capture_output=True, text=True
    )
    (row,) = json.loads(done.stdout)
    kept = ("verdict", "ratio", "ci_low", "ci_high", "p_adjusted", "pairs", "reason")
    return {"exit_code": done.returncode} | {name: row[name] for name in kept}


def repeats_needed(base, new):
    """Fewest repeats from which on the verdict stays "slower"; None where it never does."""
    from coinfer.metrics import METRICS
    from coinfer.stats import Rules, Side, between_runs
    from coinfer.store import RunFolder

    sides = [RunFolder(path).contents().cells for path in (base, new)]
    found = None
    for count in range(2, len(sides[0]) + 1):
        old, young = (
            Side(name, cells[:count], "here") for name, cells in zip("ab", sides, strict=True)
        )
        (row,) = between_runs(old, [young], [METRICS["latency_p50_ms"]], Rules())
        found = None if row.verdict != "slower" else found or count
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    size = options.repeats, options.requests
    with tempfile.TemporaryDirectory() as scratch:
        # The processes of devices are forked by a server that starts with this environment.
        inject = Path(scratch) / "extra_ns"
        path = os.pathsep.join([str(HERE / "slow_codec"), os.environ.get("PYTHONPATH", "")])
        os.environ |= {"COINFER_INJECT": str(inject), "PYTHONPATH": path}
        same = [
            verdict(*measure(Path(scratch) / f"aa{pair}", inject, *size, 0))
            for pair in range(options.pairs)
        ]
        begin = measure(Path(scratch) / "first", inject, 2, options.requests, 0)
        from coinfer.store import RunFolder

        p50_ms = statistics.median(
            cell.figures["latency_p50_ms"]
            for path in begin
            for cell in RunFolder(path).contents().cells
        )
        extra_ns = round(SHARE * p50_ms * 1e6 / ENCODINGS)
        runs = measure(Path(scratch) / "slow", inject, *size, extra_ns)
        result = {
            "command": f"python tests/perf/injection/native.py {options.output.name}",
            "repeats": options.repeats,
            "requests": options.requests,
            "p50_ms": p50_ms,
            "injected_ns": extra_ns,
            "same": same,
            "injected": verdict(*runs) | {"repeats_needed": repeats_needed(*runs)},
        }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["injected"], indent=1))
    print("A/A verdicts:", [one["verdict"] for one in same])


if __name__ == "__main__":
    main()
