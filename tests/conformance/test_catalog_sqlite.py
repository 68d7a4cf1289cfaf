"""What only the SQLite catalog promises: quick opening, migrations, indexed queries, clear errors."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from catalog_kit import FILTER, GROUP, LEASE_SECONDS, FakeClock, Work, broken, new_job, submit
from small_disk import fill, small_disk
from sqlalchemy import NullPool, create_engine, event

from tolva.catalogs import migrate
from tolva.catalogs.sqlite import SqliteCatalog
from tolva.errors import CatalogError
from tolva.model import Origin
from tolva.plan import Plan

__all__ = ["small_disk"]


FIRST_TABLES = ("job", "file", "chunk", "stage", "task", "attempt", "partial", "segment", "part")
FIRST_ROWS = (
    """INSERT INTO job (id, client, kind, status, document, digest, labels, input_ended, created_at, last_updated)
       VALUES ('j1', 'me', 'query', 'completed', '{}', 'd', '{}', 1, 1, 1)""",
    """INSERT INTO file (id, job_id, table_name, name, location, bytes, fingerprint, layout, first_byte,
                         cut_bytes, ended)
       VALUES (1, 'j1', 't', 't.csv', '/t.csv', 9, 'f', '{}', 0, 9, 1)""",
    "INSERT INTO chunk (id, job_id, file_id, byte_offset, byte_length, traits) VALUES (1, 'j1', 1, 0, 9, '{}')",
    """INSERT INTO stage (id, job_id, ordinal, name, role, inputs, partitions, state, created, done, last_chunk_id,
                          records_read, bytes_read)
       VALUES (1, 'j1', 1, 'scan_t', 'scan', '[]', 1, 'over', 1, 1, 1, 1, 9)""",
    """INSERT INTO task (id, job_id, stage_id, ordinal, role, state, attempt, failures, bytes, chunk_id)
       VALUES (1, 'j1', 1, 1, 'scan', 'done', 1, 0, 9, 1)""",
    "INSERT INTO attempt (task_id, attempt, worker, started_at, outcome) VALUES (1, 1, 'w', 1, 'done')",
    "INSERT INTO partial (task_id, key, bytes, sha256) VALUES (1, 'k', 9, 's')",
    """INSERT INTO segment (stage_id, output, partition, task_id, byte_offset, byte_length, records)
       VALUES (1, 'a', 0, 1, 0, 9, 1)""",
    *(
        f"""INSERT INTO part (job_id, query, ordinal, task_id, name, format, key, records, bytes, sha256)
            VALUES ('j1', '{query}', {ordinal}, 1, '{query}_{ordinal:04}.csv', 'csv', 'k', 1, 9, 's')"""
        for query, ordinal in (("a", 1), ("a", 2), ("b", 1))
    ),
)


def schema(path: Path) -> list[Any]:
    """Return every table and index with its columns and constraints in no order: a migration adds at the end."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [(*row[:3], described(row[3] or "")) for row in rows]


def described(sql: str) -> list[str]:
    head, _, rest = " ".join(sql.replace('"', "").split()).partition("(")
    columns, _, tail = rest.rpartition(")")
    return [head.strip(), tail.strip(), *sorted(column.strip() for column in columns.split(","))]


def test_migrations_lead_to_the_same_schema_as_a_new_catalog_has(tmp_path: Path) -> None:
    (tmp_path / "migrated.db").touch()
    SqliteCatalog(tmp_path / "migrated.db").close()
    SqliteCatalog(tmp_path / "new.db").close()

    assert schema(tmp_path / "migrated.db") == schema(tmp_path / "new.db")
    assert len(schema(tmp_path / "new.db")) > 9


def first_catalog(path: Path) -> None:
    """Make a catalog of the first revision with a job that has one row in every table."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_ROWS:
            connection.exec_driver_sql(statement)


def test_an_older_catalog_is_brought_up_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    first_catalog(path)
    assert rows(path)["job"] == 1

    catalog = SqliteCatalog(path)
    job = catalog.job("j1")
    parts = catalog.parts("j1")
    catalog.close()

    SqliteCatalog(tmp_path / "new.db").close()
    assert schema(path) == schema(tmp_path / "new.db")
    assert {name: rows(path)[name] for name in FIRST_TABLES} == dict.fromkeys(FIRST_TABLES, 1) | {"part": 3}
    assert job.origin is Origin.RUN
    assert [part.name for part in parts] == ["a_0001.csv", "a_0002.csv", "b_0001.csv"]


def rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in FIRST_TABLES}


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)

    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == migrate.REVISIONS


def test_a_catalog_of_a_newer_tolva_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    SqliteCatalog(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(CatalogError, match=r"newer tolva: its revision is 9999.*Install the newer tolva"):
        SqliteCatalog(path)


def test_opening_imports_nothing_it_doesn_t_need(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from tolva.catalogs.sqlite import SqliteCatalog\n"
        "for _ in range(2): SqliteCatalog(pathlib.Path(sys.argv[1])).close()\n"
        "unwanted = ('alembic', 'sqlalchemy.dialects.postgresql', 'duckdb', 'pyarrow', 'numpy', 'pydantic')\n"
        "assert not [m for m in unwanted if m in sys.modules]\n"
    )

    subprocess.run([sys.executable, "-c", code, tmp_path / "catalog.db"], check=True)


def test_nothing_but_the_catalog_is_left_of_making_it(tmp_path: Path) -> None:
    SqliteCatalog(tmp_path / "state" / "catalog.db").close()

    assert [path.name for path in (tmp_path / "state").iterdir()] == ["catalog.db"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"It is no database, whatever its name says. " * 50, "no SQLite database"), (None, "can't be opened")],
)
def test_a_file_that_is_no_catalog_is_refused_clearly(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(content) if content else path.mkdir()

    with pytest.raises(CatalogError, match=message) as caught:
        SqliteCatalog(path)
    assert str(path) in caught.value.message


def test_a_folder_that_can_t_be_made_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CatalogError, match="a file where its folder should be"):
        SqliteCatalog(tmp_path / "file" / "catalog.db")


def test_a_full_disk_loses_nothing_and_work_goes_on_once_there_is_space(small_disk: Path) -> None:
    catalog = SqliteCatalog(small_disk / "catalog.db")
    catalog.create_job(new_job("before"))
    filler = fill(small_disk)

    with pytest.raises(CatalogError, match=r"disk is full\. Free space"):
        submit(catalog, FILTER, {("big", "1.csv"): 10_000})
    assert "before" in {job.id for job in catalog.jobs()}
    filler.unlink()

    submit(catalog, FILTER, {("big", "1.csv"): 10})
    assert len(catalog.tasks("job")) == 10
    catalog.close()


# -- plans of statements ----------------------------------------------------------------------------------------------

_BIG_TABLES = re.compile(r"SCAN (task|attempt|partial|segment|chunk|part|file)\b(?! USING)")


@pytest.fixture
def statements(tmp_path: Path, clock: FakeClock) -> Iterator[tuple[SqliteCatalog, list[tuple[str, Any]]]]:
    """Return a catalog, and the list of the statements it has run."""
    catalog = SqliteCatalog(tmp_path / "catalog.db", clock=clock)
    ran: list[tuple[str, Any]] = []

    @event.listens_for(catalog._engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        ran.append((statement, parameters[0] if many else parameters))

    yield catalog, ran
    catalog.close()


def test_no_statement_of_the_protocol_reads_a_whole_table(
    statements: tuple[SqliteCatalog, list[tuple[str, Any]]],
    clock: FakeClock,
    tmp_path: Path,
    work_on: Callable[[Plan], Work],
) -> None:
    catalog, ran = statements
    work = work_on(GROUP)
    submit(catalog, FILTER, {("big", "1.csv"): 2}, "other")
    submit(catalog, GROUP, {("big", "1.csv"): 3, ("small", "1.csv"): 1})
    catalog.admit()
    first, *others = catalog.claim([task.id for task in catalog.tasks("job")], "w", LEASE_SECONDS)
    catalog.commit([broken(first), work.do(others[0])])
    catalog.renew([(others[1].task_id, 1)], LEASE_SECONDS)
    catalog.release([(others[1].task_id, 1)])
    clock.now += 2 * LEASE_SECONDS
    while hints := catalog.ready(job_id="job"):
        catalog.commit([work.do(claim) for claim in catalog.claim([h.task_id for h in hints], "w", LEASE_SECONDS)])
    catalog.claim([hint.task_id for hint in catalog.ready()], "w", LEASE_SECONDS)
    clock.now += 2 * LEASE_SECONDS
    catalog.expire_leases()
    catalog.recheck_barriers()
    catalog.next_due_seconds()
    for ask in (catalog.progress, catalog.tasks, catalog.attempts, catalog.parts, catalog.keys, catalog.files):
        ask("job")
    catalog.cancel("other")
    catalog.delete_job("other")

    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        for statement, parameters in dict(ran).items():
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT INTO task")):
                steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                assert not [step for step in steps if _BIG_TABLES.search(step)], (statement, steps)
