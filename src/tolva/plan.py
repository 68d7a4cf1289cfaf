"""The plan of a job: stages, what each reads and what it leaves. Made by the planner, run by workers, kept as JSON.

A **stage** is done by many equal tasks. A ``scan`` task reads one chunk of one table; a ``reduce`` task reads some
hash partitions of what earlier stages left; a ``finish`` stage has one task, which reads everything its inputs left
and writes a query's parts. What a task leaves is a set of **outputs**, each the answer of one SELECT over the task's
own input; one scan stage carries the outputs of every query that reads its table, so a chunk is parsed once.

Stages meet at **barriers**: a stage's tasks start when all its inputs' stages are over. Only a scan without inputs
starts while its table is still growing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

PARTITION_COLUMN = "__partition"
"""The last column of a partitioned output's SELECT: the partition's number, an integer in [0, Plan.partitions)."""

LINE_COLUMN = "__line"
"""The only column of an output of encoded lines: one whole record of the result, its line end included."""

DEFAULT_MAX_PART_BYTES = 200 * 2**20
"""The size cap of a result's parts where nothing else is said."""

DEFAULT_MULTIPLIER = 2.0
"""How many caps of runs must wait for a part to be made before the end, where nothing else is said."""


SQL_KERNEL = "sql"
"""The kernel of stages whose outputs and results are SELECTs."""

IN_PLACE_KERNEL = "sql.in_place"
"""The kernel of a finish stage whose result is a SELECT over whole tables, read by DuckDB where their files lie.

Its settings have, under ``tables``, for each name the ``columns`` (name, type) and the ``files`` (``model.NewFile``),
and under ``sql`` what was asked.
"""


class Role(StrEnum):
    """What kind of work a stage is; each role can have its own workers."""

    SCAN = "scan"
    REDUCE = "reduce"
    FINISH = "finish"


class Format(StrEnum):
    """How a result is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Reads(StrEnum):
    """How much of an earlier output one task reads."""

    PARTITION = "partition"  # only the task's own hash partitions
    EACH = "each"  # one partition: there is a task for each that has rows
    ALL = "all"  # everything (broadcast, gather, finish), in the order of the tasks that wrote it
    RUNS = "runs"  # the runs that the catalog gave to this task: pieces of one part


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and its type, in DuckDB's words."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class RowTest:
    """A simple condition on one column: ``CAST(column AS type) comparison value``.

    ``comparison`` is ``=``, ``<``, ``<=``, ``>``, ``>=``, ``IN``, ``IS NULL`` or ``IS NOT NULL``; the ``values`` are
    constants as SQL text. The cast never turns the order of two values round.
    """

    column: str
    comparison: str
    values: tuple[str, ...]
    type: str


@dataclass(frozen=True, slots=True)
class Output:
    """What every task of a stage leaves under ``name``: the rows of ``sql`` over the task's relations.

    ``columns`` are the rows' names and types (without the partition column), so that a reader of no rows at all still
    has a schema. A partitioned output's SELECT ends with ``PARTITION_COLUMN``. An output of ``lines`` has the one
    column ``LINE_COLUMN``. ``query`` is the first query that asked for it. ``notes`` say for people what was decided
    and why (pushed filters, exchange keys, broadcast).

    ``tests`` are a hint: no row of the stage's table that fails one of them has any part in the output.
    """

    name: str
    sql: str
    columns: tuple[Column, ...]
    partitioned: bool = False
    lines: bool = False
    query: str = ""
    notes: tuple[str, ...] = ()
    tests: tuple[RowTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """An earlier stage's output, seen by this stage's SQL as the relation ``relation``."""

    relation: str
    output: str
    reads: Reads


@dataclass(frozen=True, slots=True)
class Result:
    """The query whose parts a finish stage writes, in order.

    With ``sql`` the rows are its answer over the stage's inputs; without, the stage passes its inputs on as they are,
    one after the other. With ``lines`` they are lines (``LINE_COLUMN``), otherwise rows of ``columns``.
    """

    query: str
    format: Format
    columns: tuple[Column, ...]
    sql: str | None = None
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a plan. The ``notes`` of a finish stage say for people what its task does, and why (gather).

    ``kernel`` names what does the stage's tasks: ``sql``, or another that reads ``settings`` (JSON values).
    ``estimated_bytes`` is about what its tasks read in all, where that could be told before.
    """

    name: str
    role: Role
    table: str | None = None
    columns: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    result: Result | None = None
    notes: tuple[str, ...] = ()
    kernel: str = SQL_KERNEL
    settings: dict[str, Any] = field(default_factory=dict)
    estimated_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in an order in which every stage comes after those it reads from; ``tables`` are all columns of each.

    No part of a result is larger than ``max_part_bytes``, unless a single record is. The records of the queries
    ``rejects`` are what could not be used; there are none when all went well. Parts are made of runs while more runs
    come only as long as more than ``multiplier * max_part_bytes`` of them wait.
    """

    stages: tuple[Stage, ...]
    partitions: int
    queries: tuple[str, ...] = ()
    tables: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    max_part_bytes: int = DEFAULT_MAX_PART_BYTES
    rejects: tuple[str, ...] = ()
    multiplier: float = DEFAULT_MULTIPLIER

    def stage(self, name: str) -> Stage:
        """Return the stage of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def writer_of(self, output: str) -> Stage:
        """Return the stage that leaves ``output``; KeyError when none does."""
        for stage in self.stages:
            if any(out.name == output for out in stage.outputs):
                return stage
        raise KeyError(output)

    def output(self, name: str) -> Output:
        """Return the output of that name; KeyError when there is none."""
        return next(out for out in self.writer_of(name).outputs if out.name == name)

    def result_of(self, query: str) -> Result:
        """Return what the query's finish stage writes; KeyError when there is no such query."""
        for stage in self.stages:
            if stage.result is not None and stage.result.query == query:
                return stage.result
        raise KeyError(query)

    def needs(self, stage: Stage) -> frozenset[str]:
        """Return the names of the stages that ``stage`` reads from."""
        return frozenset(self.writer_of(i.output).name for i in stage.inputs)

    def scans_below(self, stage: Stage) -> frozenset[str]:
        """Return the names of the scan stages whose records, directly or not, reach ``stage`` (itself included)."""
        own = {stage.name} if stage.table is not None else set()
        return frozenset(own).union(*(self.scans_below(self.stage(name)) for name in self.needs(stage)))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> Plan:
        """Rebuild a plan written by ``to_json``."""
        return Plan(
            stages=tuple(_stage(s) for s in value["stages"]),
            partitions=value["partitions"],
            queries=tuple(value["queries"]),
            tables={name: _columns(columns) for name, columns in value["tables"].items()},
            max_part_bytes=value["max_part_bytes"],
            rejects=tuple(value["rejects"]),
            multiplier=value["multiplier"],
        )


def coalesce(partition_bytes: list[int], target_bytes: int) -> list[list[int]]:
    """Group neighbouring partitions into the tasks of a reduce stage, by what they really hold.

    Each group holds at most ``target_bytes``, unless one partition alone is larger. Every partition is in exactly one
    group, and there is always a group, so that a stage with no input rows still has a task (count(*) of nothing is 0).
    """
    groups: list[list[int]] = [[]]
    held = 0
    for partition, size in enumerate(partition_bytes):
        if groups[-1] and held + size > target_bytes:
            groups.append([])
            held = 0
        groups[-1].append(partition)
        held += size
    return groups


def _columns(value: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(**c) for c in value)


def _stage(value: dict[str, Any]) -> Stage:
    result = value["result"]
    return Stage(
        name=value["name"],
        role=Role(value["role"]),
        table=value["table"],
        columns=tuple(value["columns"]),
        inputs=tuple(Input(i["relation"], i["output"], Reads(i["reads"])) for i in value["inputs"]),
        outputs=tuple(_output(o) for o in value["outputs"]),
        result=result and _result(result),
        notes=tuple(value["notes"]),
        kernel=value["kernel"],
        settings=value["settings"],
        estimated_bytes=value.get("estimated_bytes"),
    )


def _output(value: dict[str, Any]) -> Output:
    tests = tuple(RowTest(**{**test, "values": tuple(test["values"])}) for test in value["tests"])
    return Output(**{**value, "columns": _columns(value["columns"]), "notes": tuple(value["notes"]), "tests": tests})


def _result(value: dict[str, Any]) -> Result:
    return Result(**{**value, "format": Format(value["format"]), "columns": _columns(value["columns"])})
