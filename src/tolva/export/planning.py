"""The plan of an export: fetch every key, compose what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tolva.errors import DocumentError
from tolva.export.settings import ERRORS, RECORDS, ComposeSettings, FetchSettings
from tolva.formats import InputTable
from tolva.model import NewFile
from tolva.plan import LINE_COLUMN, Column, Format, Input, Output, Plan, Reads, Result, Role, Stage
from tolva.rollup.names import Kind, series_of

KEYS = "keys"
"""The table of keys."""

_ROUNDS_A_TASK = 8
"""So many batches each fetcher has in a task: enough to keep all of them busy, few enough to lose by a kill."""

_LINES = (Column(LINE_COLUMN, "VARCHAR"),)
_SAMPLE_BYTES = 64 * 2**10


def plan_export(
    name: str,
    fetch: FetchSettings,
    column: Column | None,
    *,
    max_part_bytes: int,
    multiplier: float,
    max_failed_keys: int | None,
) -> Plan:
    """Return the plan: the keys are in this column of the table ``KEYS``; None: in the settings.

    Parts of records are made while keys are still fetched; those of errors at the end, when their number is known.
    """
    fetching = Stage(
        name="fetch",
        # Keys without a table are all read by one task.
        role=Role.REDUCE if column is None else Role.SCAN,
        table=None if column is None else KEYS,
        columns=() if column is None else (column.name,),
        outputs=tuple(Output(output, "", _LINES, lines=True, query=name) for output in (RECORDS, ERRORS)),
        kernel="export.fetch",
        settings=fetch.to_json(),
    )
    records = _composing(name, RECORDS, ComposeSettings(name, errors=False, gzip=fetch.gzip))
    errors = _composing(name, ERRORS, ComposeSettings(name, errors=True, gzip=fetch.gzip, max_failed=max_failed_keys))
    return Plan(
        stages=(fetching, errors, records),
        partitions=1,
        queries=tuple(stage.result.query for stage in (records, errors) if stage.result),
        tables={} if column is None else {KEYS: (column,)},
        max_part_bytes=max_part_bytes,
        rejects=tuple(stage.result.query for stage in (errors,) if stage.result),
        multiplier=multiplier,
    )


def _composing(name: str, output: str, settings: ComposeSettings) -> Stage:
    series = series_of(name, Kind(errors=settings.errors, gzip=settings.gzip))
    return Stage(
        name=f"compose {output}",
        role=Role.FINISH,
        inputs=(Input(output, output, Reads.ALL if settings.errors else Reads.RUNS),),
        result=Result(series, Format.NDJSON, _LINES, lines=True),
        kernel="export.compose",
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
    keys = fetch.fetchers * fetch.batch_size * _ROUNDS_A_TASK
    key_bytes = len(sample) / max(1, sample.count(b"\n"))
    return replace(file, layout={**file.layout, "max_chunk_bytes": max(1, int(keys * key_bytes))})
