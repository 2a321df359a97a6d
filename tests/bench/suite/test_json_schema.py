"""The JSON Schema of suite files says what the types say, and is committed as it is made."""

from __future__ import annotations

import copy
import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from coinfer.errors import SuiteError
from coinfer.methods import parameter_types
from coinfer.suite import expand, shipped_suites
from coinfer.suite.json_schema import suite_json_schema
from coinfer.suite.load import read_suite

COMMITTED = Path(__file__).parents[3] / "docs" / "suite.schema.json"
# Not those of plug-ins that happen to be installed.
OWN = {n: kind for n, kind in parameter_types().items() if kind.__module__.startswith("coinfer.")}
VALIDATOR = Draft202012Validator(suite_json_schema(OWN))


def shipped(name: str) -> str:
    folder = resources.files("coinfer.suite") / "suites"
    return (folder / f"{name}.toml").read_text(encoding="utf-8")


def test_the_committed_schema_is_the_one_that_is_made():
    """Renew it: coinfer list schema > docs/suite.schema.json"""
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == suite_json_schema(OWN)


def test_it_is_a_schema():
    Draft202012Validator.check_schema(suite_json_schema(OWN))


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_suite_is_valid(name):
    VALIDATOR.validate(tomllib.loads(shipped(name)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("colour",), "red"),
        (("schema",), 2),
        (("axes", "encoding"), ["int9"]),
        (("axes", "encoding"), "int8"),
        (("axes", "run_seed"), ["0"]),
        (("exclude",), [{"methods": ["nonn"]}]),
        (("defaults", "workload", "request"), 40),
        (("method", "distree-strict", "base"), "distre"),
        (("method", "distree-strict", "controll"), "strict"),
        (("method", "distree-strict", "control"), "lax"),
        (("method", "distree-strict", "target"), {"accuracy_loss": 0.3}),
        (("faults", "one-crash", "events"), [{"kind": "crash", "on_requests": 3}]),
        (("cluster",), {"mine": {"devices": [{"name": "d", "macs_per_s": "fast"}], "links": {}}}),
        (("report", "headline", "where"), "everywhere"),
    ],
)
def test_what_the_types_refuse_it_refuses(path, value):
    document = tomllib.loads(shipped("smoke"))
    assert VALIDATOR.is_valid(document)
    changed = copy.deepcopy(document)
    *way, last = path
    inner = changed
    for key in way:
        inner = inner[key]
    inner[last] = value
    assert not VALIDATOR.is_valid(changed)
    with pytest.raises(SuiteError):
        expand(read_suite(as_toml(changed), "changed"), OWN)


def as_toml(table: dict) -> str:
    """Enough of TOML for plain data: every table inline."""
    return "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in table.items())


def inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)
