"""The document of an export job: keys, the source that knows them, and how the parts are cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from tolva.export.pace import no_pace
from tolva.export.planning import KEYS, in_small_chunks, key_column, plan_export
from tolva.export.settings import FetchSettings
from tolva.formats import InputTable
from tolva.jobs.documents.common import JobDocument, OutputSpec, TableSpec, distinct_names
from tolva.jobs.prepare import NO_TABLES, Brief, KeptTable, Prepared, QueryBrief, Spec, no_table, resolved
from tolva.plan import DEFAULT_MULTIPLIER, Column, Format, Plan
from tolva.planner import Query
from tolva.sources import SourceSettings, TableVersion, Tools, settings_of

_MAX_LISTED_KEYS = 10_000

_NEVER_IN_A_KEY = "\x1f"
"""The delimiter of a file of lines: a line is one key, whatever else is in it."""

Key = Annotated[str, Field(min_length=1)]


class KeysSpec(TableSpec):
    """Where the keys are: ``listed`` here, in a ``column`` of a table, or the answer of ``sql`` over ``tables``.

    ``{file: NAME}`` is a file of one key a line.

    Without files the table is uploaded.
    """

    listed: list[Key] | None = Field(default=None, min_length=1, max_length=_MAX_LISTED_KEYS)
    column: str | None = None
    sql: str | None = None
    tables: dict[str, TableSpec] = Field(default_factory=dict)

    @field_validator("tables")
    @classmethod
    def _names(cls, value: dict[str, TableSpec]) -> dict[str, TableSpec]:
        return distinct_names(value)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"listed": [str(key) if isinstance(key, int) else key for key in value]}
        if isinstance(value, dict) and set(value) == {"file"}:
            return {"files": value["file"], "delimiter": _NEVER_IN_A_KEY, "header": False}
        return value

    @model_validator(mode="after")
    def _stored_alone(self) -> Self:
        if self.listed is not None and self != KeysSpec.model_construct(listed=self.listed):
            raise ValueError("keys are listed, or in a table: not both")
        if self.stored is not None and self != KeysSpec.model_construct(stored=self.stored, column=self.column):
            raise ValueError("a stored table has its columns already: write only column beside stored")
        if self.sql is not None and self != KeysSpec.model_construct(sql=self.sql, tables=self.tables):
            raise ValueError("keys that sql chooses come from tables: write nothing beside those two")
        if self.tables and self.sql is None:
            raise ValueError("write the sql that chooses keys from tables")
        return self

    def spec(self) -> Spec | None:
        """Return the table that the keys are in; None when they are listed here, or chosen by a query."""
        if self.listed is not None or self.sql is not None:
            return None
        return Spec(**self.model_dump(exclude={"listed", "column", "sql", "tables"}))

    def uploads(self) -> dict[str, TableSpec]:
        """Return the tables whose files the client sends, by name."""
        tables = {KEYS: self} if self.listed is None and self.sql is None else self.tables
        return {name: spec for name, spec in tables.items() if not spec.files and spec.stored is None}

    def query(self, base: Path) -> QueryBrief | None:
        """Return how the keys are chosen; None when they aren't."""
        if self.sql is None:
            return None
        tables = {name: Spec(**spec.model_dump()) for name, spec in self.tables.items()}
        return QueryBrief(tables, {KEYS: Query(self.sql, Format.PARQUET)}, base)


def _known_source(value: Any) -> Any:
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError("a source is a mapping with a kind and its settings")
    try:
        return settings_of(value)
    except LookupError as error:
        raise ValueError(str(error)) from None


class ExportOutput(OutputSpec):
    """How parts are cut, and whether they are compressed; the cap then is on the compressed size."""

    gzip: bool = False


class ExportDocument(JobDocument):
    """A job that fetches records by key."""

    kind: Literal["export"]
    name: str = Field(default="export", pattern="^[A-Za-z0-9_-]+$")
    keys: KeysSpec
    source: SerializeAsAny[Annotated[SourceSettings, BeforeValidator(_known_source)]]
    batch_size: int | None = Field(default=None, ge=1, le=10_000)
    fetchers: int = Field(default=16, ge=1, le=256)
    max_attempts: int = Field(default=4, ge=1, le=20)
    max_requests_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_failed_keys: int | None = Field(default=None, ge=0)
    multiplier: float = Field(default=DEFAULT_MULTIPLIER, ge=0, allow_inf_nan=False)
    output: ExportOutput = ExportOutput()

    def uploads(self) -> dict[str, TableSpec]:
        """See ``JobDocument.uploads``."""
        return self.keys.uploads()

    def brief(self, base: Path) -> ExportBrief:
        """See ``JobDocument.brief``."""
        fetch = FetchSettings(
            source=self.source.model_dump(mode="json"),
            batch_size=self.batch_size or self.source.batch_keys,
            fetchers=self.fetchers,
            max_attempts=self.max_attempts,
            max_requests_per_second=self.max_requests_per_second,
            gzip=self.output.gzip,
            keys=self.keys.listed,
        )
        return ExportBrief(
            name=self.name,
            keys=self.keys.spec(),
            chosen=self.keys.query(base),
            source_name=self.source.stored_name,
            column=self.keys.column,
            fetch=fetch,
            base=base,
            max_part_bytes=self.output.max_part_bytes,
            multiplier=self.multiplier,
            max_failed_keys=self.max_failed_keys,
        )


@dataclass(frozen=True, slots=True)
class ExportBrief(Brief):
    """The brief of an export job; files are relative to ``base``. ``source_name``: the stored table it fetches from.

    The keys are in the table ``keys``, or in the settings of ``fetch`` (None), unless a query has ``chosen`` them.
    """

    name: str
    keys: Spec | None
    chosen: QueryBrief | None
    source_name: str | None
    column: str | None
    fetch: FetchSettings
    base: Path
    max_part_bytes: int
    multiplier: float
    max_failed_keys: int | None
    kept: Mapping[str, KeptTable] = field(default_factory=dict)

    @property
    def stored_names(self) -> frozenset[str]:
        """See ``Brief.stored_names``."""
        names = (self.keys and self.keys.stored, self.source_name)
        return frozenset(name for name in names if name) | (self.chosen.stored_names if self.chosen else frozenset())

    def given(self, kept: Mapping[str, KeptTable]) -> ExportBrief:
        """See ``Brief.given``."""
        return replace(self, kept=kept)

    def prepare(self, uploaded: Mapping[str, InputTable] = NO_TABLES) -> Prepared:
        """See ``Brief.prepare``. Also raises UsageError when the source can't be opened here."""
        fetch = replace(self.fetch, table=self._source_table())
        settings_of(fetch.source).open(Tools(no_pace, fetch.table))
        tables, keys = self._keys(fetch, uploaded)
        made = plan_export(
            self.name,
            fetch,
            keys,
            max_part_bytes=self.max_part_bytes,
            multiplier=self.multiplier,
            max_failed_keys=self.max_failed_keys,
        )
        uses = tuple(self.kept[name].table for name in sorted(self.stored_names))
        return Prepared(tables, made, uses)

    def _keys(
        self, fetch: FetchSettings, uploaded: Mapping[str, InputTable]
    ) -> tuple[tuple[InputTable, ...], Column | Plan | None]:
        """Return the tables that the keys come from, and how: see ``plan_export``."""
        if self.chosen is not None:
            found = self.chosen.given(self.kept).prepare(uploaded)
            return found.tables, found.plan
        if self.keys is None:
            return (), None
        table = uploaded.get(KEYS) or resolved(KEYS, self.keys, self.base, self.kept)
        files = tuple(in_small_chunks(file, fetch) for file in table.files)
        return (replace(table, files=files),), key_column(table, self.column)

    def _source_table(self) -> TableVersion | None:
        if self.source_name is None:
            return None
        if self.source_name not in self.kept:
            raise no_table(self.source_name)
        kept = self.kept[self.source_name]
        return TableVersion(kept.table.columns, kept.objects)
