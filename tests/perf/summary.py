"""What of a measurement is kept and shown: the native kernels, for docs/kernels.md.

python tests/perf/summary.py build/kernels.json results/reference/kernels/NAME.json

writes the part that is kept, and that part's tables into docs/kernels.md, between the marks.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs/kernels.md"
BEGIN, END = "<!-- figures: written by tests/perf/summary.py -->\n", "<!-- end of figures -->\n"
SMALL, LARGE = 64, 65536
_MACHINE = ("machine", "system", "python_version", "threads", "kernels", "peers")
_CPU = ("vendor_id_raw", "brand_raw", "family", "model", "stepping")
_KEPT_DIGITS = 4


def kept(measured: dict[str, Any]) -> dict[str, Any]:
    """The native kernels of a file of pytest-benchmark, with what `coinfer compare` reads."""
    machine = measured["machine_info"]
    return {
        "machine_info": {name: machine[name] for name in _MACHINE}
        | {"cpu": {name: machine["cpu"].get(name) for name in _CPU}},
        "datetime": measured["datetime"],
        "version": measured["version"],
        "benchmarks": [
            {
                "fullname": benchmark["fullname"],
                "stats": {
                    "median": _rounded(benchmark["stats"]["median"]),
                    "data": _rounded(benchmark["stats"]["data"]),
                },
                "extra_info": {
                    name: _rounded(value) for name, value in benchmark["extra_info"].items()
                },
            }
            for benchmark in measured["benchmarks"]
            if benchmark["extra_info"].get("backend") == "native"
        ],
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.{_KEPT_DIGITS}g}") if isinstance(value, float) else value


def tables(file: dict[str, Any]) -> str:
    """Markdown of a file that `kept` made: where, when, and the figures."""
    machine = file["machine_info"]
    isa, cpu = machine["kernels"]["isa"], machine["cpu"]
    found = {
        (info["kernel"], info["size"]): benchmark
        for benchmark in file["benchmarks"]
        if (info := benchmark["extra_info"])["isa"] == isa
    }
    where = (
        f"{cpu['brand_raw']} (family {cpu['family']}, model {cpu['model']}), "
        f"instruction set {isa}, {file['datetime'][:10]}, Python {machine['python_version']}, "
        f"GCC {machine['kernels']['versions']['compiler']}:"
    )
    codec = [kernel for kernel, size in found if size == LARGE]
    exits = [(kernel, size) for kernel, size in found if isinstance(size, str)]
    return "\n".join(
        [
            where,
            "",
            "| kernel | 64 floats, ÷ empty call | 65536 floats, µs | ÷ memcpy "
            "| fastest peer | lead |",
            "|---|---:|---:|---:|---|---:|",
            *(_row(kernel, found[kernel, SMALL], found[kernel, LARGE]) for kernel in codec),
            "",
            "| exit kernel | rows × classes | µs | ÷ empty call | fastest peer | lead |",
            "|---|---|---:|---:|---|---:|",
            *(_exit_row(kernel, size, found[kernel, size]) for kernel, size in exits),
            "",
        ]
    )


def _row(kernel: str, small: dict[str, Any], large: dict[str, Any]) -> str:
    cells = [
        kernel,
        _figure(small, "empty call"),
        _number(1e6 * large["stats"]["median"]),
        _figure(large, "memcpy"),
        *_peer(large),
    ]
    return f"| {' | '.join(cells)} |"


def _exit_row(kernel: str, size: str, benchmark: dict[str, Any]) -> str:
    time_us = _number(1e6 * benchmark["stats"]["median"])
    call = _figure(benchmark, "empty call")
    cells = [kernel, size.replace("x", " × "), time_us, call, *_peer(benchmark)]
    return f"| {' | '.join(cells)} |"


def _figure(benchmark: dict[str, Any], of: str) -> str:
    """A ratio, and in brackets the most it should be."""
    info = benchmark["extra_info"]
    if of not in info["ratios"]:
        return ""
    aim = info.get("target", {"of": None})
    most = f" (≤ {_number(aim['at_most'])})" if aim["of"] == of else ""
    return f"{_number(info['ratios'][of])}{most}"


def _peer(benchmark: dict[str, Any]) -> Iterator[str]:
    """The peer and how many times faster the kernel is; in brackets how often it should be."""
    info = benchmark["extra_info"]
    peer = info["best_peer"]
    yield peer or "–"
    aim = info.get("target", {"of": None})
    least = f" (≥ {_number(1 / aim['at_most'])})" if peer and aim["of"] == peer else ""
    yield f"{_number(1 / info['ratio_to_best_peer'])}{least}" if peer else ""


def _number(value: float) -> str:
    """Three digits."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def with_tables(page: str, file: dict[str, Any]) -> str:
    """The page with the tables of a file between the marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(file)}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=Path)
    parser.add_argument("kept", type=Path)
    options = parser.parse_args()
    file = kept(json.loads(options.measured.read_text(encoding="utf-8")))
    options.kept.parent.mkdir(parents=True, exist_ok=True)
    options.kept.write_text(json.dumps(file, separators=(",", ":")) + "\n", encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), file), encoding="utf-8")


if __name__ == "__main__":
    main()
