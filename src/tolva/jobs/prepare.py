"""Find a job's files, learn their columns, and plan its work: all that must be known before it is recorded.

For whole jobs this is done in a child process, as every task is: parsing strangers' SQL can take any amount of memory.
It also lets the child, which has DuckDB loaded, work while its parent still loads what the catalog needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tolva.errors import NotFoundError
from tolva.plan import DEFAULT_MAX_PART_BYTES, Plan
from tolva.planner import IN_PLACE_BYTES, Query, TableInfo, plan

if TYPE_CHECKING:  # loading these takes a fifth of a small question's time
    from tolva.formats import InputTable
    from tolva.model import NewLoad, StoredTable, TableObject
    from tolva.work.children import Call


@dataclass(frozen=True, slots=True)
class Spec:
    """What was said of a table; None or nothing: to be found out from its files. See ``formats.TableSpec``."""

    files: list[str]
    columns: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    compression: str | None = None
    encoding: str | None = None
    skip: int = 0
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    comment: str | None = None
    header: bool | None = None
    positions: dict[str, str] = field(default_factory=dict)
    unit: str = "characters"
    stored: str | None = None


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A version of a stored table, with its objects; ``on_disk``: they are files of this machine."""

    table: StoredTable
    objects: tuple[TableObject, ...]
    on_disk: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job whose files were found and whose work was planned; nothing is recorded yet.

    ``uses`` are the stored tables it reads, in these versions; ``loads`` what it will do to stored tables.
    """

    tables: tuple[InputTable, ...]
    plan: Plan
    uses: tuple[StoredTable, ...] = ()
    loads: tuple[NewLoad, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all input, guessed where files are compressed."""
        return sum(table.text_bytes for table in self.tables)


NO_TABLES: Mapping[str, InputTable] = MappingProxyType({})


class Brief(ABC):
    """What of a job document preparing needs. Can be pickled, for the child that prepares.

    A child has no catalog: stored tables that the job reads or changes are looked up before (``stored.look_up``).
    """

    @property
    def stored_names(self) -> frozenset[str]:
        """The names of the stored tables that preparing must know, as far as they are there."""
        return frozenset()

    def given(self, kept: Mapping[str, KeptTable]) -> Brief:  # noqa: ARG002 - for those that name some
        """Return the brief with what was found of ``stored_names``."""
        return self

    @abstractmethod
    def prepare(self, uploaded: Mapping[str, InputTable] = NO_TABLES) -> Prepared:
        """Find the files, learn their columns and plan the work.

        Nothing is looked for of tables in ``uploaded``: their columns are as given, and those of their files that are
        there already (with the bytes that were declared) are in the catalog. Raises InputError for files, QueryError
        for SQL, DocumentError for declared columns that can't be.
        """


@dataclass(frozen=True, slots=True)
class QueryBrief(Brief):
    """The brief of a query job; the tables' files are relative to ``base``."""

    tables: dict[str, Spec]
    queries: dict[str, Query]
    base: Path
    max_part_bytes: int = DEFAULT_MAX_PART_BYTES
    store_as: Mapping[str, NewLoad] = field(default_factory=dict)
    kept: Mapping[str, KeptTable] = field(default_factory=dict)
    in_place_bytes: int = IN_PLACE_BYTES

    @property
    def stored_names(self) -> frozenset[str]:
        """See ``Brief.stored_names``."""
        return frozenset(spec.stored for spec in self.tables.values() if spec.stored is not None)

    def given(self, kept: Mapping[str, KeptTable]) -> QueryBrief:
        """See ``Brief.given``."""
        return replace(self, kept=kept)

    def prepare(self, uploaded: Mapping[str, InputTable] = NO_TABLES) -> Prepared:
        """See ``Brief.prepare``."""
        tables = self._resolved(uploaded) if self.tables else ()
        infos = _infos(tables) if tables else {}
        made = replace(
            plan(self.queries, infos, in_place_bytes=self.in_place_bytes),
            tables={table.name: table.columns for table in tables},
            max_part_bytes=self.max_part_bytes,
        )
        loads: tuple[NewLoad, ...] = ()
        if self.store_as:
            from tolva.jobs.store_as import storing  # noqa: PLC0415 - few jobs do

            made, loads = storing(made, self.store_as)
        uses = tuple(self.kept[name].table for name in sorted(self.stored_names))
        return Prepared(tables, made, uses, loads)

    def _resolved(self, uploaded: Mapping[str, InputTable]) -> tuple[InputTable, ...]:
        return tuple(
            uploaded.get(name) or resolved(name, spec, self.base, self.kept) for name, spec in self.tables.items()
        )


def resolved(name: str, spec: Spec, base: Path, kept: Mapping[str, KeptTable]) -> InputTable:
    """Return a table that isn't uploaded: a stored one, or the one that its files (relative to ``base``) make."""
    if spec.stored is None:
        from tolva.formats import resolve  # noqa: PLC0415 - a question without tables is quick without it

        return resolve(name, spec, base)
    from tolva.formats.table_object import input_table  # noqa: PLC0415 - likewise

    if spec.stored not in kept:
        raise no_table(spec.stored)
    found = kept[spec.stored]
    return input_table(name, found.table, found.objects, on_disk=found.on_disk)


def _infos(tables: Iterable[InputTable]) -> dict[str, TableInfo]:
    from tolva.jobs.sampling import info_of  # noqa: PLC0415 - a question without tables is quick without it

    return {table.name: info_of(table) for table in tables}


def no_table(name: str) -> NotFoundError:
    """Return the error for a stored table that isn't there."""
    return NotFoundError(f"There is no stored table {name}. `tolva tables` lists those that are there.", table=name)


@dataclass(frozen=True, slots=True)
class ToPrepare:
    """The request to prepare a job, some of whose tables may be uploaded."""

    brief: Brief
    uploaded: Mapping[str, InputTable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PrepareOrRun:
    """What a child of a job service does: answer ``ToPrepare``; leave everything else to the setup for tasks."""

    tasks: Callable[[], Call]

    def __call__(self) -> Call:
        """Get ready for both, in the child."""
        run = self.tasks()

        def answer(request: Any) -> tuple[Any, bool]:
            if isinstance(request, ToPrepare):
                return request.brief.prepare(request.uploaded), True
            return run(request)

        return answer
