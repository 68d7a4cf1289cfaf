"""The document of an export job: keys, the source that knows them, and how the parts are cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from tolva.export.pace import no_pace
from tolva.export.planning import KEYS, in_small_chunks, key_column, plan_export
from tolva.export.settings import FetchSettings
from tolva.formats import InputTable
from tolva.jobs.documents.common import JobDocument, OutputSpec, TableSpec
from tolva.jobs.prepare import NO_TABLES, Brief, KeptTable, Prepared, Spec, no_table, resolved
from tolva.plan import DEFAULT_MULTIPLIER
from tolva.sources import SourceSettings, TableVersion, Tools, settings_of

_MAX_LISTED_KEYS = 10_000

_NEVER_IN_A_KEY = "\x1f"
"""The delimiter of a file of lines: a line is one key, whatever else is in it."""

Key = Annotated[str, Field(min_length=1)]


class KeysSpec(TableSpec):
    """Where the keys are: ``listed`` here, or in a ``column`` of a table. ``{file: NAME}`` is a file of one key a line.

    Without files the table is uploaded.
    """

    listed: list[Key] | None = Field(default=None, min_length=1, max_length=_MAX_LISTED_KEYS)
    column: str | None = None

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
        return self

    def spec(self) -> Spec | None:
        """Return the table that the keys are in; None when they are listed here."""
        return None if self.listed is not None else Spec(**self.model_dump(exclude={"listed", "column"}))


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
        here = self.keys.files or self.keys.stored or self.keys.listed
        return {} if here else {KEYS: self.keys}

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
    """The brief of an export job; files are relative to ``base``. ``source_name``: the stored table it fetches from."""

    name: str
    keys: Spec | None
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
        return frozenset(name for name in names if name)

    def given(self, kept: Mapping[str, KeptTable]) -> ExportBrief:
        """See ``Brief.given``."""
        return replace(self, kept=kept)

    def prepare(self, uploaded: Mapping[str, InputTable] = NO_TABLES) -> Prepared:
        """See ``Brief.prepare``. Also raises UsageError when the source can't be opened here."""
        fetch = replace(self.fetch, table=self._source_table())
        settings_of(fetch.source).open(Tools(no_pace, fetch.table))
        table = uploaded.get(KEYS) or (resolved(KEYS, self.keys, self.base, self.kept) if self.keys else None)
        made = plan_export(
            self.name,
            fetch,
            key_column(table, self.column) if table else None,
            max_part_bytes=self.max_part_bytes,
            multiplier=self.multiplier,
            max_failed_keys=self.max_failed_keys,
        )
        uses = tuple(self.kept[name].table for name in sorted(self.stored_names))
        if table is None:
            return Prepared((), made, uses)
        files = tuple(in_small_chunks(file, fetch) for file in table.files)
        return Prepared((replace(table, files=files),), made, uses)

    def _source_table(self) -> TableVersion | None:
        if self.source_name is None:
            return None
        if self.source_name not in self.kept:
            raise no_table(self.source_name)
        kept = self.kept[self.source_name]
        return TableVersion(kept.table.columns, kept.objects)
