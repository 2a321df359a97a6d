"""The ``coinfer`` command: one short file a sub-command."""

BOARD_COMMANDS = {
    "device": "Take part in runs as a device, on this machine or from another one.",
    "keys": "Make keys, allow those of others, list them.",
}
"""What runs on a board too, with no more than its extra: read without Typer."""
