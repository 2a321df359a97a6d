"""How soon the first figure of a report stands in a browser, and how large its page is.

::

    python tests/perf/first_figure.py RUN build/first-figure.json

The page of the run is opened anew so many times in Debian's Chromium, without a window, each time
in a tab of its own and at the first figure: one is drawn when it is about to be seen, and a long
table stands before them. What counts goes from the start of the navigation to the mark that the
page sets when the figure is drawn. The browser runs already: its own start is nobody's fault.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import coinfer

ROUNDS = 10
TARGET_MS = 2000.0
TARGET_BYTES = 6_000_000
MARK = "performance.getEntriesByName('figure-latency')"


def measure(run: Path) -> dict[str, Any]:
    """Write the page of a run and open it again and again."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        command = [sys.executable, "-m", "coinfer", "report", str(run), "--html", str(page)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        taken = first_figures(page)
        return {
            "cells": len(coinfer.load(run).cells),
            "page_bytes": page.stat().st_size,
            "target_bytes": TARGET_BYTES,
            "rounds": ROUNDS,
            "first_figure_ms": taken,
            "median_ms": statistics.median(taken),
            "worst_ms": max(taken),
            "target_ms": TARGET_MS,
        }


def first_figures(page: Path) -> list[float]:
    """Milliseconds from navigation to the first figure, one a tab."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.add_argument("--headless=new")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium starts no sandbox for root
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        return [_first_figure(browser, page) for _ in range(ROUNDS)]
    finally:
        browser.quit()


def _first_figure(browser: Any, page: Path) -> float:
    browser.switch_to.new_window("tab")
    browser.get(f"{page.as_uri()}#plot-latency")
    while not browser.execute_script(f"return {MARK}.length"):
        time.sleep(0.02)
    return float(browser.execute_script(f"return {MARK}[0].startTime"))


def main(run: Path, target: Path) -> None:
    """Measure, print and write as JSON."""
    text = json.dumps(measure(run), indent=1) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "build/first-figure.json"))
