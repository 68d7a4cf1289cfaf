"""The document of a query job: tables, and SELECTs over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tolva.jobs.documents.common import JobDocument, Strict, TableSpec, distinct_names
from tolva.jobs.prepare import QueryBrief, Spec
from tolva.plan import Format
from tolva.planner import Query


class QuerySpec(Strict):
    """One SELECT over the job's tables, and how its answer is written. A bare string is the SQL."""

    sql: str
    format: Format = Format.CSV

    @model_validator(mode="before")
    @classmethod
    def _bare_sql(cls, value: Any) -> Any:
        return {"sql": value} if isinstance(value, str) else value


class QueryDocument(JobDocument):
    """A job that answers queries."""

    kind: Literal["query"]
    tables: dict[str, TableSpec] = Field(default_factory=dict)
    queries: dict[str, QuerySpec] = Field(min_length=1)
    on_error: Literal["fail"] = "fail"

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

    def brief(self, base: Path) -> QueryBrief:
        """See ``JobDocument.brief``."""
        return QueryBrief(
            tables={name: Spec(**spec.model_dump()) for name, spec in self.tables.items()},
            queries={name: Query(query.sql, query.format) for name, query in self.queries.items()},
            base=base,
            max_part_bytes=self.output.max_part_bytes,
        )
