"""Injects 5 % into one kernel of `tests/perf`, and looks whether `coinfer compare` finds it.

    python tests/perf/injection/kernel.py OUTPUT.json [--pairs 5]

Each pair is a file of benchmarks without and one with the injection, which exit code and verdicts
are kept of; and the same without any, which must not be called slower.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SELECTION = "int8 and 65536 and not sparse and not crc and not gather"


def benchmark(path, *, slower):
    """Write a file of benchmarks of one kernel and its peers."""
    plugin = ["-p", "slow_kernel"] if slower else []
    pytest = [sys.executable, "-m", "pytest", "tests/perf/test_kernels.py", *plugin]
    environment = os.environ | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    options = ["-q", "--benchmark-only", "--benchmark-quiet", f"--benchmark-json={path}"]
    subprocess.run(
        [*pytest, *options, "-k", SELECTION],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return path


def compared(base, new):
    """Exit code, the row of the kernel, and which others changed."""
    done = subprocess.run(
        [sys.executable, "-m", "coinfer", "compare", str(base), str(new), "--format", "json"],
        capture_output=True,
        text=True,
    )
    rows = json.loads(done.stdout)
    wanted = {"kernel": "encode int8", "size": "65536", "backend": "native"}
    mine = [row for row in rows if wanted.items() <= row["where"].items()]
    kept = ("verdict", "ratio", "ci_low", "ci_high", "p_adjusted", "threshold", "pairs")
    return {
        "exit_code": done.returncode,
        "kernel": [
            {"isa": row["where"].get("isa")} | {name: row[name] for name in kept} for row in mine
        ],
        "others_slower": [row["where"] for row in rows if row not in mine and row["regression"]],
        "rows": len(rows),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    same, injected = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(options.pairs):
            base = benchmark(f"{scratch}/base.json", slower=False)
            same.append(compared(base, benchmark(f"{scratch}/again.json", slower=False)))
            injected.append(compared(base, benchmark(f"{scratch}/slow.json", slower=True)))
    result = {
        "command": f"python tests/perf/injection/kernel.py {options.output.name}",
        "same": same,
        "injected": injected,
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name in ("same", "injected"):
        for one in result[name]:
            print(name, one["exit_code"], [row["verdict"] for row in one["kernel"]])


if __name__ == "__main__":
    main()
