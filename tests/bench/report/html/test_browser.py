"""The page in a real browser: what is drawn, what filters do, and that it asks for nothing."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from coinfer.metrics import METRICS
from coinfer.report.html import Shown, comparison_page, page
from coinfer.stats import Rules, within_run

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DRIVER = shutil.which("chromedriver")
WAIT_S = 120
DRAWN = "[...document.querySelectorAll('.plot')].every((p) => p.querySelector('svg.main-svg'))"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs a browser: apt install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.add_argument("--headless=new")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium starts no sandbox for root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def file(reference, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(page([Shown("", reference, reference.contents())]), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """The page of the reference run, freshly loaded, on a screen that is high enough for all."""
    return load(browser, file)


def load(browser, file, width=1280, height=5600, **media):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": media.get("scheme", "light")}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(file.as_uri())
    until(browser, DRAWN)
    return browser


def until(browser, condition):
    end = time.monotonic() + WAIT_S
    while not browser.execute_script(f"return {condition}"):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


def ask(browser, script, *arguments):
    return browser.execute_script(f"return {script}", *arguments)


def press(browser, axis, value):
    ask(browser, "document.querySelector(arguments[0]).click()", button(axis, value))


def button(axis, value):
    return f'button[data-axis="{axis}"][data-value="{value}"]'


def visible_rows(browser):
    """Method and faults of the rows of the first table that can be seen."""
    return ask(
        browser,
        "[...document.querySelectorAll('#results tbody tr')].filter((r) => r.offsetParent)"
        ".map((r) => [r.cells[0].innerText, r.cells[1].innerText])",
    )


def traces(browser, name):
    return ask(
        browser,
        "document.getElementById(arguments[0]).data"
        ".map(({x, y, name, meta, line, marker}) => ({x, y, name, meta, line, marker}))",
        f"plot-{name}",
    )


def test_all_figures_are_drawn_without_an_error_or_a_request(opened, file):
    names = ask(opened, "[...document.querySelectorAll('.plot')].map((p) => p.id)")
    assert names == [
        *("plot-latency", "plot-macs", "plot-bytes", "plot-failures"),
        *("plot-distribution", "plot-path", "plot-exits"),
    ]
    marks = "path.point, .point path, path.js-line"
    shapes = ask(
        opened,
        "[...document.querySelectorAll('.plot')]"
        ".map((p) => p.querySelectorAll(arguments[0]).length)",
        marks,
    )
    assert min(shapes) >= 6
    assert opened.get_log("browser") == []
    events = [json.loads(e["message"])["message"] for e in opened.get_log("performance")]
    sent = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert sent == [file.as_uri()]
    assert ask(opened, "performance.getEntriesByType('resource').length") == 0
    assert ask(opened, "document.getElementById('trouble').hidden")


def test_filters_act_on_tables_figures_and_cells(opened):
    press(opened, "method", "rocoin")
    press(opened, "method", "nonn")
    press(opened, "faults", "one-crash")
    assert ask(opened, "document.querySelector(arguments[0]).getAttribute('aria-pressed')",
               button("method", "rocoin")) == "true"  # fmt: skip
    assert visible_rows(opened) == [["nonn", "one-crash"], ["rocoin", "one-crash"]]
    assert ask(opened, "document.getElementById('shown').innerText") == "2 of 12 settings shown"
    until(opened, "document.getElementById('plot-exits').data.every((t) => !t.x.length)")
    for name in ("latency", "distribution", "path"):
        owners = {n for t in traces(opened, name) for n in owners_of(t)}
        assert len(owners) == 2, name
    bars = traces(opened, "path")[0]
    assert bars["y"] == ["nonn<br>faults one-crash", "rocoin<br>faults one-crash"]
    cells = ask(opened, "[...document.querySelectorAll('.cell')].filter((c) => !c.hidden).length")
    assert cells == 12
    ask(opened, "document.getElementById('all').click()")
    assert len(visible_rows(opened)) == 12
    until(opened, "document.getElementById('plot-path').data[0].x.length === 12")


def owners_of(trace):
    if "points" in trace["meta"]:
        return trace["meta"]["points"]
    # Entries of the legend have no data.
    return trace["meta"].get("settings", []) if len(trace["x"]) > 1 else []


@pytest.mark.parametrize("hidden", [(), ("local-teacher", "nonn")])
def test_a_front_joins_what_no_shown_point_beats(opened, hidden):
    if hidden:
        for method in ("rocoin", "distree-strict", "distree-speculative", "distree-full"):
            press(opened, "method", method)
        until(opened, "document.getElementById('plot-macs').data.filter((t) => t.meta.points)"
                      ".flatMap((t) => t.x).length === 8")  # fmt: skip
    for name in ("latency", "macs", "bytes"):
        found = traces(opened, name)
        for condition in ("faults none", "faults one-crash"):
            points = [
                point
                for t in found
                if t["meta"].get("condition") == condition
                for point in zip(t["x"], t["y"], strict=True)
            ]
            best = sorted(
                (x, y)
                for x, y in points
                if not any((a <= x and b >= y) and (a, b) != (x, y) for a, b in points)
            )
            (front,) = (t for t in found if t["meta"].get("front") == condition)
            assert list(zip(front["x"], front["y"], strict=True)) == best


def test_the_theme_is_the_systems_until_it_is_changed(browser, file):
    grounds = "getComputedStyle(document.body).backgroundColor"
    ink = "document.getElementById('plot-macs').layout.font.color"
    light = ask(load(browser, file), grounds), ask(browser, ink)
    load(browser, file, scheme="dark")
    dark = ask(browser, grounds), ask(browser, ink)
    assert ask(browser, "document.getElementById('theme').getAttribute('aria-pressed')") == "true"
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    ask(browser, "document.getElementById('theme').click()")
    until(browser, f"{ink} === '{light[1]}'")
    assert ask(browser, grounds) == light[0]
    assert ask(browser, "document.getElementById('theme').getAttribute('aria-pressed')") == "false"


def test_a_method_has_one_colour_everywhere(opened):
    colours = {}
    for name in ("latency", "macs", "bytes", "failures", "distribution"):
        for trace in traces(opened, name):
            if not trace["name"] or trace["name"].startswith("faults"):
                continue
            marker = (trace.get("marker") or {}).get("color")
            colour = marker or trace["line"]["color"]
            colours.setdefault(trace["name"], set()).add(colour)
    assert len(colours) == 6
    assert all(len(found) == 1 for found in colours.values())
    assert len(set().union(*colours.values())) == 6


def test_the_keyboard_is_enough(browser, file):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    load(browser, file)
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert ask(browser, "document.activeElement.className") == "skip"
    focus = button("method", "rocoin")
    for _ in range(40):
        if ask(browser, "document.activeElement.matches(arguments[0])", focus):
            break
        browser.switch_to.active_element.send_keys(Keys.TAB)
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert ask(browser, outline) == "solid"
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert [row[0] for row in visible_rows(browser)] == ["rocoin", "rocoin"]


def test_it_fits_a_phone(browser, file):
    load(browser, file, width=390, height=9000)
    assert ask(browser, "document.documentElement.scrollWidth") == 390
    wide = ask(
        browser,
        "[...document.querySelectorAll('.plot svg.main-svg')]"
        ".filter((s) => s.getBoundingClientRect().right > 390).length",
    )
    assert wide == 0


def test_its_structure_can_be_heard(opened):
    levels = ask(opened, "[...document.querySelectorAll('h1,h2,h3')].map((h) => +h.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    for selector in ("main", "header", "footer", "nav[aria-label]"):
        assert ask(opened, "document.querySelectorAll(arguments[0]).length", selector) == 1
    unlabelled = ask(
        opened,
        "[...document.querySelectorAll('figure, section')].filter((e) => !(e.ariaLabel || "
        "document.getElementById(e.getAttribute('aria-labelledby')))).length",
    )
    assert unlabelled == 0
    no_table = "[...document.querySelectorAll('figure')].filter((f) => !f.querySelector('caption'))"
    assert ask(opened, f"{no_table}.length") == 0
    assert ask(opened, "[...document.querySelectorAll('thead th:not([scope])')].length") == 0
    twice = ask(
        opened,
        "[...document.querySelectorAll('[id]')].map((e) => e.id)"
        ".filter((id, n, all) => all.indexOf(id) !== n && !/[0-9a-f]{6}/.test(id))",
    )
    assert twice == []


def test_several_runs_with_failed_cells_are_one_page(browser, made, shown, tmp_path):
    def few(stored):
        return stored if stored.cell.run_seed < 2 else None

    def fail(stored):
        if few(stored) is None or stored.cell.method.variant != "nonn":
            return few(stored)
        return msgspec.structs.replace(stored, status="failed", error="<b>no room</b>", figures={})

    whole, broken = made(few), made(fail)
    file = tmp_path / "two.html"
    file.write_text(shown(whole, broken), encoding="utf-8")
    load(browser, file, height=9000)
    flags = ask(browser, "[...document.querySelectorAll('.flags .bad')].length")
    assert flags == 4
    assert ask(browser, "document.body.innerText").count("<b>no room</b>") >= 4
    press(browser, "run", broken.path.name)
    rows = visible_rows(browser)
    assert len(rows) == 12
    flagged = ask(browser, "[...document.querySelectorAll('#results tr:not([hidden]) .badge')]"
                           ".map((b) => b.innerText)")  # fmt: skip
    assert flagged == ["2 failed"] * 2
    assert browser.get_log("browser") == []


def test_a_comparison_is_drawn_and_filtered_by_the_same_page(browser, reference, tmp_path):
    metrics = [METRICS["accuracy"], METRICS["latency_p50_ms"]]
    rows = within_run(reference.contents().cells, metrics, Rules(), base="nonn")
    file = tmp_path / "comparison.html"
    file.write_text(comparison_page(rows, [("quickstart", reference)]), encoding="utf-8")
    opened = load(browser, file)
    assert ask(opened, "performance.getEntriesByType('resource').length") == 0
    press(opened, "verdict", "slower")
    slower = [n for n, row in enumerate(rows) if row.verdict == "slower"]
    assert len(visible_rows(opened)) == len(slower) > 1
    said = ask(opened, "document.getElementById('shown').innerText")
    assert said == f"{len(slower)} of {len(rows)} rows shown"
    until(opened, "document.getElementById('plot-shares').data.every((t) => !t.x.length)")
    drawn = [n for t in traces(opened, "amounts") for n in t["meta"]["points"]]
    assert sorted(drawn) == [n for n in slower if rows[n].ratio is not None]
    assert opened.get_log("browser") == []
