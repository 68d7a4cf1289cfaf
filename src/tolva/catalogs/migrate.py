"""Bring a database to this version's schema.

Alembic takes half a second to import, so it is called only when there is something to migrate: a database's revision
is compared with the newest one known here, and an empty database gets today's tables at once.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select

from tolva.catalogs.schema import metadata
from tolva.errors import CatalogError

REVISIONS = ("0001", "0002")
"""Every revision in ``migrations/versions``, oldest first."""

_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create(connection: Connection) -> None:
    """Give an empty database today's tables."""
    metadata.create_all(connection, checkfirst=False)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=REVISIONS[-1]))


def is_current(connection: Connection, place: str) -> bool:
    """Tell whether the database has today's tables. CatalogError if a newer tolva wrote it."""
    revision = _revision(connection)
    if revision is not None and revision not in REVISIONS:
        raise CatalogError(
            f"The catalog {place} was written by a newer tolva: its revision is {revision}, and this version knows "
            f"revisions up to {REVISIONS[-1]}. Install the newer tolva, or use another state folder.",
            revision=revision,
            known=REVISIONS[-1],
        )
    return revision == REVISIONS[-1]


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database lacks, in the transaction that ``connection`` is in."""
    from alembic import command  # noqa: PLC0415 - half a second that few starts need
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.execute(select(_version.c.version_num)).scalar_one_or_none()
