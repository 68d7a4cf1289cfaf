"""The plan of an export: fetch every key, compose what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tolva.errors import DocumentError
from tolva.export.settings import CHOSEN, ERRORS, RECORDS, CheckSettings, ComposeSettings, FetchSettings
from tolva.formats import InputTable
from tolva.model import NewFile
from tolva.plan import LINE_COLUMN, PARTITION_COLUMN, Column, Format, Input, Output, Plan, Reads, Result, Role, Stage
from tolva.planner.quoting import quoted
from tolva.rollup.names import Kind, series_of

KEYS = "keys"
"""The table of keys."""

_ROUNDS_A_TASK = 16
"""So many batches each fetcher has in a task: enough to keep all of them busy, few enough to lose by a kill."""

_LINES = (Column(LINE_COLUMN, "VARCHAR"),)
_SAMPLE_BYTES = 64 * 2**10
_KEY_TYPES = frozenset(
    "VARCHAR TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT".split()  # noqa: SIM905 - readable
)
"""What has one text only."""


def plan_export(
    name: str,
    fetch: FetchSettings,
    keys: Column | Plan | None,
    *,
    max_part_bytes: int,
    multiplier: float,
    max_failed_keys: int | None,
) -> Plan:
    """Return the plan.

    The keys are in a column of the table ``KEYS``, are the answer of a query (its plan), or are in the settings (None).
    Parts are made while keys are still fetched. How many keys failed is known, and checked, when all were.
    """
    column = keys if isinstance(keys, Column) else None
    chosen = _choosing(keys, fetch) if isinstance(keys, Plan) else Plan((), partitions=1)
    fetching = Stage(
        name="fetch",
        # Listed keys are all read by one task.
        role=Role.REDUCE if column is None else Role.SCAN,
        table=None if column is None else KEYS,
        columns=() if column is None else (column.name,),
        inputs=(Input(CHOSEN, CHOSEN, Reads.EACH),) if chosen.stages else (),
        outputs=tuple(Output(output, "", _LINES, lines=True, query=name) for output in (RECORDS, ERRORS)),
        kernel="export.fetch",
        settings=fetch.to_json(),
    )
    records = _composing(name, RECORDS, ComposeSettings(name, errors=False, gzip=fetch.gzip))
    errors = _composing(name, ERRORS, ComposeSettings(name, errors=True, gzip=fetch.gzip))
    checks = () if max_failed_keys is None else (_checking(CheckSettings(max_failed_keys)),)
    return Plan(
        stages=(*chosen.stages, fetching, *checks, errors, records),
        partitions=chosen.partitions,
        queries=tuple(stage.result.query for stage in (records, errors) if stage.result),
        tables=chosen.tables if column is None else {KEYS: (column,)},
        max_part_bytes=max_part_bytes,
        rejects=tuple(stage.result.query for stage in (errors,) if stage.result),
        multiplier=multiplier,
    )


def _choosing(plan: Plan, fetch: FetchSettings) -> Plan:
    """Return the plan of a query with its answer left for fetching, instead of written as parts.

    Raises:
        DocumentError: the answer isn't one column of text or whole numbers.
    """
    *before, last = plan.stages
    columns = last.result.columns if last.result else ()
    if len(columns) != 1:
        raise DocumentError(f"keys: the query gives {len(columns)} columns; select the keys alone.")
    if columns[0].type not in _KEY_TYPES:
        raise DocumentError(
            f"keys: the query gives {columns[0].type}, and keys are text or whole numbers; cast them in the query: "
            "CAST(... AS VARCHAR)."
        )
    answer = last.result.sql if last.result and last.result.sql else _all_of(last.inputs)
    pieces = (
        f"SELECT CAST(key AS VARCHAR) AS {CHOSEN}, (row_number() OVER () - 1) // {_keys_a_task(fetch)} "
        f"AS {PARTITION_COLUMN} FROM ({answer}) AS answer(key)"
    )
    chosen = Output(CHOSEN, pieces, (Column(CHOSEN, "VARCHAR"),), partitioned=True, query=KEYS)
    return replace(plan, stages=(*before, replace(last, result=None, outputs=(chosen,))))


def _all_of(inputs: Sequence[Input]) -> str:
    return " UNION ALL ".join(f"SELECT * FROM {quoted(given.relation)}" for given in inputs)


def _keys_a_task(fetch: FetchSettings) -> int:
    return fetch.fetchers * fetch.batch_size * _ROUNDS_A_TASK


def _composing(name: str, output: str, settings: ComposeSettings) -> Stage:
    series = series_of(name, Kind(errors=settings.errors, gzip=settings.gzip))
    return Stage(
        name=f"compose {output}",
        role=Role.FINISH,
        inputs=(Input(output, output, Reads.RUNS),),
        result=Result(series, Format.NDJSON, _LINES, lines=True),
        kernel="export.compose",
        settings=settings.to_json(),
    )


def _checking(settings: CheckSettings) -> Stage:
    return Stage(
        name="check",
        role=Role.FINISH,
        inputs=(Input(ERRORS, ERRORS, Reads.ALL),),
        kernel="export.check",
        settings=settings.to_json(),
    )


def key_column(table: InputTable, name: str | None) -> Column:
    """Return the table's column of keys: the one of this name, else the only one; its values are taken as text.

    Raises:
        DocumentError: there is no such column, or no name and several columns.
    """
    names = [column.name for column in table.columns]
    if name is None and len(names) == 1:
        return Column(names[0], "VARCHAR")
    if name is None:
        raise DocumentError(f"keys: the files have the columns {', '.join(names)}: say which holds the keys (column).")
    for found in names:
        if found.casefold() == name.casefold():
            return Column(found, "VARCHAR")
    raise DocumentError(f"keys: there is no column {name!r}; there are {', '.join(names)}.")


def in_small_chunks(file: NewFile, fetch: FetchSettings) -> NewFile:
    """Return the file with the size of chunk that gives a task so many keys as are good for it.

    A file that isn't here (stored, or to be uploaded) is left as it is.
    """
    path = Path(file.location)
    if not path.is_file():
        return file
    with path.open("rb") as source:
        source.seek(file.first_byte)
        sample = source.read(_SAMPLE_BYTES)
    key_bytes = len(sample) / max(1, sample.count(b"\n"))
    return replace(file, layout={**file.layout, "max_chunk_bytes": max(1, int(_keys_a_task(fetch) * key_bytes))})
