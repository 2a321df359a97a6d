"""Options that several sub-commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

MethodOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("-m", "--method", help="Methods, instead of the suite's.")
]
AxisOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("-a", "--axis", help="An axis: NAME=value, NAME=[a,b] or NAME=0..4."),
]
