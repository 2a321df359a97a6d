"""Suites that come with the package load; what is wrong with a file is said in one useful line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coinfer.errors import SuiteError
from coinfer.suite import load_suite, shipped_suites
from coinfer.suite.load import read_suite

GOOD = """
schema = 1
name = "mine"
question = "?"
[defaults]
workload = { kind = "single-stream", requests = 20 }
[axes]
method = ["nonn", "rocoin"]
encoding = ["raw"]
"""


def test_shipped_suites_are_those_promised():
    assert shipped_suites() == ("quickstart", "smoke")


def test_quickstart_is_what_the_design_shows():
    suite = load_suite("quickstart")
    assert suite.axes.run_seed == (0, 1, 2, 3, 4, 5)
    assert suite.defaults.workload.requests == 500
    assert suite.defaults.deadline_ms == 400
    assert suite.report.headline is not None
    assert suite.report.headline.compare == "rocoin"
    assert suite.report.also[0].metric == "macs_per_request"


def test_a_file_is_read_from_its_path(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert load_suite(path).name == "mine"
    assert load_suite(path).origin == str(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("[axes]", "[axes]\ncolour = ['red']"), ["$.axes.colour", "unknown key", "dataset"]),
        (("[axes]", "[axes]\nmetod = ['nonn']"), ["$.axes.metod", "did you mean 'method'"]),
        (("[axes]", "[axes]\nrun_seed = [0, 'x']"), ["$.axes.run_seed[1]", "expected `int`"]),
        (('"nonn"', "3"), ["$.axes.method[0]", "expected `str`"]),
        (('["raw"]', '["int9"]'), ["$.axes.encoding[0]", "did you mean 'int8'", "fp16, int8, raw"]),
        (('["raw"]', "[]"), ["$.axes.encoding", "empty"]),
        (('["raw"]', '["raw", "raw"]'), ["$.axes.encoding[1]", "twice"]),
        (("[axes]", "[axes]\nrun_seed = [-1]"), ["$.axes.run_seed[0]", ">= 0"]),
        (("[axes]", "[axes]\ndeadline_ms = [0]"), ["$.axes.deadline_ms[0]", "> 0"]),
        (("schema = 1", "schema = 2"), ["$.schema", "2", "allowed: 1"]),
        (("schema = 1\n", ""), ["missing required field `schema`"]),
        (("requests = 20", "requests = 0"), ["$.defaults", "requests = 0", "at least 1"]),
        (("requests = 20", "request = 20"), ["$.defaults.workload.request", "'requests'"]),
        (("[axes]", "[axes"), ["not valid TOML", "line"]),
        (('"mine"', '"../up"'), ["$.name", "folder name"]),
        (
            ("[axes]", "[cluster.big]\ndevices = []\nlinks = {}\n[axes]"),
            ["$.cluster.big", "no devices"],
        ),
        (
            ("[axes]", "[cluster.big]\ndevices = [{name='a', macs=1}]\nlinks = {}\n[axes]"),
            ["$.cluster.big.devices[0].macs", "macs_per_s"],
        ),
        (
            ("[axes]", "[faults.f]\nevents = [{kind='melt', at_ms=1}]\n[axes]"),
            ["$.faults.f", "allowed: crash"],
        ),
        (("[axes]", "[faults]\nf = 3\n[axes]"), ["$.faults.f", "expected `object`"]),
        (("[axes]", "cluster = 3\n[axes]"), ["$.defaults.cluster", "expected `str`"]),
    ],
)
def test_bad_files_get_one_line_with_file_path_and_what_is_allowed(change, expected):
    with pytest.raises(SuiteError) as caught:
        read_suite(GOOD.replace(*change), "mine.toml")
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert "\n" not in message
    for part in expected:
        assert part in message
    assert caught.value.exit_code == 2


def test_methods_are_required():
    with pytest.raises(SuiteError, match=r"\$\.axes\.method: missing"):
        read_suite(GOOD.replace('method = ["nonn", "rocoin"]', ""), "mine.toml")


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ('compare = "nonn"\nagainst = "rocoim"', "did you mean 'rocoin'"),
        (
            'compare = "nonn"\nagainst = "nonn"\nwhere = { fault = "x" }',
            "'fault' is no axis; did you mean 'faults'",
        ),
        (
            'compare = "nonn"\nagainst = "nonn"\nwhere = { faults = "x" }',
            r"\$\.report\.headline\.where\.faults: 'x' is no value",
        ),
    ],
)
def test_a_headline_that_no_cell_supports_is_refused(headline, expected):
    with pytest.raises(SuiteError, match=expected):
        read_suite(GOOD + f"[report.headline]\nmetric = 'accuracy'\n{headline}", "mine.toml")


def test_an_unknown_suite_is_answered_with_those_that_exist():
    with pytest.raises(SuiteError, match=r"did you mean 'quickstart'.*quickstart, smoke"):
        load_suite("quikstart")


def test_unreadable_and_binary_files_are_said(tmp_path: Path):
    with pytest.raises(SuiteError, match="cannot be read"):
        load_suite(tmp_path)
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match="not UTF-8"):
        load_suite(path)
