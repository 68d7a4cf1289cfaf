"""``tolva migrate``: the catalog's schema, before anything else of a new version starts."""

from __future__ import annotations

import typer

from tolva.cli import options


def migrate(state: options.State = None) -> None:
    """Make the catalog's tables, or bring them to this version.

    Every other command does so too when it opens the catalog; a fleet's upgrade begins with it.
    Example: tolva migrate
    """
    from tolva.config import connect  # noqa: PLC0415 - keeps --help quick

    connect(options.settings(state, 1)).catalog.close()
    typer.echo("The catalog has this version's tables.", err=True)
