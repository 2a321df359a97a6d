"""Entry point of the ``coinfer`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say which extra to install where one is missing."""
    from coinfer.cli import BOARD_COMMANDS

    if sys.argv[1:2] and sys.argv[1] in BOARD_COMMANDS:
        from coinfer.cli import board

        sys.exit(board.main(sys.argv[1:]))
    try:
        from coinfer.cli.app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "coinfer":
            raise
        print(
            f"error: the coinfer command needs {error.name!r}, which is not installed; "
            "run: pip install 'coinfer[bench]'",
            file=sys.stderr,
        )
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
