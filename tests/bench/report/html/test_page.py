"""The file as a whole: its size, what it refers to, and that texts cannot become markup."""

from __future__ import annotations

import itertools
import re

import msgspec
import pytest
from plotly.offline import get_plotlyjs_version

from coinfer.report.html.document import plotly_version
from coinfer.report.html.figures import FIGURES
from coinfer.report.html.material import Figure

HOSTILE = "</script><script>alert(1)</script>"


@pytest.mark.slow
def test_a_run_of_200_cells_fits_into_six_megabytes(made, moved, shown):
    numbers = itertools.count()

    def seeded(train_seed):
        def change(stored):
            return moved(stored, train_seed=train_seed) if next(numbers) < 200 else None

        return change

    run = made(*map(seeded, range(3)))
    text = shown(run)
    assert text.count('<details class="cell"') == 200
    assert len(text.encode()) <= 6_000_000


def test_texts_of_a_run_stay_texts_and_nothing_is_loaded(made, moved, shown):
    def change(stored):
        if (stored.cell.faults_name, stored.cell.run_seed) != ("none", 0):
            return None
        stored = moved(stored, faults=HOSTILE)
        return msgspec.structs.replace(stored, status="failed", error=HOSTILE, figures={})

    text = shown(made(change, lambda s: s if s.cell.run_seed == 0 else None))
    assert HOSTILE not in text
    assert text.count("<script") == text.count("</script>") == 3
    assert "&lt;/script&gt;" in text
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|srcset|href)=(?![\"']?#)|@import|url\(", markup)
    assert "default-src 'none'" in markup


def test_what_the_suite_sets_of_a_method_is_told_from_defaults(material, reference, shown):
    text = shown(reference)
    methods = text.partition("Methods and all their parameters")[2].partition("<h3>Clusters")[0]
    strict = methods.partition("<b>distree-strict</b>")[2].partition("</details>")[0]
    bold = re.findall(r'<th scope="row"><b>(\w+)</b>', strict)
    assert sorted(bold) == ["control", "target"]
    everything = re.findall(r'<th scope="row">(?:<b>)?(\w+)', strict)
    cell = next(c for c in material.cells if c.cell.method.variant == "distree-strict")
    assert sorted(everything) == sorted(cell.cell.method.parameters)


def test_the_library_that_draws_is_of_the_version_that_describes_the_figures(material):
    """Its smallest build comes along; Python's package has the whole of the same library."""
    whole = get_plotlyjs_version()
    assert plotly_version().split(".")[0] == whole.split(".")[0]
    figures = [one for make in FIGURES if isinstance(one := make(material), Figure)]
    assert {trace.type for one in figures for trace in one.traces} <= {"scatter", "bar", "pie"}
