"""Stored tables in a job's life: looked up before it is prepared, swept up after it."""

from __future__ import annotations

from collections.abc import Collection

from tolva.catalog import Catalog
from tolva.jobs.prepare import Brief, KeptTable
from tolva.storage import Storage


def look_up(catalog: Catalog, storage: Storage, client: str, brief: Brief) -> Brief:
    """Return the brief with the stored tables that it names, as far as the client has them."""
    names = brief.stored_names
    return brief.given(kept_tables(catalog, storage, client, names)) if names else brief


def kept_tables(catalog: Catalog, storage: Storage, client: str, names: Collection[str]) -> dict[str, KeptTable]:
    """Return the client's tables of these names, as far as there are any, each as it is now."""
    return {
        name: KeptTable(table, tuple(objects), all(storage.path(each.key) is not None for each in objects))
        for name, (table, objects) in catalog.kept(client, names).items()
    }


def sweep(catalog: Catalog, storage: Storage) -> None:
    """Delete the objects of stored tables that nobody will read again. May be interrupted and repeated."""
    retired = catalog.retire_objects()
    if retired.rows:
        storage.delete(retired.keys)
        catalog.forget_objects(retired)


def sweep_job(catalog: Catalog, storage: Storage, job_id: str) -> None:
    """Delete what a job that is over wrote for stored tables and no table came to have."""
    prefix = _written_by(job_id)
    storage.delete_below(prefix, keep=frozenset(catalog.stored_keys(prefix)))


def left_anything(catalog: Catalog, storage: Storage, job_id: str) -> bool:
    """Return whether a job that is over left anything for ``sweep_job``."""
    prefix = _written_by(job_id)
    return not catalog.stored_keys(prefix).issuperset(storage.list(prefix))


def _written_by(job_id: str) -> str:
    return f"tables/{job_id}"
