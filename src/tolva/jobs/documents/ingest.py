"""The document of an ingest job: files, the columns they should have, and the stored table they become."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from tolva.formats.types import canonical
from tolva.ingest.rules import CheckRule, ColumnRule, Limits, Rules
from tolva.jobs.documents.common import FileSpec, JobDocument, Strict, TableSpec, check_table_name, distinct_names
from tolva.jobs.prepare import Spec
from tolva.jobs.prepare_ingest import IngestBrief
from tolva.model import LoadMode


def _as_text(value: Any) -> Any:
    """Take YAML's numbers, dates and truth values as the text they were written as."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat().replace("T", " ")
    return str(value) if isinstance(value, int | float) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Text = Annotated[str, BeforeValidator(_as_text)]


class ColumnSpec(Strict):
    """A column of the table: where its values come from, and what they must be. A bare string is its type."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    type: str = "VARCHAR"
    from_: str | None = Field(default=None, alias="from")
    sql: str | None = None
    format: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    required: bool = False
    default: _Text | None = None
    min: _Text | None = None
    max: _Text | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    values: list[_Text] = Field(default_factory=list)
    pattern: str | None = None
    unique: bool = False
    trim: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bare_type(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.sql is not None and (self.from_ is not None or self.format or self.trim):
            raise ValueError("a column is read from a field (from, format, trim) or computed (sql), not both")
        return self

    def rule(self, name: str, *, required: bool) -> ColumnRule:
        """Return what it asks of the column ``name``; DocumentError if its type can't be."""
        return ColumnRule(
            name=name,
            type=canonical(self.type),
            source=None if self.sql is not None else self.from_ or name,
            sql=self.sql,
            formats=tuple(self.format),
            required=self.required or required,
            default=self.default,
            minimum=self.min,
            maximum=self.max,
            min_length=self.min_length,
            max_length=self.max_length,
            allowed=tuple(self.values),
            pattern=self.pattern,
            unique=self.unique,
            trim=self.trim,
        )


class CheckSpec(Strict):
    """A condition over the columns of one record."""

    sql: str
    code: str = "check"
    message: str | None = None

    @field_validator("code")
    @classmethod
    def _a_word(cls, value: str) -> str:
        if not value.replace("-", "_").isidentifier():
            raise ValueError(f"code {value!r} is for programs: use letters, digits, _ and -")
        return value


class ReportSpec(Strict):
    """How the report of rejects is written, always as ``ndjson`` too, and how many reasons at most."""

    formats: tuple[Literal["ndjson", "csv"], ...] = ("ndjson",)
    max_reasons: int | None = Field(default=None, ge=0)


class IngestDocument(JobDocument, FileSpec):
    """A job that checks records and stores the good ones."""

    kind: Literal["ingest"]
    into: str
    fields: list[str] = Field(default_factory=list)
    columns: dict[str, ColumnSpec] = Field(min_length=1)
    checks: list[CheckSpec] = Field(default_factory=list)
    mode: LoadMode = LoadMode.APPEND
    key: list[str] = Field(default_factory=list)
    atomic: bool = True
    on_error: Literal["fail", "reject"] = "reject"
    max_rejects: int | None = Field(default=None, ge=0)
    max_reject_ratio: float | None = Field(default=None, ge=0, le=1)
    allow_again: bool = False
    report: ReportSpec = ReportSpec()

    @field_validator("into")
    @classmethod
    def _table_name(cls, value: str) -> str:
        return check_table_name(value)

    @field_validator("key", mode="before")
    @classmethod
    def _one_or_many_keys(cls, value: Any) -> Any:
        return _as_list(value)

    @field_validator("fields")
    @classmethod
    def _field_names(cls, value: list[str]) -> list[str]:
        if len({name.casefold() for name in value}) < len(value):
            raise ValueError("two fields have the same name: SQL ignores case")
        return value

    @field_validator("columns")
    @classmethod
    def _column_names(cls, value: dict[str, ColumnSpec]) -> dict[str, ColumnSpec]:
        if reserved := [name for name in value if name.startswith("__") or not name]:
            raise ValueError(f"a column can't be called {reserved[0]!r}: give it another name")
        return distinct_names(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unknown := [name for name in self.key if name not in self.columns]:
            raise ValueError(f"the key names {unknown[0]}, which is no column of the table")
        if (self.mode is LoadMode.UPSERT) != bool(self.key):
            raise ValueError("mode upsert and a key go together: name the columns by which records replace others")
        if self.on_error == "fail" and (self.max_rejects or self.max_reject_ratio):
            raise ValueError("on_error: fail allows no reject; write reject beside max_rejects and max_reject_ratio")
        if self.fields and self.header:
            raise ValueError("fields name those of files without a header; rename columns with from")
        return self

    def uploads(self) -> dict[str, TableSpec]:
        """See ``JobDocument.uploads``."""
        return {} if self.files else {self.into: self._spec()}

    def brief(self, base: Path) -> IngestBrief:
        """See ``JobDocument.brief``."""
        return IngestBrief(
            table=self.into,
            spec=Spec(**self._spec().model_dump()),
            rules=Rules(
                columns=tuple(spec.rule(name, required=name in self.key) for name, spec in self.columns.items()),
                checks=tuple(self._checks()),
                key=tuple(self.key),
            ),
            mode=self.mode,
            limits=Limits(
                max_rejects=0 if self.on_error == "fail" else self.max_rejects, max_reject_ratio=self.max_reject_ratio
            ),
            atomic=self.atomic,
            allow_again=self.allow_again,
            reports=tuple(dict.fromkeys(("ndjson", *self.report.formats))),
            max_reasons=self.report.max_reasons,
            max_part_bytes=self.output.max_part_bytes,
            document=self.model_dump(mode="json"),
            base=base,
        )

    def _checks(self) -> Iterator[CheckRule]:
        for check in self.checks:
            yield CheckRule(check.sql, check.code, check.message or f"the condition doesn't hold: {check.sql}")

    def _spec(self) -> TableSpec:
        given = {name: getattr(self, name) for name in FileSpec.model_fields}
        header = False if self.fields else self.header
        return TableSpec(**given | {"header": header}, columns=dict.fromkeys(self.fields, "VARCHAR"))
