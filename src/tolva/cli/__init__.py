"""The command ``tolva``. Importing this costs nothing: child processes import it again when they start."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process."""
    from tolva.cli.app import run  # noqa: PLC0415 - see the module's first line

    run()
