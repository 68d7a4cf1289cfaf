"""``tolva keys``: who may use the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options

if TYPE_CHECKING:
    from tolva.catalog import Catalog

app = typer.Typer(help="Add, list and revoke the keys of a server's clients.", no_args_is_help=True)


class Role(StrEnum):
    """See ``model.KeyRole``."""

    CLIENT = "client"
    ADMIN = "admin"


@app.command(name="add")
def add(
    client: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[Role, typer.Option(help="admin: sees all jobs, and may name the server's files.")] = Role.CLIENT,
    state: options.State = None,
) -> None:
    """Make a key and show it, this once."""
    from tolva.gateway.access import new_key  # noqa: PLC0415 - keeps --help quick
    from tolva.model import KeyRole  # noqa: PLC0415 - likewise

    with _catalog(state) as catalog:
        key, shown = new_key(catalog, client, KeyRole(role))
    typer.echo(f"Key {key.id} of {client} ({role}); it is shown only now:", err=True)
    typer.echo(shown)


@app.command(name="list")
def list_keys(state: options.State = None) -> None:
    """List keys: id, client, role, when it was made, whether it was revoked."""
    with _catalog(state) as catalog:
        for key in catalog.all_keys():
            ended = "active" if key.revoked_at is None else f"revoked {_day(key.revoked_at)}"
            typer.echo(f"{key.id}\t{key.client}\t{key.role}\t{_day(key.created_at)}\t{ended}")


@app.command(name="revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `tolva keys list` shows it.", metavar="ID")],
    state: options.State = None,
) -> None:
    """Let a key open nothing from now on, also on servers that run."""
    with _catalog(state) as catalog:
        catalog.revoke_key(key_id)


@contextmanager
def _catalog(state: Path | None) -> Iterator[Catalog]:
    from tolva.config import connect  # noqa: PLC0415 - keeps --help quick

    catalog = connect(options.settings(state, None)).catalog
    try:
        yield catalog
    finally:
        catalog.close()


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
