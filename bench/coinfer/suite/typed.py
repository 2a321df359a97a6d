"""Plain data to typed values; what does not fit is said in one line that helps."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from msgspec import inspect

from coinfer.errors import CoinferError, SuiteError, hint

T = TypeVar("T")

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_QUOTED = re.compile(r"[`'](.*)[`']")


def typed(value: object, kind: type[T], origin: str, path: str = "$") -> T:
    """`value` as `kind`.

    Parameters
    ----------
    value : object
        Plain data, as TOML or JSON gives it.
    kind : type
    origin : str
        Where the data came from, usually a file name.
    path : str
        Where in `origin` the value stands.

    Raises
    ------
    SuiteError
        One line: origin, path of the offending value, what is allowed.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text, _, inner = str(error).partition(" - at `$")
        inner = inner.rstrip("`")
        raise SuiteError(f"{origin}: {path}{_explain(text, inner, kind)}") from None
    except CoinferError as error:
        # The checks of a type's own raise these, which pass through msgspec without a path.
        raise SuiteError(f"{origin}: {path}: {error}") from None


def allowed_values(kind: type, field: str) -> list[str]:
    """Values that a field, or each item of it, is limited to; empty where it is not."""
    at = _type_at(inspect.type_info(kind), f".{field}[0]")
    return [str(value) for value in at.values] if isinstance(at, inspect.LiteralType) else []


def _explain(text: str, inner: str, kind: type) -> str:
    quoted = _QUOTED.search(text)
    at = _type_at(inspect.type_info(kind), inner)
    if quoted and text.startswith("Object contains unknown field"):
        name = quoted[1]
        fields = [f.encode_name for f in at.fields] if isinstance(at, inspect.StructType) else []
        return f"{inner}.{name}: unknown key; {hint(name, fields)}"
    if quoted and text.startswith("Invalid enum value"):
        values = map(str, at.values) if isinstance(at, inspect.LiteralType) else ()
        return f"{inner}: {quoted[1]!r} is not allowed; {hint(quoted[1], values)}"
    return f"{inner}: {text[0].lower()}{text[1:]}"


def _type_at(info: inspect.Type, path: str) -> inspect.Type:
    """Type that a path inside `info` leads to; the last one found where the path is unclear."""
    for name, _index in _STEP.findall(path):
        info = _definite(info)
        if isinstance(info, inspect.StructType):
            info = next((f.type for f in info.fields if f.encode_name == name), info)
        elif isinstance(info, inspect.VarTupleType | inspect.ListType):
            info = info.item_type
        elif isinstance(info, inspect.DictType):
            info = info.value_type
    return _definite(info)


def _definite(info: inspect.Type) -> inspect.Type:
    if isinstance(info, inspect.UnionType):
        return next(t for t in info.types if not isinstance(t, inspect.NoneType))
    return info
