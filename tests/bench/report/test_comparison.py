"""Comparisons as people read them: sentences, Markdown, LaTeX, and the order of rows."""

from __future__ import annotations

import re

import pytest
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexMacroNode, LatexWalker

from coinfer.report.comparison import (
    comparison_entries,
    comparison_latex,
    comparison_markdown,
    ordered,
)
from coinfer.report.plain import latex
from coinfer.report.sentences import sentences
from coinfer.stats import Row
from coinfer.stats.items import ItemTest

PLAIN = {"where": {}, "base": "nonn", "new": "rocoin", "threshold": 0.02}


def row(metric, verdict, ratio=None, **others):
    regression = verdict in ("slower", "worse")
    return Row(metric, verdict=verdict, regression=regression, ratio=ratio, **PLAIN | others)


def speed(ratio, low, high, metric="latency_p50_ms", **others):
    verdict = "faster" if ratio < 1 else "slower"
    return row(metric, verdict, ratio, ci_low=low, ci_high=high, **others)


def accuracy(difference, low, high, **others):
    verdict = others.pop("verdict", "better" if difference > 0 else "worse")
    ends = {"difference": difference, "difference_low": low, "difference_high": high}
    return row("accuracy", verdict, 1 + difference, **ends, **others)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [accuracy(-0.002, -0.003, -0.001), speed(1 / 1.8, 1 / 1.9, 1 / 1.7)],
            "rocoin answers 1.8× faster than nonn (1.7–1.9) and loses 0.2 points of accuracy "
            "(0.1–0.3).",
        ),
        (
            [speed(1.05, 1.04, 1.06), row("macs_per_request", "same", 1.0)],
            "rocoin answers 5.0 % slower than nonn (4.0–6.0 %); the same MACs per request.",
        ),
        ([speed(1.25, None, None)], "rocoin answers 1.25× slower than nonn."),
        ([speed(12.4, 11.8, 13.1)], "rocoin answers 12× slower than nonn (12–13)."),
        (
            [accuracy(0.02, 0.01, 0.03), row("bytes_up_per_request", "worse", 2.0)],
            "rocoin gains 2.0 points of accuracy (1.0–3.0) and has 2.00× the bytes up per request "
            "against nonn.",
        ),
        (
            [row("accuracy", "same"), row("latency_p50_ms", "same")],
            "rocoin and nonn have the same accuracy and median latency.",
        ),
        (
            [
                row("accuracy", "inconclusive", reason="too few", pairs_lacking=3),
                row("latency_p50_ms", "inconclusive", reason="no difference found"),
            ],
            "No verdict of rocoin against nonn on accuracy (3 more repeats needed) and median "
            "latency.",
        ),
        (
            [row("accuracy", "missing", reason="rocoin failed")],
            "rocoin and nonn cannot be compared in accuracy (rocoin failed).",
        ),
        ([row("latency_p50_ms", "slower")], "leaves too many requests unanswered where nonn"),
        (
            [speed(1.05, 1.04, 1.06, "time_ns", where={"kernel": "crc32c"})],
            "rocoin is 5.0 % slower than nonn (4.0–6.0 %).",
        ),
        (
            [speed(1.2, 1.1, 1.3, "latency_p95_ms")],
            "rocoin has 1.20× the 95th percentile of latency (1.10–1.30) against nonn.",
        ),
    ],
)
def test_sentences(rows, expected):
    (told,) = sentences(rows)
    assert expected in told


def test_a_sentence_names_what_its_table_varies_in():
    rows = [
        speed(0.5, 0.4, 0.6, where={"faults": faults, "encoding": "int8"})
        for faults in ("none", "one-crash")
    ]
    assert [told.partition(":")[0] for told in sentences(rows)] == [
        "faults = none",
        "faults = one-crash",
    ]
    assert sentences(rows[:1], among=rows)[0].startswith("faults = none: ")
    assert [entry["sentence"] for entry in comparison_entries(rows)] == sentences(rows)


ROWS = [
    row("macs_per_request", "same", 1.001, where={"encoding": "int8_x & 50%"}),
    speed(1.5, 1.4, 1.6, where={"encoding": "#1"}, p_adjusted=0.03),
    accuracy(-0.3, -0.4, -0.2, p_adjusted=0.01, where={"encoding": "a|b"}, reason="one lost"),
    row("latency_p95_ms", "missing", where={"encoding": "none"}, reason="new failed"),
]


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("given", "macs_per_request"),
        ("verdict", "latency_p50_ms"),
        ("change", "latency_p50_ms"),
        ("p", "accuracy"),
        ("metric", "accuracy"),
    ],
)
def test_orders(order, first):
    found = ordered(ROWS, order)
    assert found[0].metric == first
    assert sorted(map(id, found)) == sorted(map(id, ROWS))


def test_markdown_is_a_table_of_equal_width_with_its_sentences():
    lines = comparison_markdown(ROWS).splitlines()
    assert lines[0] == "**rocoin against nonn**"
    assert lines[2].startswith("- encoding = ")
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(ROWS)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}
    assert "---:" in table[1]
    assert "a\\|b" in table[4]
    assert lines[-1] == "[2] new failed"


def test_mcnemar_has_a_column_where_items_are_known():
    tests = tuple(ItemTest(f"0/{n}/0", 1, 30, 1e-6 if n < 4 else 0.9) for n in range(6))
    text = comparison_markdown([accuracy(0.1, 0.05, 0.15, items=tests), ROWS[1]])
    assert "| McNemar |" in text
    assert "| 4/6 |" in text
    assert "McNemar: seeds in which" in text


def test_latex_is_a_booktabs_table_whose_rows_have_as_many_cells_as_columns():
    text = comparison_latex(ROWS)
    assert text.isascii()
    nodes, *_ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    (table,) = [n for n in nodes if isinstance(n, LatexEnvironmentNode)]
    assert table.environmentname == "table"
    macros = [n.macroname for n in table.nodelist if isinstance(n, LatexMacroNode)]
    assert macros[:2] == ["centering", "caption"]
    (tabular,) = [n for n in table.nodelist if isinstance(n, LatexEnvironmentNode)]
    assert tabular.environmentname == "tabular"
    rules = [n.macroname for n in tabular.nodelist if isinstance(n, LatexMacroNode)]
    assert [r for r in rules if r.endswith("rule")] == ["toprule", "midrule", "bottomrule"]
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    body = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(body) == 1 + len(ROWS)
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in body} == {len(columns)}
    # Nothing that LaTeX would take for a command, a comment, an argument or mathematics.
    assert r"int8\_x \& 50\%" in text
    assert r"\#1" in text


def test_every_special_character_is_escaped():
    special = "\\&%$#_{}~^<>→×–…"
    found = latex(special)
    assert found.isascii()
    assert not re.search(r"(?<!\\)[&%#_]", found)
    assert latex("a-b -4 (-0.5) 1-2") == "a-b $-$4 ($-$0.5) 1-2"
