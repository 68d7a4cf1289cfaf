"""Tables read where they lie, by the DuckDB of one task: their files are all it can open, and errors name records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from tolva.errors import ExecutionError, InputError, TolvaError
from tolva.formats import resolve
from tolva.jobs.prepare import Spec
from tolva.jobs.sampling import info_of
from tolva.plan import IN_PLACE_KERNEL, Format, Plan, Stage
from tolva.planner import Query, plan
from tolva.work.engine import Engine
from tolva.work.in_place import answer

ROWS = 5_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of one table, with names that mean something to others."""
    for number, name in enumerate(["new?.parquet", "it's [old].parquet"]):
        said = f"if(i = 1234 AND {number} = 1, 'none', i::VARCHAR)"
        rows = f"SELECT i + {number * ROWS} AS id, {said} AS amount FROM range({ROWS}) AS r(i)"
        path = str(tmp_path / name).replace("'", "''")
        duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return tmp_path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = Engine(memory_bytes=2**28, threads=1, spill=tmp_path / "spill")
    yield one
    one.close()


def planned(folder: Path, sql: str, in_place_bytes: int = 2**20, columns: dict[str, str] | None = None) -> Plan:
    table = resolve("sales", Spec(["*.parquet"], columns or {}), folder)
    return plan({"q": Query(sql, Format.PARQUET)}, {"sales": info_of(table)}, in_place_bytes=in_place_bytes)


def only(made: Plan) -> Stage:
    (stage,) = made.stages
    assert stage.kernel == IN_PLACE_KERNEL
    return stage


def rows(stage: Stage, engine: Engine) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for batch in answer(stage, engine) for row in batch.to_pylist()]


def test_rows_come_in_the_order_of_the_files(folder: Path, engine: Engine) -> None:
    stage = only(planned(folder, "SELECT id FROM sales"))
    first, second = list(range(ROWS, 2 * ROWS)), list(range(ROWS))
    assert [row[0] for row in rows(stage, engine)] == first + second


@pytest.mark.parametrize(
    ("sql", "in_place_bytes", "columns"),
    [
        ("SELECT count(*) FROM sales", 0, None),
        ("SELECT count(*) FROM sales", 1000, None),
        ("SELECT count(*) FROM sales", 2**20, {"id": "DOUBLE"}),
    ],
    ids=["never", "too large", "types of its own"],
)
def test_other_tables_are_spread(folder: Path, sql: str, in_place_bytes: int, columns: dict[str, str] | None) -> None:
    assert IN_PLACE_KERNEL not in {stage.kernel for stage in planned(folder, sql, in_place_bytes, columns).stages}


def test_an_error_names_the_record(folder: Path, engine: Engine) -> None:
    stage = only(planned(folder, "SELECT sum(CAST(amount AS INTEGER)) FROM sales WHERE id >= 0"))
    with pytest.raises(ExecutionError, match=r"record in line 1235 of it's \[old\]\.parquet: .*amount is 'none'"):
        rows(stage, engine)


def test_an_error_of_no_record_stays_what_it_was(folder: Path, engine: Engine) -> None:
    stage = only(planned(folder, "SELECT sum(id)::TINYINT FROM sales"))
    with pytest.raises(ExecutionError, match=r"Query 'q' failed in stage .*out of range"):
        rows(stage, engine)


def test_a_file_that_changed_is_named(folder: Path, engine: Engine) -> None:
    stage = only(planned(folder, "SELECT sum(id) FROM sales"))
    (folder / "new?.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"new\?\.parquet has changed"):
        rows(stage, engine)


def test_a_damaged_file_is_named(folder: Path, engine: Engine) -> None:
    path = folder / "new?.parquet"
    data = bytearray(path.read_bytes())
    data[20:200] = b"\xff" * 180
    path.write_bytes(data)
    stage = only(planned(folder, "SELECT sum(id), max(amount) FROM sales"))
    with pytest.raises(InputError, match=r"new\?\.parquet"):
        rows(stage, engine)


def test_no_other_file_can_be_opened(folder: Path, engine: Engine, tmp_path: Path) -> None:
    """Should a query ever get past the gate: it reads its tables' files and nothing else, and writes nothing."""
    other = tmp_path / "other.pq"
    own = str(folder / "new?.parquet")
    before = Path(own).read_bytes()
    duckdb.execute(f"COPY (SELECT 1 AS x) TO '{other}' (FORMAT parquet)")
    stage = only(planned(folder, "SELECT id FROM sales WHERE id < 0"))
    assert stage.result is not None
    for sql in [
        f"SELECT * FROM read_parquet('{other}')",
        f"SELECT * FROM read_text('{other}')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        f"SELECT * FROM glob('{tmp_path}/*')",
        f"COPY (SELECT 1) TO '{tmp_path / 'made'}'",
        f"COPY (SELECT 1 AS id) TO '{own}' (FORMAT parquet, USE_TMP_FILE false)",
        f"ATTACH '{tmp_path / 'made.db'}'",
        "SET GLOBAL allowed_paths = ['/etc/passwd']",
        "SET GLOBAL enable_external_access = true",
    ]:
        with pytest.raises((TolvaError, ValueError)):
            rows(replace(stage, result=replace(stage.result, sql=sql)), engine)
    assert not (tmp_path / "made").exists()
    assert Path(own).read_bytes() == before
    assert rows(stage, engine) == []


def test_what_is_spread_is_told_by_the_size_of_its_columns(folder: Path) -> None:
    scan, finish = planned(folder, "SELECT sum(id) FROM sales", in_place_bytes=0).stages
    footers = [parquet.read_metadata(path) for path in folder.glob("*.parquet")]
    groups = [footer.row_group(n) for footer in footers for n in range(footer.num_row_groups)]
    assert scan.estimated_bytes == sum(group.column(0).total_compressed_size for group in groups)
    assert finish.estimated_bytes is None
