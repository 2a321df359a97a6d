"""The suite file as a JSON Schema, by which editors complete and check it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from coinfer.suite.schema import SCHEMA, Document

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{name}"
_SECTION: Final = re.compile(r"\n\s*(Attributes|Raises|Examples|Notes)\n\s*-{3,}.*", re.DOTALL)


def suite_json_schema(methods: Mapping[str, type[msgspec.Struct]]) -> dict[str, Any]:
    """Schema of a suite file.

    It is made from the types that read suites, so that the two agree in keys and kinds of values.
    What is checked beyond types (a device that does not exist, a fault that never lands) is not
    in it.

    Parameters
    ----------
    methods : mapping of str to type
        Methods with the types of their parameters: what variants may set.
    """
    (document,), defs = msgspec.json.schema_components([Document], ref_template=_REF)
    variants = []
    for name, kind in sorted(methods.items()):
        (reference,), found = msgspec.json.schema_components([kind], ref_template=_REF)
        parameters = found.pop(reference["$ref"].rpartition("/")[2])
        variants.append(_variant(name, parameters))
        defs |= found
    schema = {"$schema": DIALECT, "title": "coinfer suite", **document, "$defs": defs}
    _tidy(schema)
    properties = defs["Document"]["properties"]
    properties["schema"] = {"const": SCHEMA}
    properties["cluster"]["additionalProperties"] = {
        "anyOf": [
            properties["cluster"]["additionalProperties"],
            {
                "description": "A file that describes real boards.",
                "type": "object",
                "properties": {"inventory": {"type": "string"}},
                "required": ["inventory"],
                "additionalProperties": False,
            },
        ]
    }
    properties["method"]["additionalProperties"] = {
        "type": "object",
        "properties": {"base": {"enum": sorted(methods)}},
        "required": ["base"],
        "allOf": variants,
    }
    _tidy(variants)
    return schema


def _variant(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """What a variant of a method may say."""
    allowed = {"base": True, **parameters["properties"]}
    return {
        "if": {"properties": {"base": {"const": name}}},
        "then": {"properties": allowed, "additionalProperties": False},
    }


def _tidy(node: Any) -> None:
    """Leave of docstrings the prose, and of defaults those that are plain values."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    if isinstance(said := node.get("description"), str):
        node["description"] = " ".join(_SECTION.sub("", said).split())
    if "default" in node and isinstance(node["default"], dict | list | tuple | None):
        del node["default"]
    for value in node.values():
        _tidy(value)
