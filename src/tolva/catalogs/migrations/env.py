"""Alembic's entry: run migrations on the connection, and in the transaction, that the catalog hands over."""

from __future__ import annotations

from alembic import context

from tolva.catalogs.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can't alter most of a table in place
)
context.run_migrations()
