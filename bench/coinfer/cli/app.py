"""All sub-commands, and how their errors end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import typer
from typer.core import TyperGroup

from coinfer.cli import (
    BOARD_COMMANDS,
    calibrate,
    compare,
    devices,
    doctor,
    list_,
    plan,
    report,
    run,
    sweep,
    train,
    zoo,
)
from coinfer.errors import CoinferError

_FUNCTIONS: Final[dict[str, Callable[..., None]]] = {
    "run": run.run,
    "report": report.report,
    "compare": compare.compare,
    "plan": plan.plan,
    "sweep": sweep.sweep,
    "train": train.train,
    "list": list_.list_,
    "calibrate": calibrate.calibrate,
    "doctor": doctor.doctor,
}
_GROUPS: Final = {"zoo": zoo.app, "devices": devices.app}


class _Commands(Mapping[str, Any]):
    """Commands by name, each built when it is asked for: all take as long as loading Typer does."""

    def __getitem__(self, name: str) -> Any:
        if name in _GROUPS:
            command = typer.main.get_command(_GROUPS[name])
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            if name in BOARD_COMMANDS:
                alone.command(
                    help=BOARD_COMMANDS[name],
                    add_help_option=False,
                    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
                )(_handed_on)
            else:
                alone.command()(_FUNCTIONS[name])
            command = typer.main.get_command(alone)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter((*_FUNCTIONS, *BOARD_COMMANDS, *_GROUPS))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Group(TyperGroup):
    """Commands whose errors are one line and an exit code, never a traceback."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: Any = _Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _what(name)) for name in self.commands])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CoinferError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0].startswith("coinfer"):
                raise
            typer.echo(
                f"error: this needs {error.name!r}, which is not installed; "
                "run: pip install 'coinfer[bench]'",
                err=True,
            )
            raise typer.Exit(2) from None


def _handed_on(ctx: typer.Context) -> None:
    """Have the commands of a board read their options: there they must do without Typer."""
    from coinfer.cli import board

    raise typer.Exit(board.main([str(ctx.info_name), *ctx.args]))


def _what(name: str) -> str:
    """What a command does, in a line."""
    if name in _FUNCTIONS:
        return (inspect.getdoc(_FUNCTIONS[name]) or "").partition("\n")[0]
    return BOARD_COMMANDS.get(name) or str(_GROUPS[name].info.help)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help is there in less than half the time, and stays whole in a pipe.
    rich_markup_mode=None,
    context_settings={"max_content_width": 100},
    help="Benchmark cooperative DNN inference on heterogeneous, failing edge devices.",
    epilog="Start with: coinfer run quickstart",
)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        import coinfer

        typer.echo(coinfer.__version__)
        raise typer.Exit
