"""``tolva sql``: one question over files, the answer on stdout."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options
from tolva.errors import UsageError

if TYPE_CHECKING:
    from tolva.config import Settings
    from tolva.jobs.prepare import Prepared, QueryBrief

Buffer = bytes | memoryview

_QUERY = "answer"
_ONE_PART_BYTES = 2**62


class Show(StrEnum):
    """How the answer is shown."""

    TABLE = "table"
    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"
    PARQUET = "parquet"


_STORED_AS = {
    Show.TABLE: "ndjson",
    Show.CSV: "csv",
    Show.NDJSON: "ndjson",
    Show.JSON: "ndjson",
    Show.PARQUET: "parquet",
}


def sql(
    query: Annotated[str, typer.Argument(help="A SELECT.", metavar="SELECT")],
    table: Annotated[
        list[str] | None,
        typer.Option("--table", "-t", help="A name for files; may be repeated.", metavar="NAME=GLOB"),
    ] = None,
    stored: Annotated[
        list[str] | None, typer.Option("--stored", help="A stored table, by its name; may be repeated.", metavar="NAME")
    ] = None,
    output: Annotated[
        Show | None, typer.Option("--output", "-o", help="Default: table on a terminal, csv otherwise.")
    ] = None,
    quiet: options.Quiet = False,
    state: options.State = None,
    workers: options.Workers = None,
    chunk: options.ChunkSize = options.CHUNK,
    memory: options.Memory = options.MEMORY,
    task_seconds: options.TaskSeconds = None,
) -> None:
    """Answer one question over files and stored tables.

    Example: tolva sql "SELECT store_id, count(*) FROM 'sales/*.csv' GROUP BY ALL" -o csv
    """
    show = output or (Show.TABLE if sys.stdout.isatty() else Show.CSV)
    if show is Show.PARQUET and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal; send it to a file: tolva sql ... -o parquet > FILE.")
    settings = options.settings(state, workers, chunk, memory, task_seconds)
    brief = _brief(query, table or [], stored or [], show)
    if stored:
        brief = _with_stored(settings, brief)
    prepared = brief.prepare()
    if not prepared.tables and show is not Show.PARQUET:
        from tolva.jobs import tableless  # noqa: PLC0415 - only for such questions

        _write(show, tableless.answer(prepared, _QUERY, memory_bytes=settings.memory_bytes), prepared)
    elif prepared.bytes <= settings.chunk_bytes and not stored:
        from tolva.jobs import direct  # noqa: PLC0415 - only for small inputs

        _write(show, direct.answer(prepared, _QUERY, memory_bytes=settings.memory_bytes), prepared)
    else:
        with _answer_by_job(settings, brief, quiet=quiet) as file:
            _write(show, _blocks(file), prepared)


def _with_stored(settings: Settings, brief: QueryBrief) -> QueryBrief:
    from tolva.config import connect  # noqa: PLC0415 - only for stored tables
    from tolva.jobs.run import CLIENT  # noqa: PLC0415 - likewise
    from tolva.jobs.stored import kept_tables  # noqa: PLC0415 - likewise

    backends = connect(settings)
    try:
        return brief.given(kept_tables(backends.catalog, backends.storage, CLIENT, brief.stored_names))
    finally:
        backends.catalog.close()


def _brief(query: str, tables: list[str], stored: list[str], show: Show) -> QueryBrief:
    from tolva.jobs.prepare import QueryBrief, Spec  # noqa: PLC0415 - keeps --help quick
    from tolva.plan import Format  # noqa: PLC0415 - likewise
    from tolva.planner import Query  # noqa: PLC0415 - likewise
    from tolva.planner.file_names import file_names  # noqa: PLC0415 - likewise

    specs: dict[str, Spec] = {}
    for text in tables:
        name, _, pattern = text.partition("=")
        if not name or not pattern:
            raise UsageError(f"--table {text!r}: write NAME=GLOB, such as t='data/*.csv'.")
        if name.casefold() in map(str.casefold, specs):
            raise UsageError(f"--table {name} is given twice; a table has one glob: name another, or widen it.")
        specs[name] = Spec([pattern])
    for name in stored:
        if name.casefold() in map(str.casefold, specs):
            raise UsageError(f"--stored {name}: there is another table of that name; call that one otherwise.")
        specs[name] = Spec([], stored=name)
    named = {name.casefold() for name in specs}
    for name in file_names(query):
        if name.casefold() in named:
            continue
        if name.casefold() in map(str.casefold, specs):
            raise UsageError(f"{name} and another file differ in case only; call one otherwise: --table NAME={name}.")
        specs[name] = Spec([name])
    return QueryBrief(specs, {_QUERY: Query(query, Format(_STORED_AS[show]))}, Path(), _ONE_PART_BYTES)


@contextmanager
def _answer_by_job(settings: Settings, brief: QueryBrief, *, quiet: bool) -> Iterator[Path]:
    from tolva.cli.house import runner  # noqa: PLC0415 - only for large inputs
    from tolva.cli.progress import shown_progress  # noqa: PLC0415 - likewise
    from tolva.jobs.documents import validate  # noqa: PLC0415 - likewise

    query = brief.queries[_QUERY]
    values = {
        "kind": "query",
        "tables": {
            name: {"stored": spec.stored} if spec.stored else {"files": spec.files}
            for name, spec in brief.tables.items()
        },
        "queries": {_QUERY: {"sql": query.sql, "format": query.format}},
        "output": {"max_part_bytes": brief.max_part_bytes},
    }
    folder = Path(tempfile.mkdtemp(prefix="tolva-sql-"))
    try:
        with runner(settings) as job_run, shown_progress(quiet=quiet) as report:
            document = validate(values, "tolva sql")
            finished = job_run.execute(document, brief.base, folder, resume=False, report=report)
        yield folder / finished.manifest["output"][0]["name"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while block := source.read(2**20):
            yield block


def _write(show: Show, blocks: Iterable[Buffer], prepared: Prepared) -> None:
    if show is Show.TABLE:
        from tolva.cli.show import print_records  # noqa: PLC0415 - only for screens

        print_records(_lines(blocks), prepared.plan.result_of(_QUERY).columns)
        return
    sys.stdout.buffer.writelines(_array(blocks) if show is Show.JSON else blocks)
    sys.stdout.buffer.flush()


def _array(blocks: Iterable[Buffer]) -> Iterator[bytes]:
    """Turn lines of JSON into one JSON array."""
    opening = b"[\n"
    for line in _lines(blocks):
        yield opening + line
        opening = b",\n"
    yield b"[]\n" if opening == b"[\n" else b"\n]\n"


def _lines(blocks: Iterable[Buffer]) -> Iterator[bytes]:
    """Yield the lines of NDJSON without their ends; inside a value, a line feed is always escaped."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
