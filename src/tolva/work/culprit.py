"""Which record made a query fail: found by halving the chunk, told by file, line and values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import pyarrow as pa

from tolva import formats
from tolva.errors import ExecutionError, TolvaError
from tolva.formats import Held, Stored
from tolva.model import Chunk, File
from tolva.plan import Plan, Stage
from tolva.work.engine import Engine, Relations

Source: TypeAlias = tuple[File, Chunk, Stored | Held | None]
"""A chunk, its file, and where its bytes are if not in the file itself."""

_SHOWN_VALUES = 6
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan task that failed: what it read (of its table one chunk), and where that is."""

    plan: Plan
    stage: Stage
    relations: Relations
    source: Source


def with_place(error: ExecutionError, scan: Scan, engine: Engine) -> ExecutionError:
    """Return the error with the place and the values of the first record that it comes from.

    Without them if no single record makes the query fail: a sum that overflows has no culprit.
    """
    (rows,) = scan.relations[str(scan.stage.table)]
    outputs = tuple(o for o in scan.stage.outputs if o.query == error.data.get("query"))
    asked = replace(scan, stage=replace(scan.stage, outputs=outputs))
    try:
        number = first_failing(rows, _fails(engine, asked))
        return error if number is None else _placed(error, asked, rows, number)
    except TolvaError:
        # Out of memory, say: what failed first is still what there is to tell.
        return error


def first_failing(rows: pa.Table, fails: Callable[[pa.Table], bool]) -> int | None:
    """Return the number of the first row that fails alone, as far as halves of failing rows fail; None if none does.

    Asks about as many rows as there are, twice over, and no more often than twice for each halving.
    """
    start, end = 0, rows.num_rows
    while end - start > 1:
        middle = (start + end) // 2
        if fails(rows.slice(start, middle - start)):
            end = middle
        elif fails(rows.slice(middle, end - middle)):
            start = middle
        else:
            return None
    return start if end > start and fails(rows.slice(start, 1)) else None


def _fails(engine: Engine, scan: Scan) -> Callable[[pa.Table], bool]:
    def fails(rows: pa.Table) -> bool:
        relations = {**scan.relations, str(scan.stage.table): [rows]}
        try:
            for _ in engine.outputs(scan.stage, scan.plan, relations):
                pass
        except ExecutionError:
            return True
        return False

    return fails


def _placed(error: ExecutionError, scan: Scan, rows: pa.Table, number: int) -> ExecutionError:
    file, chunk, stored = scan.source
    types = {column.name: column.type for column in scan.plan.tables[file.table]}
    found = formats.sort_out(file, chunk, types, scan.stage.columns, stored).places([number])
    (place,) = found.select(["line", "offset"]).to_pylist()
    values = "; ".join(f"{name} is {_shown(rows.column(name)[number])}" for name in _used(scan.stage))
    said = f"{error.message}\nIt comes from the record in line {place['line']} of {file.name}: {values}."
    return ExecutionError(said, **{**error.data, "file": file.name, **place})


def _used(stage: Stage) -> list[str]:
    """Return the first columns that the stage's SQL names."""
    text = " ".join(output.sql for output in stage.outputs)
    return [name for name in stage.columns if re.search(rf"\b{re.escape(name)}\b", text)][:_SHOWN_VALUES]


def _shown(value: pa.Scalar) -> str:
    text = "NULL" if not value.is_valid else repr(value.as_py()) if pa.types.is_string(value.type) else str(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
