"""All sub-commands, and how their errors end."""

from __future__ import annotations

from typing import Any

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


class _Group(TyperGroup):
    """Commands whose errors are one line and an exit code, never a traceback."""

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
app.command("run")(run.run)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("plan")(plan.plan)
app.command("sweep")(sweep.sweep)
app.command("train")(train.train)
app.command("list")(list_.list_)
app.add_typer(zoo.app, name="zoo")
app.add_typer(devices.app, name="devices")
app.command("calibrate")(calibrate.calibrate)
app.command("doctor")(doctor.doctor)
for _name, _help in BOARD_COMMANDS.items():
    app.command(
        _name,
        help=_help,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(_handed_on)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        import coinfer

        typer.echo(coinfer.__version__)
        raise typer.Exit
