"""The document of a query job: tables, and SELECTs over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tolva.jobs.documents.common import JobDocument, Strict, TableSpec, check_table_name, distinct_names
from tolva.jobs.prepare import QueryBrief, Spec
from tolva.model import LoadMode, NewLoad
from tolva.plan import Format
from tolva.planner import IN_PLACE_BYTES, Query


class QuerySpec(Strict):
    """One SELECT over the job's tables, and how its answer is written. A bare string is the SQL.

    With ``store_as`` the answer becomes the stored table of that name instead of files.
    """

    sql: str
    format: Format = Format.CSV
    store_as: str | None = None
    mode: Literal["append", "replace"] | None = None

    @field_validator("store_as")
    @classmethod
    def _table_name(cls, value: str | None) -> str | None:
        return value and check_table_name(value)

    @model_validator(mode="after")
    def _mode_of_what(self) -> Self:
        if self.mode is not None and self.store_as is None:
            raise ValueError("mode says how a stored table is changed; name it with store_as")
        return self

    @model_validator(mode="before")
    @classmethod
    def _bare_sql(cls, value: Any) -> Any:
        return {"sql": value} if isinstance(value, str) else value


class QueryDocument(JobDocument):
    """A job that answers queries. ``in_place_bytes`` is as in ``planner.plan``."""

    kind: Literal["query"]
    tables: dict[str, TableSpec] = Field(default_factory=dict)
    queries: dict[str, QuerySpec] = Field(min_length=1)
    on_error: Literal["fail"] = "fail"
    in_place_bytes: int = Field(default=IN_PLACE_BYTES, ge=0)

    @field_validator("tables", "queries")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        return distinct_names(value)

    @field_validator("queries")
    @classmethod
    def _query_names(cls, value: dict[str, QuerySpec]) -> dict[str, QuerySpec]:
        for name in value:
            if not name or not all(c.isalnum() or c in "_-" for c in name):
                raise ValueError(f"query name {name!r} becomes a file name: use letters, digits, _ and -")
        return value

    @model_validator(mode="after")
    def _one_query_a_table(self) -> Self:
        stored = [query.store_as.casefold() for query in self.queries.values() if query.store_as]
        if len(set(stored)) < len(stored):
            raise ValueError("two queries have the same store_as: a job changes a table once")
        return self

    def uploads(self) -> dict[str, TableSpec]:
        """See ``JobDocument.uploads``."""
        return {name: spec for name, spec in self.tables.items() if not spec.files and spec.stored is None}

    def brief(self, base: Path) -> QueryBrief:
        """See ``JobDocument.brief``."""
        return QueryBrief(
            tables={name: Spec(**spec.model_dump()) for name, spec in self.tables.items()},
            queries={
                name: Query(query.sql, Format.PARQUET if query.store_as else query.format)
                for name, query in self.queries.items()
            },
            base=base,
            max_part_bytes=self.output.max_part_bytes,
            in_place_bytes=self.in_place_bytes,
            store_as={
                name: NewLoad(query.store_as, LoadMode(query.mode or "replace"), columns=())
                for name, query in self.queries.items()
                if query.store_as
            },
        )
