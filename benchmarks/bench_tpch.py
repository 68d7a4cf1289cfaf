"""TPC-H: tolva and DuckDB answer the 22 queries over the same files, with equal threads, in turn."""

from __future__ import annotations

import math
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import table
from tolva.catalog import Catalog
from tolva.cli.serving import service
from tolva.config import Settings, open_storage
from tolva.errors import TolvaError
from tolva.jobs.documents import parse
from tolva.jobs.service import JobService

QUERIES = {p.stem: p.read_text() for p in sorted((Path(__file__).parents[1] / "tests/planner/tpch").glob("q*.sql"))}
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
WORKERS = 2
_STORED = "stored"
_GIB = 2**30


def in_one_engine(work: Path, form: str, scale: str, rounds: int, names: list[str] | None = None) -> str:
    """Return the table of times inside one running process each: jobs of a running engine, COPY of a connection.

    ``form`` is ``csv`` or ``parquet`` for files, ``stored`` for stored tables, whose objects DuckDB reads too.
    """
    data = data_of(work, "parquet" if form == _STORED else form, scale)
    with _engine(work, data) as (jobs, catalog):
        if form == _STORED:
            _load(jobs)
            sources = _objects(catalog, work)
        else:
            sources = {name: _file_source(data, form, name) for name in TABLES}
        return _compared(jobs, sources, work, data, form, rounds, names or list(QUERIES))


def _compared(
    jobs: JobService, sources: Mapping[str, str], work: Path, data: Path, form: str, rounds: int, names: list[str]
) -> str:
    rows, ratios = [], []
    with _duckdb(sources) as connection:
        for name in names:
            ways = {"tolva": _job(jobs, work, data, form, name), "duckdb": _copy(connection, work, name)}
            seconds = {way: [answer() for _ in range(rounds + 1)][1:] for way, answer in ways.items()}
            ours, theirs = (statistics.median(seconds[way]) for way in ways)
            ratios.append(ours / theirs)
            rows.append([name, f"{ours:.3f}", f"{theirs:.3f}", f"{ours / theirs:.2f}"])
            print(f"  {name}: {ours:.3f} s, DuckDB {theirs:.3f} s, {ours / theirs:.2f}", file=sys.stderr)
            _same(work, name)
    return _with_means(rows, ratios)


def _load(jobs: JobService) -> None:
    """Store the tables, each whole, by a job."""
    queries = {name: f"SELECT * FROM {name}" for name in TABLES}
    document = document_of(queries, "parquet").replace("    format: csv", "    store_as: STORED")
    for name in TABLES:
        document = document.replace("store_as: STORED", f"store_as: {name}", 1)
    _done(jobs, jobs.submit(parse(document, "load"), "local", may_read_files=True).id)


def _objects(catalog: Catalog, work: Path) -> dict[str, str]:
    """Return what DuckDB reads for each stored table: its objects."""
    storage = open_storage(_settings(work))()
    listed = {}
    for name in TABLES:
        found = catalog.table("local", name)
        listed[name] = [str(storage.path(each.key)) for each in catalog.table_objects(found.id, found.version)]
    return {name: f"read_parquet({paths!r})" for name, paths in listed.items()}


def _file_source(data: Path, form: str, name: str) -> str:
    if form == "csv":
        return f"read_csv('{data}/{name}.csv', columns = {_types(data, name)})"
    return f"'{data}/{name}.{form}'"


def as_commands(work: Path, scale: str, rounds: int) -> str:
    """Return the table of times of whole processes, start and end included, that answer all 22 queries."""
    data = data_of(work, "parquet", scale)
    document = work / "tpch.yaml"
    document.write_text(document_of(QUERIES, "parquet"))
    script = f"""
import duckdb
connection = duckdb.connect(config={{"threads": {WORKERS}}})
for table in {TABLES!r}:
    connection.execute(f"CREATE VIEW {{table}} AS FROM '{data}/{{table}}.parquet'")
for name, sql in {QUERIES!r}.items():
    connection.execute(f"COPY ({{sql}}) TO '{work}/{{name}}.csv'")
"""
    tolva = Path(sys.executable).with_name("tolva")
    output = work / "all"
    commands: dict[str, list[Any]] = {
        "tolva run": [tolva, "run", document, "--data", data, "--output", output, "--state", work / "state", "-q"],
        "DuckDB script": [sys.executable, "-c", script],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            shutil.rmtree(output, ignore_errors=True)
            began = time.perf_counter()
            subprocess.run([str(word) for word in command], check=True)
            seconds[name].append(time.perf_counter() - began)
    ours, theirs = (statistics.median(times[1:]) for times in seconds.values())
    return table(
        ["all 22 queries", "wall seconds (median)", "ratio"],
        [["tolva run", f"{ours:.2f}", f"{ours / theirs:.2f}"], ["DuckDB script", f"{theirs:.2f}", ""]],
    )


def data_of(work: Path, form: str, scale: str) -> Path:
    """Return the folder of the tables' files, which are made if need be."""
    folder = work / f"tpch-{scale}-{form}"
    if not folder.exists():
        command = Path(sys.executable).with_name("tpchgen-cli")
        subprocess.run([command, form, "--scale-factor", scale, "--output-dir", folder, "--quiet"], check=True)
    return folder


def _settings(work: Path) -> Settings:
    return Settings(
        state=work / "state",
        workers=WORKERS,
        chunk_bytes=64 * 2**20,
        memory_bytes=4 * _GIB,
        lease_seconds=15.0,
        task_seconds=None,
    )


@contextmanager
def _engine(work: Path, data: Path) -> Iterator[tuple[JobService, Catalog]]:
    shutil.rmtree(work / "state", ignore_errors=True)
    with service(_settings(work), data=data, grace_seconds=0) as both:
        yield both


@contextmanager
def _duckdb(sources: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": WORKERS}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for name, source in sources.items():
            connection.execute(f"CREATE VIEW {name} AS FROM {source}")
        yield connection


def _types(data: Path, name: str) -> dict[str, str]:
    """Return the types of the specification, which the Parquet files have."""
    parquet = data.with_name(data.name.replace("csv", "parquet")) / f"{name}.parquet"
    return {row[0]: row[1] for row in duckdb.execute(f"DESCRIBE FROM '{parquet}'").fetchall()}


def _job(jobs: JobService, work: Path, data: Path, form: str, name: str) -> Callable[[], float]:
    types = {t: _types(data, t) for t in TABLES} if form == "csv" else {}
    document = parse(document_of({name: QUERIES[name]}, form, types), name)
    to = work / "ours" / f"{name}.csv"
    to.parent.mkdir(exist_ok=True)

    def answer() -> float:
        began = time.perf_counter()
        job_id = jobs.submit(document, "local", may_read_files=True).id
        _done(jobs, job_id)
        with to.open("wb") as file:
            for part in jobs.parts(job_id, None):
                file.writelines(jobs.read(part, 0, part.bytes))
        seconds = time.perf_counter() - began
        jobs.delete(job_id, None)
        return seconds

    return answer


def _done(jobs: JobService, job_id: str) -> None:
    """Wait until the job is over."""
    changed = threading.Event()
    with jobs.watching(job_id, lambda _over: changed.set()):
        while not (job := jobs.job(job_id, None)).status.final:
            changed.wait(1)
            changed.clear()
    if job.error:
        raise TolvaError.from_dict(job.error)


def _copy(connection: duckdb.DuckDBPyConnection, work: Path, name: str) -> Callable[[], float]:
    to = work / "theirs" / f"{name}.csv"
    to.parent.mkdir(exist_ok=True)

    def answer() -> float:
        began = time.perf_counter()
        connection.execute(f"COPY ({QUERIES[name]}) TO '{to}'")
        return time.perf_counter() - began

    return answer


def document_of(queries: Mapping[str, str], form: str, types: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Return the job document that asks these queries over tables of this form."""
    lines = ["kind: query", "tables:"]
    for name in TABLES:
        declared = ", ".join(f'{column}: "{type_}"' for column, type_ in (types or {}).get(name, {}).items())
        columns = f", columns: {{{declared}}}" if declared else ""
        source = f"stored: {name}" if form == _STORED else f"files: {name}.{form}{columns}"
        lines.append(f"  {name}: {{{source}}}")
    lines.append("queries:")
    for name, sql in queries.items():
        lines += [f"  {name}:", "    format: csv", "    sql: |", *(f"      {line}" for line in sql.splitlines())]
    return "\n".join(lines) + "\n"


def _same(work: Path, name: str) -> None:
    """Assert that both wrote the same: numbers may differ in the last digit of a double, and ties in their order."""
    ours, theirs = (_cells(path) for path in (work / "ours" / f"{name}.csv", work / "theirs" / f"{name}.csv"))
    assert len(ours) == len(theirs), name
    for one, other in zip(ours, theirs, strict=True):
        assert one == other or math.isclose(float(one), float(other), rel_tol=1e-9), (name, one, other)


def _cells(path: Path) -> list[str]:
    return [cell for line in sorted(path.read_text().splitlines()) for cell in line.split(",")]


def _with_means(rows: list[list[str]], ratios: list[float]) -> str:
    mean = statistics.geometric_mean(ratios)
    rows.append(["geometric mean", "", "", f"**{mean:.2f}**"])
    rows.append(["worst", "", "", f"{max(ratios):.2f}"])
    return table(["query", "tolva, seconds", "DuckDB, seconds", "ratio"], rows)
