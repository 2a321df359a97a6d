from collections.abc import Callable
from typing import Any

compiler: str

def isa_available() -> tuple[str, ...]: ...
def functions(isa: str, docs: dict[str, str]) -> dict[str, Callable[..., Any]]: ...
