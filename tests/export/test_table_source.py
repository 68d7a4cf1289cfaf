"""The source ``table``; DuckDB says which rows a key has."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import command
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_kit import lines
from hypothesis import given, settings
from hypothesis import strategies as st

from tolva.errors import DocumentError, NotFoundError, StorageError
from tolva.export.fetcher import Fetcher
from tolva.export.pace import no_pace
from tolva.jobs.documents import validate
from tolva.jobs.prepare import KeptTable
from tolva.model import StoredTable, TableObject
from tolva.sources import Failure, Fetched, Source, TableVersion, Tools, settings_of
from tolva.storages.local import LocalStorage

TYPES = {"id": "INTEGER", "name": "VARCHAR"}
ARROW = pa.schema([("id", pa.int32()), ("name", pa.string())])
Rows = list[tuple[int | None, str | None]]


def stored(storage: LocalStorage, key: str, rows: Rows, dropped: Sequence[int] = ()) -> TableObject:
    """Store rows as a load does, with the bounds that it notes."""
    sink = io.BytesIO()
    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), ARROW, strict=True)]
    pq.write_table(pa.table(columns, schema=ARROW), sink)
    storage.put(key, [sink.getvalue()])
    if dropped:
        storage.put(f"{key}.dropped", [np.array(dropped, np.int64).tobytes()])
    ids = [number for number, _ in rows if number is not None]
    bounds = {"id": [str(min(ids)), str(max(ids))]} if ids else {}
    left = len(rows) - len(dropped)
    return TableObject(key, left, len(sink.getvalue()), bounds, f"{key}.dropped" if dropped else None)


def opened(storage: LocalStorage, objects: Sequence[TableObject], column: str, **more: str) -> Source:
    version = TableVersion(list(TYPES.items()), objects)
    return settings_of({"kind": "table", "name": "t", "column": column, **more}).open(Tools(no_pace, version, storage))


ids = st.one_of(st.none(), st.integers(-20, 20))
names = st.one_of(st.none(), st.sampled_from(["", "7", "07", "a", 'q"\n', "é"]), st.text(max_size=3))
tables = st.lists(st.lists(st.tuples(ids, names), min_size=1, max_size=6), max_size=4)
keys = st.one_of(st.integers(-25, 25).map(str), st.sampled_from(["07", "7.0", "1e1", "a", 'q"\n', "é", " 7"]))


@settings(max_examples=40, deadline=None)
@given(
    parts=tables,
    asked=st.lists(keys, min_size=1, max_size=8, unique=True),
    column=st.sampled_from(["ID", "name"]),
    data=st.data(),
)
def test_each_key_has_its_rows(
    tmp_path_factory: pytest.TempPathFactory, parts: list[Rows], asked: list[str], column: str, data: st.DataObject
) -> None:
    storage = LocalStorage(tmp_path_factory.mktemp("storage"))
    objects, kept = [], []
    for number, rows in enumerate(parts):
        dropped = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
        objects.append(stored(storage, f"tables/{number}", rows, dropped))
        kept += [row for place, row in enumerate(rows) if place not in dropped]
    answers = {answer.key: answer for answer in opened(storage, objects, column).fetch(asked)}
    assert list(answers) == asked
    with duckdb.connect() as judge:
        judge.execute("CREATE TABLE t (id INTEGER, name VARCHAR)")
        if kept:
            judge.executemany("INSERT INTO t VALUES (?, ?)", kept)
        for key, answer in answers.items():
            sql = f"SELECT to_json(t) FROM t WHERE CAST({column} AS VARCHAR) = ? ORDER BY rowid"
            due = [row[0] for row in judge.execute(sql, [key]).fetchall()]
            assert answer == (Fetched(key, due) if due else Failure(key, "no_record", answer.message))


def test_objects_out_of_bounds_are_not_read(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    near = stored(storage, "near", [(1, "a"), (9, "b")])
    gone = TableObject("gone", 1, 1000, {"id": ["100", "200"]})
    source = opened(storage, [gone, near], "id", missing="allow")
    assert list(source.fetch(["9", "99", "nine", "201"])) == [
        Fetched("9", ['{"id":9,"name":"b"}']),
        *(Fetched(key, []) for key in ("99", "nine", "201")),
    ]
    # Storage that fails fails the task, which is done again; it says nothing of the keys.
    with pytest.raises(StorageError):
        Fetcher(source, 1).fetch(["9", "150"])


def test_a_table_s_rows_are_exported_as_they_were_loaded(tmp_path: Path) -> None:
    for load, first in (("a", 0), ("b", 100)):
        claims = "".join(f"{n % 40:03},{n},{n}.50,2024-01-02\n" for n in range(first, first + 100))
        (tmp_path / f"{load}.csv").write_text("beneficiary,claim,paid,day\n" + claims)
        code, _, err = command.run("ingest", f"{load}.csv", "--into", "claims", "--quiet", cwd=tmp_path)
        assert code == 0, err
    source = {"kind": "table", "name": "claims", "column": "Beneficiary"}
    job = {"kind": "export", "keys": ["007", "7", "039"], "source": source}
    (tmp_path / "job.json").write_text(json.dumps(job))
    code, out, err = command.run("run", "job.json", "--output", "out", cwd=tmp_path)
    assert (code, out.split()) == (3, ["out/export_0001.ndjson", "out/export_0001_error.ndjson"]), err
    found = lines([tmp_path / "out" / "export_0001.ndjson"])
    assert [each["claim"] for each in found] == [7, 47, 87, 127, 167, 39, 79, 119, 159, 199]
    sql = "SELECT * FROM claims WHERE beneficiary IN ('007', '039') ORDER BY beneficiary, claim"
    code, answer, err = command.run("sql", sql, "--stored", "claims", "-o", "ndjson", cwd=tmp_path)
    assert code == 0, err
    assert (tmp_path / "out" / "export_0001.ndjson").read_text() == answer
    (failed,) = lines([tmp_path / "out" / "export_0001_error.ndjson"])
    assert (failed["key"], failed["code"], failed["attempts"]) == ("7", "no_record", 1)


def table(name: str) -> StoredTable:
    return StoredTable(1, "local", name, 1, tuple(TYPES.items()), (), 0, 0, 0.0, 0.0)


def brief(**source: Any) -> Any:
    document = {"kind": "export", "keys": {"stored": "members", "column": "id"}, "source": {"kind": "table", **source}}
    return validate(document, "job.json").brief(Path())


def test_the_job_holds_on_to_the_versions_it_was_made_with() -> None:
    kept = {name: KeptTable(table(name), ()) for name in ("t", "members")}
    made = brief(name="t", column="id")
    assert made.stored_names == {"t", "members"}
    prepared = made.given(kept).prepare()
    assert prepared.uses == (kept["members"].table, kept["t"].table)
    (fetch, *_) = prepared.plan.stages
    assert (fetch.settings["batch_size"], fetch.settings["table"]["objects"]) == (1000, ())


def test_what_can_t_be_is_told() -> None:
    kept = {name: KeptTable(table(name), ()) for name in ("t", "members")}
    with pytest.raises(NotFoundError, match="no stored table absent"):
        brief(name="absent", column="id").given(kept).prepare()
    with pytest.raises(DocumentError, match="table t has no column 'key'; there are id, name"):
        brief(name="t", column="key").given(kept).prepare()
    with pytest.raises(DocumentError, match="missing"):
        brief(name="t", column="id", missing="maybe")
