"""Stored tables, as a catalog's methods. See ``sql`` for the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import AbstractContextManager

from tolva.catalogs import tables
from tolva.catalogs.transactions import Tx
from tolva.model import NewLoad, Retired, StoredTable, TableObject


class SqlTables(ABC):
    """The part of a catalog that knows stored tables."""

    @abstractmethod
    def _write(self, name: str) -> AbstractContextManager[Tx]:
        """Open a transaction that changes something; ``name`` is that of its crash points."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Tx]:
        """Open a transaction that only looks."""

    def begin_load(self, job_id: str, load: NewLoad) -> None:
        """Say what the job will do to a table of its client."""
        with self._write("begin_load") as tx:
            tables.begin_load(tx, job_id, load)

    def tables(self, client: str) -> list[StoredTable]:
        """Return the client's tables by name."""
        with self._read() as tx:
            return tables.tables(tx, client)

    def table(self, client: str, name: str) -> StoredTable:
        """Return the client's table of that name."""
        with self._read() as tx:
            return tables.one(tx, client, name)

    def kept(self, client: str, names: Collection[str]) -> dict[str, tuple[StoredTable, list[TableObject]]]:
        """Return those of the names that are tables of the client, with their objects."""
        with self._read() as tx:
            return tables.kept(tx, client, names)

    def table_objects(self, table_id: int, version: int) -> list[TableObject]:
        """Return the objects that hold a version's records."""
        with self._read() as tx:
            return tables.objects(tx, table_id, version)

    def drop_table(self, client: str, name: str) -> None:
        """Forget the table; jobs that use it go on."""
        with self._write("drop_table") as tx:
            tables.drop(tx, client, name)

    def stored_keys(self, prefix: str) -> set[str]:
        """Return the keys below the folder ``prefix`` that a version of a table has or had."""
        with self._read() as tx:
            return tables.stored_keys(tx, prefix)

    def retire_objects(self) -> Retired:
        """Return the objects that no version, no job and no load needs any more."""
        with self._write("retire_objects") as tx:
            return tables.retire(tx)

    def forget_objects(self, retired: Retired) -> None:
        """Forget objects whose bytes are deleted."""
        with self._write("forget_objects") as tx:
            tables.forget(tx, retired)
