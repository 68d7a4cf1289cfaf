"""The plan of an ingestion. The package's page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tolva.ingest import outputs
from tolva.ingest.expressions import checked
from tolva.ingest.rules import Limits, Rules
from tolva.ingest.statements import statements
from tolva.model import LoadMode
from tolva.plan import DEFAULT_MAX_PART_BYTES, PARTITION_COLUMN, Column, Input, Output, Plan, Reads, Role, Stage
from tolva.planner.quoting import quoted

_LOAD = "load"
_OLD_KEYS = "old_keys"
_SETTLE = "settle"

_PARTITION_BYTES = 64 * 2**20
_PARTITIONS_MAX = 128


@dataclass(frozen=True, slots=True)
class Reporting:
    """Which reports are written (``ndjson``, ``csv``), and how many reasons at most."""

    formats: tuple[str, ...]
    max_reasons: int | None


@dataclass(frozen=True, slots=True)
class Request:
    """An ingestion to be planned. ``suffix`` is the ending of the file of rejects, ``header`` its first line."""

    table: str
    mode: LoadMode
    rules: Rules
    fields: tuple[str, ...]
    limits: Limits
    reporting: Reporting
    atomic: bool
    suffix: str
    header: str
    document: Mapping[str, Any]


def old_table(table: str) -> str:
    """Return the name, in the job, of the table of objects that the stored one has: an upsert looks for keys there."""
    return f"{table}__stored"


def plan(
    asked: Request,
    old_columns: Sequence[Column],
    input_bytes: int,
    *,
    max_part_bytes: int = DEFAULT_MAX_PART_BYTES,
) -> Plan:
    """Return the plan; DocumentError if an expression can't be.

    Args:
        asked: what is to be done.
        old_columns: the columns of the stored table, where an upsert must look into it; else none.
        input_bytes: the size of the files.
        max_part_bytes: the size cap of reports.
    """
    partitions = min(_PARTITIONS_MAX, 1 + input_bytes // _PARTITION_BYTES)
    upsert = bool(old_columns)
    sets = asked.rules.unique_sets
    load = _load(asked, partitions)
    stages = [load]
    if upsert:
        stages.append(_old_keys(asked, old_columns, partitions))
    if sets:
        stages += [_unique(asked, upsert=upsert), _again(load)]
    stages.append(_settle(asked, load, again=bool(sets), upsert=upsert))
    tables = {asked.table: tuple(Column(name, "VARCHAR") for name in asked.fields)}
    if upsert:
        tables[old_table(asked.table)] = tuple(old_columns)
    return Plan(tuple(stages), partitions, ("report", "rejects"), tables, max_part_bytes, rejects=("rejects",))


def _load(asked: Request, partitions: int) -> Stage:
    made = statements(asked.rules, asked.fields, checked(asked.rules, asked.fields))
    settings = {
        "statements": asdict(made),
        "columns": [[column.name, column.type] for column in asked.rules.columns],
        "unique": [list(names) for names in asked.rules.unique_sets],
        "report_in_parts": asked.reporting == Reporting((outputs.REPORT_KIND.form,), None),
        "suffix": asked.suffix,
        "header": asked.header,
    }
    left = [
        Output(outputs.INFO, "", outputs.CHUNK_INFO),
        Output(outputs.REPORT, "", outputs.LINES, lines=True),
        Output(outputs.REJECTS, "", outputs.LINES, lines=True),
    ]
    for n, names in enumerate(asked.rules.unique_sets):
        left.append(_keys(f"{outputs.KEYS}_{n}", asked.table, names, asked.rules, outputs.WHERE, partitions))
    return Stage(
        _LOAD, Role.SCAN, asked.table, asked.fields, outputs=tuple(left), kernel=f"ingest.{_LOAD}", settings=settings
    )


def _keys(
    name: str, relation: str, names: Sequence[str], rules: Rules, where: Sequence[Column], partitions: int
) -> Output:
    """Return the output of the values of columns that must be unique, where none is NULL, by hash partition."""
    types = {column.name: column.type for column in rules.columns}
    keys = ", ".join(map(quoted, names))
    listed = ", ".join(f"{quoted(key)} AS k{n}" for n, key in enumerate(names))
    there = " AND ".join(f"{quoted(key)} IS NOT NULL" for key in names)
    places = ", ".join(column.name for column in where)
    sql = (
        f"SELECT {listed}, {places}, CAST(hash({keys}) % {partitions} AS USMALLINT) AS {PARTITION_COLUMN} "
        f"FROM {quoted(relation)} WHERE {there}"
    )
    columns = (*(Column(f"k{n}", types[key]) for n, key in enumerate(names)), *where)
    return Output(name, sql, columns, partitioned=True)


def _old_keys(asked: Request, columns: Sequence[Column], partitions: int) -> Stage:
    table = old_table(asked.table)
    names = {column.name.casefold(): column.name for column in columns}
    wanted = tuple(names[key.casefold()] for key in asked.rules.key if key.casefold() in names)
    left = [Output(outputs.OLD_INFO, "", outputs.OBJECT_INFO)]
    if len(wanted) == len(asked.rules.key):
        left.append(_keys(outputs.OLD_KEYS, table, asked.rules.key, asked.rules, outputs.OLD_WHERE, partitions))
    return Stage(_OLD_KEYS, Role.SCAN, table, wanted, outputs=tuple(left), kernel=f"ingest.{_OLD_KEYS}")


def _unique(asked: Request, *, upsert: bool) -> Stage:
    """Return the stage that finds records that are not the first of their key, in the order of files and offsets."""
    sets = asked.rules.unique_sets
    inputs = [Input(f"{outputs.KEYS}_{n}", f"{outputs.KEYS}_{n}", Reads.PARTITION) for n in range(len(sets))]
    where = ", ".join(column.name for column in outputs.WHERE)
    losers = " UNION ALL ".join(
        f"SELECT {where}, {n} AS __set FROM (SELECT {where}, row_number() OVER ({_window(names, where)}) AS n "
        f"FROM {outputs.KEYS}_{n}) WHERE n > 1"
        for n, names in enumerate(sets)
    )
    left = [Output(outputs.LOSERS, losers, (*outputs.WHERE, Column("__set", "INTEGER")))]
    if upsert:
        n = sets.index(asked.rules.key)
        keys = ", ".join(f"k{i}" for i in range(len(asked.rules.key)))
        old = ", ".join(column.name for column in outputs.OLD_WHERE)
        first = f"SELECT * FROM {outputs.KEYS}_{n} QUALIFY row_number() OVER ({_window(asked.rules.key, where)}) = 1"
        replaced = f"SELECT {old}, {where} FROM {outputs.OLD_KEYS} JOIN ({first}) USING ({keys})"
        inputs.append(Input(outputs.OLD_KEYS, outputs.OLD_KEYS, Reads.PARTITION))
        left.append(Output(outputs.REPLACED, replaced, (*outputs.OLD_WHERE, *outputs.WHERE)))
    return Stage("unique", Role.REDUCE, inputs=tuple(inputs), outputs=tuple(left))


def _window(names: Sequence[str], where: str) -> str:
    return f"PARTITION BY {', '.join(f'k{n}' for n in range(len(names)))} ORDER BY {where}"


def _again(load: Stage) -> Stage:
    left = tuple(
        Output(f"{outputs.AGAIN}{out.name}", "", out.columns, lines=out.lines)
        for out in load.outputs
        if not out.name.startswith(outputs.KEYS)
    )
    losers = Input(outputs.LOSERS, outputs.LOSERS, Reads.ALL)
    return Stage(
        "again",
        Role.SCAN,
        load.table,
        load.columns,
        inputs=(losers,),
        outputs=left,
        kernel=f"ingest.{_LOAD}",
        settings=load.settings,
    )


def _settle(asked: Request, load: Stage, *, again: bool, upsert: bool) -> Stage:
    names = [out.name for out in load.outputs if not out.name.startswith(outputs.KEYS)]
    names += [f"{outputs.AGAIN}{name}" for name in names] if again else []
    names += [outputs.LOSERS, outputs.REPLACED, outputs.OLD_INFO] if upsert else []
    settings = {
        "table": asked.table,
        "mode": asked.mode,
        "limits": asdict(asked.limits),
        "reports": list(asked.reporting.formats),
        "max_reasons": asked.reporting.max_reasons,
        "atomic": asked.atomic,
        "suffix": asked.suffix,
        "header": asked.header,
        "document": dict(asked.document),
    }
    inputs = tuple(Input(name, name, Reads.ALL) for name in names)
    return Stage(_SETTLE, Role.FINISH, inputs=inputs, kernel=f"ingest.{_SETTLE}", settings=settings)
