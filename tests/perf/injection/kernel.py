"""Injects 5 % into one kernel of `tests/perf`, and looks whether `coinfer compare` finds it.

    python tests/perf/injection/kernel.py OUTPUT.json [--rounds 12]

Three folders get a file of benchmarks each, in turns and as often as there are rounds: one of the
code as it is, one of the same again, which must not be called slower, and one with the injection.
What is kept are exit codes and verdicts, for the time of a call and for its ratio to the best peer,
and from how many files a side on the injection is found.
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
METRICS = ("time_ns", "ratio_to_memcpy", "ratio_to_best_peer")
KERNEL = {"kernel": "encode int8", "size": "65536", "backend": "native"}
SELECTION = "int8-65536 and encode and not sparse"


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


def compared(base, new, metric):
    """Exit code, the rows of the kernel, and which others changed."""
    command = ["compare", str(base), str(new), "--metric", metric, "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "coinfer", *command], capture_output=True, text=True
    )
    rows = json.loads(done.stdout)
    mine = [row for row in rows if KERNEL.items() <= row["where"].items()]
    kept = ("verdict", "ratio", "ci_low", "ci_high", "p_adjusted", "threshold", "pairs")
    return {
        "exit_code": done.returncode,
        "kernel": [
            {"isa": row["where"].get("isa")} | {name: row[name] for name in kept} for row in mine
        ],
        "others_slower": [row["where"] for row in rows if row not in mine and row["regression"]],
        "rows": len(rows),
    }


def files_needed(folders, metric):
    """Fewest files a side from which on the kernel's verdict stays "slower", by instruction set."""
    from coinfer.metrics import BENCHMARK_METRICS
    from coinfer.stats import Repeats, Rules, between_benchmarks
    from coinfer.store import read_repeats

    base, slow = (read_repeats(folders[name]) for name in ("base", "slow"))
    found = {}
    for count in range(2, len(base) + 1):
        rows = between_benchmarks(
            Repeats("base", base[:count]),
            [Repeats("slow", slow[:count])],
            [BENCHMARK_METRICS[metric]],
            Rules(),
        )
        for row in rows:
            if KERNEL.items() <= row.where.items():
                isa = row.where["isa"]
                found[isa] = (found.get(isa) or count) if row.verdict == "slower" else None
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in ("base", "same", "slow")}
        for folder in folders.values():
            folder.mkdir()
        for number in range(options.rounds):
            # Who goes first changes, too.
            for name in [*folders][:: 1 if number % 2 == 0 else -1]:
                benchmark(folders[name] / f"{number:03}.json", slower=name == "slow")
        result = {
            "command": f"python tests/perf/injection/kernel.py {options.output.name}",
            "files": options.rounds,
            "verdicts": {
                metric: {
                    "same": compared(folders["base"], folders["same"], metric),
                    "injected": compared(folders["base"], folders["slow"], metric),
                    "files_needed": files_needed(folders, metric),
                }
                for metric in METRICS
            },
        }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for metric, found in result["verdicts"].items():
        for name in ("same", "injected"):
            told = [(row["verdict"], row["ratio"]) for row in found[name]["kernel"]]
            print(metric, name, found[name]["exit_code"], told)
        print(metric, "files needed", found["files_needed"])


if __name__ == "__main__":
    main()
