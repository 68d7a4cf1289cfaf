"""Stored tables: loads that a completed job makes true, versions that running jobs keep, objects nobody needs.

An object's row says from which version on a table has it, and up to before which. A load writes rows without a version
when its task is committed; they get one, and those they replace end, in the transaction that completes the job.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from tolva.catalogs.schema import content, job, load, stored_object, stored_table, table_use
from tolva.catalogs.transactions import LIVE, AnyRow, Tx, lock_job
from tolva.errors import NotFoundError, StateError
from tolva.model import Loaded, LoadMode, NewLoad, Retired, StoredTable, TableObject
from tolva.states import JobStatus

_CURRENT = and_(stored_object.c.since_version.is_not(None), stored_object.c.until_version.is_(None))

# Statements of the hot path are built once; building one costs more than running it.
_NAMED = select(stored_table).where(
    stored_table.c.client == bindparam("of_client"),
    stored_table.c.folded_name.in_(bindparam("names", expanding=True)),
)
_LOCK_TABLES = (
    select(stored_table.c.id, stored_table.c.name, stored_table.c.version)
    .where(stored_table.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(stored_table.c.id)
    .with_for_update()
)
_CURRENT_OBJECTS = (
    select(stored_object)
    .where(stored_object.c.table_id.in_(bindparam("ids", expanding=True)), _CURRENT)
    .order_by(stored_object.c.id)
)
_LOADS = (
    select(load, job.c.client)
    .join(job, job.c.id == load.c.job_id)
    .where(load.c.job_id == bindparam("of_job"))
    .order_by(load.c.name)
)


def begin_load(tx: Tx, job_id: str, new: NewLoad) -> None:
    """Record what the job will do to a table."""
    found = lock_job(tx, job_id)
    if JobStatus(found.status).final:
        raise StateError(f"Job {job_id} is {found.status} and loads nothing more.", job=job_id)
    there = _find(tx, found.client, new.table)
    if there is not None and new.mode is not LoadMode.REPLACE:
        _merged(there, new.columns)
    row = {
        "job_id": job_id,
        "name": new.table,
        "mode": new.mode,
        "columns": [list(column) for column in new.columns],
        "key": list(new.key),
        "base_version": new.base_version,
        "allow_again": new.allow_again,
        "contents": [],
    }
    tx.connection.execute(tx.insert(load).on_conflict_do_nothing(), row)


def record(tx: Tx, job_id: str, loaded: Loaded) -> None:
    """Record the objects that a load consists of; no version has them yet."""
    rows = [
        {
            "job_id": job_id,
            "load_name": loaded.table,
            "key": each.key,
            "dropped": each.dropped,
            "records": each.records,
            "bytes": each.bytes,
            "bounds": each.bounds,
            "retired": False,
        }
        for each in loaded.objects
    ]
    if rows:
        tx.connection.execute(insert(stored_object), rows)
    tx.connection.execute(
        update(load)
        .where(load.c.job_id == job_id, load.c.name == loaded.table)
        .values(contents=[[each.name, each.digest] for each in loaded.contents])
    )


def loads_of(tx: Tx, job_id: str) -> Sequence[AnyRow]:
    """Return what the job loads, by table, each with the client whose table it is."""
    return tx.connection.execute(_LOADS, {"of_job": job_id}).all()


def finish_loads(tx: Tx, loads: Sequence[AnyRow]) -> None:
    """Make the loads true. StateError (and nothing may be kept) if one of them can't be."""
    for each in loads:
        _finish_load(tx, each.client, each)


def _finish_load(tx: Tx, client: str, each: AnyRow) -> None:
    there = _find(tx, client, each.name) or _new_table(tx, client, each)
    if each.base_version is not None and there.version != each.base_version:
        raise StateError(
            f"Table {each.name} was changed by another load (version {there.version}, this one was worked out against "
            f"{each.base_version}). Nothing was stored; run the job again.",
            table=each.name,
        )
    if not each.allow_again:
        _refuse_known(tx, there, each)
    version = there.version + 1
    columns = each.columns if each.mode == LoadMode.REPLACE else _merged(there, each.columns)
    mine = _of_load(stored_object, each)
    ended = [stored_object.c.table_id == there.id, _CURRENT]
    if each.mode != LoadMode.REPLACE:
        new = stored_object.alias()
        ended.append(stored_object.c.key.in_(select(new.c.key).where(_of_load(new, each))))
    execute = tx.connection.execute
    execute(update(stored_object).where(*ended).values(until_version=version))
    execute(delete(stored_object).where(mine, stored_object.c.records == 0, _has_other_row()))
    execute(update(stored_object).where(mine).values(table_id=there.id, since_version=version))
    execute(
        update(stored_table)
        .where(stored_table.c.id == there.id)
        .values(version=version, columns=columns, key=each.key or there.key, last_updated=tx.now)
    )
    for name, digest in each.contents:
        row = {"table_id": there.id, "digest": digest, "name": name, "job_id": each.job_id, "loaded_at": tx.now}
        execute(tx.insert(content).on_conflict_do_nothing(), row)


def _of_load(rows: FromClause, each: AnyRow) -> ColumnElement[bool]:
    """Return the condition on objects that the load wrote them and no version has them yet."""
    return and_(rows.c.job_id == each.job_id, rows.c.load_name == each.name, rows.c.since_version.is_(None))


def _has_other_row() -> ColumnElement[bool]:
    """Return the condition that an object has a row besides this one, by which its bytes will be found."""
    other = stored_object.alias()
    return exists(select(other.c.id).where(other.c.key == stored_object.c.key, other.c.id != stored_object.c.id))


def _new_table(tx: Tx, client: str, each: AnyRow) -> AnyRow:
    row = {
        "client": client,
        "name": each.name,
        "folded_name": each.name.casefold(),
        "version": 0,
        "columns": [],
        "key": [],
        "created_at": tx.now,
        "last_updated": tx.now,
    }
    # Of two first loads that are completed at once, the second waits here and then finds the first one's table.
    tx.connection.execute(tx.insert(stored_table).on_conflict_do_nothing(), row)
    found = _find(tx, client, each.name)
    if found is None:
        raise StateError(f"Table {each.name} was dropped while it was loaded. Run the job again.", table=each.name)
    return found


def _refuse_known(tx: Tx, there: AnyRow, each: AnyRow) -> None:
    digests = [digest for _, digest in each.contents]
    known = select(content).where(content.c.table_id == there.id, content.c.digest.in_(digests))
    found = tx.connection.execute(known.order_by(content.c.name)).first()
    if found is not None and each.mode != LoadMode.REPLACE:
        name = next(name for name, digest in each.contents if digest == found.digest)
        raise StateError(
            f"{name} has the content of {found.name}, which job {found.job_id} loaded into {each.name} before. "
            "Nothing was stored. If it is meant, allow it: allow_again: true, or --allow-again.",
            table=each.name,
            file=name,
            job=found.job_id,
        )


def _merged(there: AnyRow, columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the table's columns with those that are new; StateError if one has another type."""
    types = {name.casefold(): kind for name, kind in there.columns}
    for name, kind in columns:
        if types.get(name.casefold(), kind) != kind:
            raise StateError(
                f"Column {name} of table {there.name} is {types[name.casefold()]}, and the load has {kind}. "
                "Load it with that type, replace the table, or load into another.",
                table=there.name,
                column=name,
            )
    return [*map(list, there.columns), *(list(new) for new in columns if new[0].casefold() not in types)]


def _find(tx: Tx, client: str, name: str) -> AnyRow | None:
    query = select(stored_table).where(stored_table.c.client == client, stored_table.c.folded_name == name.casefold())
    return tx.connection.execute(query.with_for_update()).one_or_none()


def tables(tx: Tx, client: str, name: str | None = None) -> list[StoredTable]:
    """Return the client's tables by name; with ``name`` that one only."""
    sums = (
        select(
            stored_object.c.table_id,
            func.sum(stored_object.c.records).label("records"),
            func.sum(stored_object.c.bytes).label("bytes"),
        )
        .where(_CURRENT)
        .group_by(stored_object.c.table_id)
        .subquery()
    )
    query = (
        select(stored_table, sums.c.records, sums.c.bytes)
        .join(sums, sums.c.table_id == stored_table.c.id, isouter=True)
        .where(stored_table.c.client == client, stored_table.c.name.is_not(None))
        .order_by(stored_table.c.folded_name)
    )
    if name is not None:
        query = query.where(stored_table.c.folded_name == name.casefold())
    return [_table_of(row, row.records, row.bytes) for row in tx.connection.execute(query)]


def one(tx: Tx, client: str, name: str) -> StoredTable:
    """Return the client's table of that name."""
    found = tables(tx, client, name)
    if not found:
        raise _no_table(name)
    return found[0]


def objects(tx: Tx, table_id: int, version: int) -> list[TableObject]:
    """Return the objects that hold a version's records, in the order in which they were loaded."""
    rows = tx.connection.execute(
        select(stored_object).where(stored_object.c.table_id == table_id, _has(version)).order_by(stored_object.c.id)
    )
    return [_object_of(row) for row in rows]


def kept(tx: Tx, client: str, names: Collection[str]) -> dict[str, tuple[StoredTable, list[TableObject]]]:
    """Return those of the names that are tables of the client, each as it is now with its objects in order."""
    folded = {"names": [name.casefold() for name in names]}
    found = {row.id: row for row in tx.connection.execute(_NAMED, {"of_client": client, **folded})}
    objects_of: dict[int, list[TableObject]] = {table_id: [] for table_id in found}
    for row in tx.connection.execute(_CURRENT_OBJECTS, {"ids": list(found)}):
        objects_of[row.table_id].append(_object_of(row))
    tables_of = {row.folded_name: row for row in found.values()}
    there = [(name, tables_of[name.casefold()]) for name in names if name.casefold() in tables_of]
    return {name: (_table_of(each, *_sums(objects_of[each.id])), objects_of[each.id]) for name, each in there}


def use(tx: Tx, job_id: str, versions: Mapping[int, int]) -> None:
    """Keep the objects of these tables' versions, by the tables' ids, while the job isn't final. The job is locked."""
    if not versions:
        return
    found = {row.id: row for row in tx.connection.execute(_LOCK_TABLES, {"ids": list(versions)})}
    for table_id, version in versions.items():
        there = found.get(table_id)
        if there is None or there.version != version:
            name = there.name if there is not None and there.name else "A table of the job"
            raise StateError(f"{name} was changed or dropped while the job was prepared. Submit it again.", job=job_id)
    rows = [{"job_id": job_id, "table_id": table_id, "version": version} for table_id, version in versions.items()]
    tx.connection.execute(tx.insert(table_use).on_conflict_do_nothing(), rows)


def drop(tx: Tx, client: str, name: str) -> None:
    """Forget the table. Its objects stay while a job uses them."""
    found = _find(tx, client, name)
    if found is None:
        raise _no_table(name)
    version = found.version + 1
    execute = tx.connection.execute
    execute(update(stored_object).where(stored_object.c.table_id == found.id, _CURRENT).values(until_version=version))
    execute(
        update(stored_table)
        .where(stored_table.c.id == found.id)
        .values(name=None, folded_name=None, version=version, last_updated=tx.now)
    )
    execute(delete(content).where(content.c.table_id == found.id))


def stored_keys(tx: Tx, prefix: str) -> set[str]:
    """Return the keys below the folder ``prefix`` that a version has or had."""
    found: set[str] = set()
    for column in (stored_object.c.key, stored_object.c.dropped):
        below = select(column).where(
            column.startswith(f"{prefix}/", autoescape=True), stored_object.c.since_version.is_not(None)
        )
        found.update(tx.connection.execute(below).scalars())
    return found


def retire(tx: Tx) -> Retired:
    """Mark objects that no version, no job and no load needs; return all that are marked."""
    execute = tx.connection.execute
    used = (
        select(table_use.c.job_id)
        .join(job, job.c.id == table_use.c.job_id)
        .where(
            job.c.status.in_(LIVE),
            table_use.c.table_id == stored_object.c.table_id,
            table_use.c.version >= stored_object.c.since_version,
            table_use.c.version < stored_object.c.until_version,
        )
    )
    # A failed job may be retried, and what its load has so far is part of that.
    loading = select(job.c.id).where(job.c.id == stored_object.c.job_id, job.c.status.in_((*LIVE, JobStatus.FAILED)))
    old = and_(stored_object.c.until_version.is_not(None), not_(exists(used)))
    lost = and_(stored_object.c.since_version.is_(None), not_(exists(loading)))
    execute(update(stored_object).where(stored_object.c.retired.is_(False), or_(old, lost)).values(retired=True))
    retired = stored_object.c.retired.is_(True)
    rows = execute(select(stored_object.c.id).where(retired).order_by(stored_object.c.id)).scalars().all()
    keys: list[str] = []
    other = stored_object.alias()
    for column, of_other in ((stored_object.c.key, other.c.key), (stored_object.c.dropped, other.c.dropped)):
        needed = select(other.c.id).where(other.c.retired.is_(False), of_other == column)
        unused = select(column).where(retired, column.is_not(None), not_(exists(needed))).distinct()
        keys += execute(unused.order_by(column)).scalars()
    return Retired(tuple(rows), tuple(keys))


def forget(tx: Tx, retired: Retired) -> None:
    """Forget rows that ``retire`` returned, and dropped tables with the last of theirs."""
    tx.connection.execute(
        delete(stored_object).where(stored_object.c.id.in_(retired.rows), stored_object.c.retired.is_(True))
    )
    holding = select(stored_object.c.id).where(stored_object.c.table_id == stored_table.c.id)
    tx.connection.execute(delete(stored_table).where(stored_table.c.name.is_(None), not_(exists(holding))))


def _has(version: int) -> ColumnElement[bool]:
    later = or_(stored_object.c.until_version.is_(None), stored_object.c.until_version > version)
    return and_(stored_object.c.since_version <= version, later)


def _object_of(row: AnyRow) -> TableObject:
    return TableObject(row.key, row.records, row.bytes, row.bounds, row.dropped)


def _sums(listed: Sequence[TableObject]) -> tuple[int, int]:
    return sum(each.records for each in listed), sum(each.bytes for each in listed)


def _table_of(row: AnyRow, records: int | None, size: int | None) -> StoredTable:
    return StoredTable(
        id=row.id,
        client=row.client,
        name=row.name,
        version=row.version,
        columns=_pairs(row.columns),
        key=tuple(row.key),
        records=int(records or 0),
        bytes=int(size or 0),
        created_at=row.created_at,
        last_updated=row.last_updated,
    )


def _pairs(value: list[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for name, kind in value)


def _no_table(name: str) -> NotFoundError:
    return NotFoundError(f"There is no stored table {name}. `tolva tables` lists those that are there.", table=name)
