"""The keys of clients."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from tolva.catalogs.schema import api_key
from tolva.catalogs.transactions import AnyRow, Tx
from tolva.errors import NotFoundError
from tolva.model import Key, KeyRole


def add(tx: Tx, key: Key) -> None:
    """Record a new key."""
    row = {"id": key.id, "client": key.client, "role": key.role, "digest": key.digest, "created_at": tx.now}
    tx.connection.execute(insert(api_key), row)


def one(tx: Tx, key_id: str) -> Key | None:
    """Return the key of that id, revoked or not; None if there is none."""
    found = tx.connection.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()
    return None if found is None else _key_of(found)


def all_of(tx: Tx) -> list[Key]:
    """Return every key, oldest first."""
    return [_key_of(row) for row in tx.connection.execute(select(api_key).order_by(api_key.c.created_at, api_key.c.id))]


def revoke(tx: Tx, key_id: str) -> None:
    """Let the key open nothing from now on. NotFoundError if there is none."""
    if one(tx, key_id) is None:
        raise NotFoundError(f"There is no key {key_id}. `tolva keys list` shows those that are there.", key=key_id)
    tx.connection.execute(
        update(api_key).where(api_key.c.id == key_id, api_key.c.revoked_at.is_(None)).values(revoked_at=tx.now)
    )


def _key_of(row: AnyRow) -> Key:
    return Key(row.id, row.client, KeyRole(row.role), row.digest, row.created_at, row.revoked_at)
