"""Stored tables read where their objects lie: as they would be chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tolva.errors import ExecutionError, StorageError
from tolva.formats import Stored, table_object, unstored
from tolva.formats.types import _ALIASES
from tolva.jobs.sampling import info_of
from tolva.model import StoredTable, TableObject
from tolva.plan import IN_PLACE_KERNEL, Format, Plan, Stage
from tolva.planner import Query, plan
from tolva.storages.local import LocalStorage
from tolva.work.engine import Engine
from tolva.work.in_place import answer
from tolva.work.local_run import run_plan

COLUMNS = (("id", "BIGINT"), ("Said", "VARCHAR"), ("late", "DATE"))
OBJECTS = [
    "SELECT i AS id, 'a' || i AS Said FROM range(3) AS r(i)",
    "SELECT i AS ID, 'b' || i AS said, DATE '2024-01-01' + i::INTEGER AS late FROM range(3, 6) AS r(i)",
]


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "it's a storage")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = Engine(memory_bytes=2**28, threads=1, spill=tmp_path / "spill")
    yield one
    one.close()


def kept(storage: LocalStorage, folder: Path, objects: list[str]) -> list[TableObject]:
    made = []
    for number, rows in enumerate(objects):
        path = folder / f"{number}.parquet"
        (count,) = duckdb.execute(f"SELECT count(*) FROM ({rows})").fetchall()[0]
        duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
        size = storage.put(f"tables/{number}", [path.read_bytes()])
        made.append(TableObject(f"tables/{number}", count, size, {"id": ["0", "9"]}))
    return made


def planned(
    objects: list[TableObject],
    sql: str,
    columns: tuple[tuple[str, str], ...] = COLUMNS,
    *,
    on_disk: bool = True,
    in_place_bytes: int = 2**20,
) -> Plan:
    table = StoredTable(1, "local", "t", 1, columns, (), 0, 0, 0.0, 0.0)
    info = info_of(table_object.input_table("t", table, objects, on_disk=on_disk))
    return plan({"q": Query(sql, Format.PARQUET)}, {"t": info}, in_place_bytes=in_place_bytes)


def only(made: Plan) -> Stage:
    (stage,) = made.stages
    assert stage.kernel == IN_PLACE_KERNEL
    return stage


def rows(stage: Stage, engine: Engine, storage: LocalStorage) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for batch in answer(stage, engine, storage) for row in batch.to_pylist()]


def spread(
    objects: list[TableObject], sql: str, columns: tuple[tuple[str, str], ...], engine: Engine, storage: LocalStorage
) -> pa.Table:
    """Return the same answer chunk by chunk."""
    made = planned(objects, sql, columns, in_place_bytes=0)
    assert IN_PLACE_KERNEL not in {stage.kernel for stage in made.stages}
    table = StoredTable(1, "local", "t", 1, columns, (), 0, 0, 0.0, 0.0)
    files = [unstored(file) for file in table_object.input_table("t", table, objects, on_disk=True).files]
    chunks = [
        table_object.read(file, chunk, dict(columns), [name for name, _ in columns], Stored(storage, file.location))
        for file in files
        for chunk in table_object.cut(file, 1)
    ]
    return pa.Table.from_batches(run_plan(made, {"t": chunks}, engine)["q"])


def test_objects_may_lack_columns(storage: LocalStorage, engine: Engine, tmp_path: Path) -> None:
    objects = kept(storage, tmp_path, OBJECTS)
    columns = (*COLUMNS, ("never", "DECIMAL(9,2)"))
    sql = "SELECT id, Said, late, never FROM t WHERE late IS NULL OR id > 4"
    found = rows(only(planned(objects, sql, columns)), engine, storage)
    assert found == [tuple(row.values()) for row in spread(objects, sql, columns, engine, storage).to_pylist()]
    assert [row[0] for row in found] == [0, 1, 2, 5]


def test_a_table_without_objects(storage: LocalStorage, engine: Engine) -> None:
    assert rows(only(planned([], "SELECT count(*), max(late) FROM t")), engine, storage) == [(0, None)]


def test_dropped_rows_and_objects_elsewhere_are_spread(storage: LocalStorage, tmp_path: Path) -> None:
    objects = kept(storage, tmp_path, OBJECTS)
    dropped = TableObject("tables/0", 2, objects[0].bytes, dropped="dropped/0")
    for made in (
        planned([dropped, objects[1]], "SELECT id FROM t"),
        planned(objects, "SELECT id FROM t", on_disk=False),
    ):
        assert IN_PLACE_KERNEL not in {stage.kernel for stage in made.stages}


@pytest.mark.parametrize("kind", sorted({*_ALIASES, "DECIMAL(38,10)"} - {"INTERVAL"}))
def test_every_type_is_read_as_it_is_chunk_by_chunk(
    storage: LocalStorage, engine: Engine, tmp_path: Path, kind: str
) -> None:
    value = VALUES.get(kind, "1")
    objects = kept(storage, tmp_path, [f"SELECT {value}::{kind} AS v UNION ALL SELECT NULL"])
    sql = "SELECT v, typeof(v) AS kind, v::VARCHAR AS said FROM t WHERE v IS NOT NULL"
    found = pa.Table.from_batches(list(answer(only(planned(objects, sql, (("v", kind),))), engine, storage)))
    other = spread(objects, sql, (("v", kind),), engine, storage)
    # Compared by their bytes: NaN isn't equal to itself.
    assert [found.schema, *values_of(found)] == [other.schema, *values_of(other)]
    assert found["kind"][0].as_py() == kind


def values_of(table: pa.Table) -> list[list[bytes | None]]:
    return [[buffer and buffer.to_pybytes() for buffer in c.combine_chunks().buffers()] for c in table.columns]


VALUES = {
    "BOOLEAN": "true",
    "VARCHAR": "'Grüße'",
    "BLOB": "'\\x00\\xff'",
    "DATE": "'1969-12-31'",
    "TIME": "'23:59:59.999999'",
    "TIMESTAMP": "'1969-12-31 23:59:59.999999'",
    "TIMESTAMP_S": "'2024-02-29 12:34:56'",
    "TIMESTAMP_MS": "'2024-02-29 12:34:56.789'",
    "TIMESTAMP_NS": "'2024-02-29 12:34:56.123456789'",
    "TIMESTAMP WITH TIME ZONE": "'2024-02-29 12:34:56+03'",
    "UUID": "'00000000-0000-0000-0000-00000000000f'",
    "DOUBLE": "'-0.0'",
    "FLOAT": "'nan'",
    "DECIMAL(38,10)": "1234567890123456789012345678.0123456789",
}


def test_an_error_names_the_record(storage: LocalStorage, engine: Engine, tmp_path: Path) -> None:
    objects = kept(storage, tmp_path, OBJECTS)
    stage = only(planned(objects, "SELECT sum(CAST(replace(Said, 'a', '') AS INTEGER)) FROM t WHERE id <> 4"))
    with pytest.raises(ExecutionError, match=r"record in line 1 of tables/1: id is 3; Said is 'b3'\."):
        rows(stage, engine, storage)


def test_an_object_that_is_gone(storage: LocalStorage, engine: Engine, tmp_path: Path) -> None:
    stage = only(planned(kept(storage, tmp_path, OBJECTS), "SELECT sum(id) FROM t"))
    storage.delete(["tables/1"])
    with pytest.raises(StorageError, match="tables/1"):
        rows(stage, engine, storage)
