"""Axes cross into cells: all of them, once each, in a fair order, whatever the overrides."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinfer.errors import SuiteError, UsageError
from coinfer.suite import AXES, expand, load_suite, parse_override, resolve
from coinfer.suite.load import read_suite


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accuracy_loss_points: float


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    recipe: str | None = None


class DistreeParameters(NoParameters, frozen=True, forbid_unknown_fields=True):
    control: str = "strict"
    rule: str = "feature-difference"
    target: Target = Target(0.5)


METHODS = {
    "local-teacher": NoParameters,
    "nonn": NoParameters,
    "rocoin": NoParameters,
    "distree": DistreeParameters,
}

TEXT = """
schema = 1
name = "mine"
question = "?"
[defaults]
workload = { kind = "single-stream", requests = 20 }
[axes]
method = ["nonn", "tree"]
[method.tree]
base = "distree"
target = { accuracy_loss_points = 0.3 }
"""


def test_quickstart_spans_its_matrix():
    cells = expand(load_suite("quickstart"), METHODS)
    assert len(cells) == 6 * 2 * 6
    assert len({c.key for c in cells}) == len({c.folder for c in cells}) == len(cells)
    assert all(tuple(c.coordinates) == AXES for c in cells)
    full = next(c for c in cells if c.method.variant == "distree-full")
    assert full.method.base == "distree"
    assert full.method.parameters["rule"] == "never"
    assert full.cluster.devices[0].name == "d0"


def test_every_shipped_suite_expands():
    assert len(expand(load_suite("smoke"), METHODS)) == 4 * 2 * 2


def test_parameters_are_complete():
    tree = expand(read_suite(TEXT, "mine.toml"), METHODS)[1]
    assert tree.method.parameters == {
        "recipe": None,
        "control": "strict",
        "rule": "feature-difference",
        "target": {"accuracy_loss_points": 0.3},
    }


def test_methods_alternate_and_seeds_vary_slowest():
    cells = expand(load_suite("quickstart"), METHODS)
    assert [c.method.variant for c in cells[:6]] == list(load_suite("quickstart").axes.method or ())
    assert [c.run_seed for c in cells] == sorted(c.run_seed for c in cells)


axis_values = {
    "method": st.sampled_from(["nonn", "tree", "rocoin", "local-teacher"]),
    "cluster": st.sampled_from(["mixed-4", "mixed-8", "rocoin-8"]),
    "encoding": st.sampled_from(["raw", "fp16", "int8"]),
    "run_seed": st.integers(0, 50),
    "train_seed": st.integers(0, 3),
    "repeat": st.integers(0, 3),
    "deadline_ms": st.floats(1, 1e4).map(lambda v: round(v, 1)),
}
overrides = st.fixed_dictionaries(
    {},
    optional={
        axis: st.lists(values, min_size=1, max_size=3, unique=True)
        for axis, values in axis_values.items()
    },
)


@settings(deadline=None)
@given(overrides)
def test_any_overrides_give_their_full_product_once_each(chosen):
    suite = read_suite(TEXT.replace("[axes]", 'mode = "native"\n[axes]'), "mine.toml")
    cells = expand(suite, METHODS, chosen)
    axes = {"method": ["nonn", "tree"], **chosen}
    want = set(itertools.product(*axes.values()))
    got = [tuple(c.coordinates[axis] for axis in axes) for c in cells]
    assert len(got) == len(want)
    assert set(got) == want
    # A resolved suite needs no overrides any more, and says the same.
    assert expand(resolve(suite, chosen), METHODS) == cells


def test_of_repeats_that_would_be_equal_to_the_byte_one_is_kept():
    axes = {"mode": ["virtual", "native"], "repeat": [3, 1, 2], "run_seed": [0, 1]}
    cells = expand(read_suite(TEXT, "mine.toml"), METHODS, axes)
    of_mode = {
        mode: {(c.run_seed, c.repeat) for c in cells if c.mode == mode} for mode in axes["mode"]
    }
    assert of_mode["native"] == set(itertools.product(axes["run_seed"], axes["repeat"]))
    assert of_mode["virtual"] == {(0, 3), (1, 3)}
    assert len(cells) == 2 * (6 + 2)


@given(overrides)
def test_overrides_survive_being_written_and_read(chosen):
    for axis, values in chosen.items():
        text = f"{axis}=[{', '.join(map(str, values))}]"
        assert parse_override(text) == (axis, tuple(values))


def test_a_cell_survives_being_sent_to_another_process():
    cell = expand(load_suite("smoke"), METHODS)[3]
    assert msgspec.convert(msgspec.to_builtins(cell), type(cell)) == cell


def test_ranges_include_both_ends():
    assert parse_override("run_seed=0..4") == ("run_seed", (0, 1, 2, 3, 4))
    assert parse_override("encoding=int8") == ("encoding", ("int8",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run_seed", "no '='"),
        ("runseed=1", "is no axis; did you mean .run_seed."),
        ("run_seed=4..0", "both ends"),
        ("run_seed=0..99999999", "at most"),
        ("run_seed=x", "takes an integer or a range"),
        ("encoding=[]", "empty"),
        ("encoding=[raw", "not closed"),
        ("encoding=int9", "did you mean 'int8'"),
        ("deadline_ms=soon", "takes a number"),
    ],
)
def test_bad_overrides_say_what_is_allowed(text, expected):
    with pytest.raises(UsageError, match=expected):
        parse_override(text)


@pytest.mark.parametrize(
    ("change", "chosen", "expected"),
    [
        (('"tree"]', '"rocoim"]'), {}, r"mine.toml: \$\.axes\.method\[1\].*did you mean 'rocoin'"),
        (('"distree"', '"distre"'), {}, r"\$\.method\.tree\.base.*did you mean 'distree'"),
        (('base = "distree"\n', ""), {}, r"\$\.method\.tree\.base: missing"),
        (("_points", "_point"), {}, r"\$\.method\.tree\.target\.accuracy_loss_point: unknown"),
        (("0.3", '"low"'), {}, r"\$\.method\.tree\.target\.accuracy_loss_points: expected `float`"),
        (("", ""), {"cluster": ["mixed-9"]}, r"command line: \$\.axes\.cluster\[0\].*mixed-8"),
        (("", ""), {"faults": ["no"]}, "neither a table .* nor a preset"),
        (("", ""), {"faults": ["one-crash"]}, "100 never comes; allowed: 0 to 19"),
        (("", ""), {"method": ["nope"]}, r"command line: \$\.axes\.method\[0\].*rocoin, tree"),
        (("", ""), {"method": []}, "empty"),
        (("", ""), {"size": [1]}, r"\$\.size: unknown key"),
    ],
)
def test_what_cannot_be_expanded_is_said_with_its_path(change, chosen, expected):
    with pytest.raises(SuiteError, match=expected):
        expand(
            read_suite(TEXT.replace(*change) if change[0] else TEXT, "mine.toml"), METHODS, chosen
        )


def test_faults_on_devices_that_the_cluster_lacks_are_refused():
    text = TEXT.replace('["nonn", "tree"]', '["nonn"]\nfaults = ["f"]').replace(
        "[method.tree]",
        '[faults.f]\nevents = [{ kind = "crash", target = "d7", on_request = 1 }]\n[method.tree]',
    )
    with pytest.raises(
        SuiteError, match=r"\$\.faults\.f on cluster 'mixed-4'.*unknown target 'd7'"
    ):
        expand(read_suite(text, "mine.toml"), METHODS)


def test_faults_that_some_seed_cannot_place_are_refused_before_any_cell_runs():
    # Whether d1 is left for the second entry hangs on whom the first one drew.
    text = TEXT.replace('["nonn", "tree"]', '["nonn"]\nfaults = ["f"]\ncluster = ["two"]')
    text += """
[cluster.two]
devices = [{ name = "d0", macs_per_s = 1 }, { name = "d1", macs_per_s = 1 }]
links = { "*" = { up_bps = 1 } }
[faults.f]
events = [
    { kind = "crash", target = "d0", at_ms = 200 },
    { kind = "crash", at_ms = 0, rejoin_after_ms = 100 },
    { kind = "crash", at_ms = 50, rejoin_after_ms = 250 },
]
"""
    suite = read_suite(text, "mine.toml")

    def refused(seed: int) -> bool:
        try:
            expand(suite, METHODS, {"run_seed": [seed]})
        except SuiteError:
            return True
        return False

    assert 0 < sum(map(refused, range(20))) < 20
    with pytest.raises(SuiteError, match="event 2 finds no device left"):
        expand(suite, METHODS, {"run_seed": list(range(20))})


def test_the_kernels_follow_the_environment_unless_the_suite_says_otherwise(monkeypatch):
    suite = load_suite("smoke")
    monkeypatch.delenv("COINFER_KERNELS", raising=False)
    assert {c.kernels for c in expand(suite, METHODS)} == {"native"}
    monkeypatch.setenv("COINFER_KERNELS", "reference")
    assert {c.kernels for c in expand(suite, METHODS)} == {"reference"}
    assert {c.kernels for c in expand(suite, METHODS, {"kernels": ["numba"]})} == {"numba"}
    monkeypatch.setenv("COINFER_KERNELS", "fast")
    with pytest.raises(SuiteError, match="COINFER_KERNELS = 'fast': allowed: native"):
        expand(suite, METHODS)


RULES = """
[[exclude]]
method = ["tree"]
encoding = ["int8"]
[[exclude]]
run_seed = [1]
cluster = ["mixed-8"]
[[include]]
cluster = ["rocoin-8"]
method = ["rocoin"]
run_seed = [0, 7]
"""
AXES_OF_RULES = """
cluster = ["mixed-4", "mixed-8"]
encoding = ["raw", "int8"]
run_seed = [0, 1]
[method.tree]"""


def ruled(rules=RULES):
    return read_suite(TEXT.replace("[method.tree]", AXES_OF_RULES) + rules, "mine.toml")


def at(cells):
    return [(c.method.variant, c.cluster_name, c.encoding, c.run_seed) for c in cells]


def test_rules_leave_combinations_out_and_add_others():
    cells = expand(ruled(), METHODS)
    expected = {
        (method, cluster, encoding, seed)
        for method in ("nonn", "tree")
        for cluster in ("mixed-4", "mixed-8")
        for encoding in ("raw", "int8")
        for seed in (0, 1)
        if not (method == "tree" and encoding == "int8")
        and not (seed == 1 and cluster == "mixed-8")
    }
    # An axis that the block does not name has the values of the axes.
    expected |= {("rocoin", "rocoin-8", enc, seed) for enc in ("raw", "int8") for seed in (0, 7)}
    assert len(cells) == len(expected)
    assert set(at(cells)) == expected
    # Seeds stay outermost: what was included is not left to the end.
    seeds = [c.run_seed for c in cells]
    assert [seed for seed, _ in itertools.groupby(seeds)] == [0, 1, 7]


def test_what_is_included_twice_is_there_once():
    whole = ruled("[[include]]\nmethod = ['nonn']\n[[include]]\nmethod = ['nonn', 'rocoin']\n")
    keys = [cell.key for cell in expand(whole, METHODS)]
    assert len(keys) == len(set(keys)) == 3 * 2 * 2 * 2


def test_overrides_narrow_what_is_included():
    cells = expand(ruled(), METHODS, {"method": ["rocoin", "nonn"], "run_seed": [7]})
    added = [cell for cell in cells if cell.cluster_name == "rocoin-8"]
    assert {(c.method.variant, c.run_seed) for c in added} == {("rocoin", 7)}
    assert not [c for c in expand(ruled(), METHODS, {"method": ["nonn"]}) if c.run_seed == 7]


def test_faults_have_to_land_only_where_they_are_wanted():
    """Leaving a combination out is how a suite says that it makes no sense."""
    text = """
    [faults.last]
    events = [{ kind = "crash", target = "d7", on_request = 1 }]
    [[exclude]]
    faults = ["last"]
    cluster = ["mixed-4"]
    """
    toml = TEXT.replace("[method.tree]", f"faults = ['none', 'last']{AXES_OF_RULES}") + text
    suite = read_suite(toml, "mine.toml")
    with pytest.raises(SuiteError, match="d7"):
        expand(msgspec.structs.replace(suite, exclude=()), METHODS)
    assert expand(suite, METHODS)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[[exclude]]\n", r"\$\.exclude\[0\]: names no axis; allowed: method, dataset"),
        ("[[exclude]]\nmethod = ['tre']\n", r"exclude\[0\]\.method\[0\]: 'tre' .*mean 'tree'"),
        ("[[include]]\nmethod = []\n", r"\$\.include\[0\]\.method: empty"),
        ("[[include]]\ncolour = ['red']\n", r"\$\.include\[0\]\.colour: unknown key"),
        ("[[include]]\ncluster = ['big']\n", r"\$\.include\[0\]\.cluster\[0\]: 'big' is neither"),
        ("[[include]]\nmethod = ['none']\n", r"include\[0\]\.method\[0\]: 'none' is no method"),
        ("[[exclude]]\nmethod = ['nonn', 'tree']\n", r"\$\.exclude: leaves no cell"),
    ],
)
def test_rules_that_say_nothing_are_refused(rules, expected):
    with pytest.raises(SuiteError, match=expected):
        expand(ruled(rules), METHODS)
