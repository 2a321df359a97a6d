"""``coinfer device`` and ``coinfer keys``: what runs on a board, with no more than its extra.

So they are read by the standard library, and everything else by Typer.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from coinfer.cli import BOARD_COMMANDS
from coinfer.errors import CoinferError, UsageError


def main(arguments: Sequence[str]) -> int:
    """Run a command of a board; returns its exit code."""
    options = parser().parse_args(arguments)
    try:
        options.action(options)
    except CoinferError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0].startswith("coinfer"):
            raise
        print(
            f"error: this needs {error.name!r}, which is not installed; "
            "run: pip install 'coinfer[device]'",
            file=sys.stderr,
        )
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Options of the commands."""
    found = argparse.ArgumentParser(prog="coinfer")
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--keys", type=Path, metavar="DIR", help="folder of keys (~/.config/coinfer/keys)"
    )
    device = commands.add_parser(
        "device",
        parents=[folder],
        help=BOARD_COMMANDS["device"],
        description=BOARD_COMMANDS["device"],
    )
    device.add_argument(
        "--connect", required=True, metavar="tcp://HOST:PORT", help="where runs are started"
    )
    device.add_argument("--name", required=True, help="name of this device in the cluster")
    device.add_argument(
        "--curve",
        action="store_true",
        help="use keys on the loopback interface too; beyond it they always are",
    )
    device.add_argument(
        "--builders",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="build models of this package too (may be repeated)",
    )
    device.add_argument("-q", "--quiet", action="store_true", help="tell of what goes wrong alone")
    device.set_defaults(action=_device)
    keys = commands.add_parser(
        "keys", help=BOARD_COMMANDS["keys"], description=BOARD_COMMANDS["keys"]
    )
    actions = keys.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", parents=[folder], help="make a pair of keys")
    new.add_argument("name", metavar="NAME", help="'host' where runs are started, else the device")
    new.set_defaults(action=_new)
    allow = actions.add_parser("allow", parents=[folder], help="let a public key in")
    allow.add_argument("name", metavar="NAME", help="of the machine that it belongs to")
    allow.add_argument("key", metavar="KEY", help="its .key file, or the key itself")
    allow.set_defaults(action=_allow)
    known = actions.add_parser("list", parents=[folder], help="list public keys")
    known.set_defaults(action=_list)
    return found


def _device(options: argparse.Namespace) -> None:
    from coinfer.cluster import is_loopback
    from coinfer.runtime.boards import KeyFolder, take_part
    from coinfer.runtime.boards.keys import HOST
    from coinfer.runtime.realtime.remote import Remote

    _check_name(options.name)
    secured = options.curve or not is_loopback(options.connect)
    keys = KeyFolder(options.keys).own(options.name, server=HOST) if secured else None
    # What is wrong so far is told at once: this imports torch.
    import coinfer
    from coinfer.models.shelf import Shelf

    logging.basicConfig(
        level=logging.WARNING if options.quiet else logging.INFO,
        format="%(asctime)s %(name)s %(message)s",
    )
    # As Ctrl-C does, so that processes are ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="coinfer-device-") as folder:
        shelf = Shelf(Path(folder), tuple(options.builders))
        logging.getLogger("coinfer.device").info(
            "%s dials %s, %s", options.name, options.connect, "CURVE" if keys else "in the clear"
        )
        take_part(options.name, options.connect, Remote(keys), shelf, coinfer.__version__)


def _check_name(name: str) -> None:
    from coinfer.cluster import Boards, Cluster, Device, Link

    # The rule for names is the cluster's.
    Cluster(
        devices=(Device(name=name, macs_per_s=1.0),),
        links={"*": Link(up_bps=1.0)},
        boards=Boards("tcp://127.0.0.1:1"),
    )


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _new(options: argparse.Namespace) -> None:
    from coinfer.runtime.boards import KeyFolder

    path = KeyFolder(options.keys).new(options.name)
    print(f"public key: {path}")
    other = "every board" if options.name == "host" else "the host"
    print(f"copy it to {other}, and run there: coinfer keys allow {options.name} {path.name}")


def _allow(options: argparse.Namespace) -> None:
    from coinfer.runtime.boards import KeyFolder

    print(f"allowed: {KeyFolder(options.keys).allow(options.name, options.key)}")


def _list(options: argparse.Namespace) -> None:
    from coinfer.runtime.boards import KeyFolder

    folder = KeyFolder(options.keys)
    found = folder.known()
    if not found:
        raise UsageError(f"no keys in {folder.path}; make some with 'coinfer keys new NAME'")
    for known in found:
        print(f"{known.kind:8} {known.name:20} {known.public}")
