"""Suites that come with the package load; what is wrong with a file is said in one useful line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from coinfer.cluster import BOARDS
from coinfer.errors import SuiteError
from coinfer.suite import expand, load_suite, shipped_suites
from coinfer.suite.load import read_suite


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


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
    promised = {"quickstart", "smoke", "rocoin", "distree", "encodings", "kernels", "scale"}
    assert promised <= set(shipped_suites())


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
        (('["raw"]', '["int9"]'), ["$.axes.encoding[0]", "did you mean 'int8'", "fp16, int4,"]),
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
    with pytest.raises(SuiteError, match=r"did you mean 'quickstart'.*quickstart, .*smoke"):
        load_suite("quikstart")


def test_unreadable_and_binary_files_are_said(tmp_path: Path):
    with pytest.raises(SuiteError, match="cannot be read"):
        load_suite(tmp_path)
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match="not UTF-8"):
        load_suite(path)


TRACED = """
schema = 1
name = "traced"
question = "?"
[defaults]
workload = { kind = "trace", trace = "days/monday.csv" }
[axes]
method = ["nonn"]
cluster = ["mine"]
[cluster.mine]
devices = [{ name = "a", like = "esp32" }, { name = "b", flops = 3e6 }]
groups = { both = ["a", "b"] }
[cluster.mine.links]
"*" = { trace = "wifi.csv" }
[cluster.mine.routes]
"a>b" = { up_bps = 1e6 }
"""


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "monday.csv").write_text("at_ms\n0\n10\n30\n")
    # As spreadsheets save it: with a byte-order mark and CRLF.
    (tmp_path / "wifi.csv").write_bytes(b"\xef\xbb\xbfat_ms,up_bps,down_bps\r\n0,1e6,2e6\r\n")
    (tmp_path / "traced.toml").write_text(TRACED)
    return tmp_path / "traced.toml"


def test_traces_lie_beside_the_suite_and_their_content_becomes_part_of_it(traced, monkeypatch):
    monkeypatch.chdir("/")
    suite = load_suite(traced)
    assert suite.defaults.workload.trace == (0.0, 10.0, 30.0)
    assert suite.defaults.workload.requests == 3
    mine = suite.cluster["mine"]
    assert mine.link("a").trace is not None
    assert (mine.link("a").up_bps, mine.link("b").down_bps) == (1e6, 2e6)
    assert mine.device("a").macs_per_s == BOARDS["esp32"].macs_per_s
    assert mine.device("b").macs_per_s == 1.5e6
    # Written out, it stands alone, and another content is another cell.
    (cell,) = expand(suite, {"nonn": NoParameters})
    assert msgspec.convert(msgspec.to_builtins(suite), type(suite)) == suite
    (traced.parent / "wifi.csv").write_text("at_ms,up_bps,down_bps\n0,1e6,3e6\n")
    (other,) = expand(load_suite(traced), {"nonn": NoParameters})
    assert other.key == cell.key
    assert msgspec.json.encode(other) != msgspec.json.encode(cell)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("days/monday", "days/tuesday"), ["$.defaults.workload", "tuesday.csv", "No such file"]),
        (("wifi.csv", "days/monday.csv"), ["$.cluster.mine", "link '*'", "at_ms,up_bps,down_bps"]),
        (("wifi.csv", "days"), ["$.cluster.mine", "cannot be read", "relative to the suite file"]),
        (('like = "esp32"', 'like = "esp23"'), ["$.cluster.mine", "did you mean 'esp32'"]),
        (('like = "esp32"', 'lik = "esp32"'), ["$.cluster.mine.devices[0].lik", "'like'"]),
        ((', like = "esp32"', ""), ["$.cluster.mine", "device a", "exactly one of macs_per_s"]),
        (('["a", "b"]', '["a", "c"]'), ["$.cluster.mine", "group 'both'", "'c'"]),
        (('"a>b"', '"a>c"'), ["$.cluster.mine", "route 'a>c'", "'c'"]),
        (('trace = "days', 'trac = "days'), ["$.defaults.workload.trac", "'trace'"]),
        (('"trace",', '"offline",'), ["$.defaults.workload", "trace is for kind = 'trace'"]),
    ],
)
def test_what_is_wrong_with_a_trace_or_a_name_is_said_with_its_path(traced, change, expected):
    traced.write_text(TRACED.replace(*change))
    with pytest.raises(SuiteError) as caught:
        load_suite(traced)
    message = str(caught.value)
    assert message.startswith(f"{traced}: ")
    assert "\n" not in message
    for part in expected:
        assert part in message


def test_a_trace_that_is_no_text_is_refused(traced):
    (traced.parent / "wifi.csv").write_bytes(b"\xff\xff")
    with pytest.raises(SuiteError, match="it is not UTF-8 text"):
        load_suite(traced)
