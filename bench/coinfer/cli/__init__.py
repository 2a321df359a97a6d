"""The ``coinfer`` command: one short file a sub-command."""
