"""Find a job's files, learn their columns, and plan its work: all that must be known before it is recorded.

For whole jobs this is done in a child process, as every task is: parsing strangers' SQL can take any amount of memory.
It also lets the child, which has DuckDB loaded, work while its parent still loads what the catalog needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tolva.plan import DEFAULT_MAX_PART_BYTES, Plan
from tolva.planner import Query, TableInfo, plan

if TYPE_CHECKING:
    from tolva.formats import InputTable
    from tolva.work.children import Call


@dataclass(frozen=True, slots=True)
class Spec:
    """What was said of a table; None or nothing: to be found out from its files. See ``formats.TableSpec``."""

    files: list[str]
    columns: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job whose files were found and whose work was planned; nothing is recorded yet."""

    tables: tuple[InputTable, ...]
    plan: Plan

    @property
    def bytes(self) -> int:
        """The size of all input files."""
        return sum(file.bytes for table in self.tables for file in table.files)


class Brief(ABC):
    """What of a job document preparing needs. Can be pickled, for the child that prepares."""

    @abstractmethod
    def prepare(self) -> Prepared:
        """Find the files, learn their columns and plan the work.

        Raises InputError for files, QueryError for SQL, DocumentError for declared columns that can't be.
        """


@dataclass(frozen=True, slots=True)
class QueryBrief(Brief):
    """The brief of a query job; the tables' files are relative to ``base``."""

    tables: dict[str, Spec]
    queries: dict[str, Query]
    base: Path
    max_part_bytes: int = DEFAULT_MAX_PART_BYTES

    def prepare(self) -> Prepared:
        """See ``Brief.prepare``."""
        tables = self._resolved() if self.tables else ()
        infos = {table.name: TableInfo(table.columns, sum(file.bytes for file in table.files)) for table in tables}
        made = replace(
            plan(self.queries, infos),
            tables={table.name: table.columns for table in tables},
            max_part_bytes=self.max_part_bytes,
        )
        return Prepared(tables, made)

    def _resolved(self) -> tuple[InputTable, ...]:
        from tolva.formats import resolve  # noqa: PLC0415 - a question without tables is quick without it

        return tuple(resolve(name, spec, self.base) for name, spec in self.tables.items())


@dataclass(frozen=True, slots=True)
class PrepareOrRun:
    """What a child of a job service does: answer a ``Brief``; leave everything else to the setup for tasks."""

    tasks: Callable[[], Call]

    def __call__(self) -> Call:
        """Get ready for both, in the child."""
        run = self.tasks()

        def answer(request: Any) -> tuple[Any, bool]:
            return (request.prepare(), True) if isinstance(request, Brief) else run(request)

        return answer
