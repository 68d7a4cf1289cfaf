"""What the documents of all kinds of jobs share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from tolva.jobs.prepare import Brief
from tolva.plan import DEFAULT_MAX_PART_BYTES


class Strict(BaseModel):
    """A model that refuses keys it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileSpec(Strict):
    """Where records are and how their files are written; what isn't said is found out from the files."""

    files: list[str] = Field(default_factory=list)
    format: Literal["delimited", "fixed_width", "ndjson", "parquet"] | None = None
    compression: Literal["none", "gzip", "zstd"] | None = None
    encoding: Literal["utf-8", "latin-1", "utf-16", "utf-16-le", "utf-16-be"] | None = None
    skip: int = Field(default=0, ge=0)
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    comment: str | None = None
    header: bool | None = None
    positions: dict[str, str] = Field(default_factory=dict)
    unit: Literal["characters", "bytes"] = "characters"

    @field_validator("positions", mode="before")
    @classmethod
    def _numbers_as_text(cls, value: Any) -> Any:
        return {name: str(place) for name, place in value.items()} if isinstance(value, dict) else value

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _one_character(cls, value: str | None, info: ValidationInfo) -> str | None:
        none = "" if info.field_name == "quote" else None
        if value not in (None, none) and (len(value.encode()) != 1 or value in "\r\n"):
            raise ValueError("must be one ASCII character, and not a line end")
        return value


class TableSpec(FileSpec):
    """A table of the job: its files, and what is said of its columns; the rest is found out.

    ``stored`` names a stored table instead.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    stored: str | None = None

    @model_validator(mode="after")
    def _stored_alone(self) -> Self:
        if self.stored is not None and self != TableSpec.model_construct(stored=self.stored):
            raise ValueError("a stored table has its columns already: write nothing beside stored")
        return self


class OutputSpec(Strict):
    """How results are cut: no part is larger than ``max_part_bytes`` unless a single record is."""

    max_part_bytes: int = Field(default=DEFAULT_MAX_PART_BYTES, ge=1)


class JobDocument(Strict):
    """A whole job, of whatever kind."""

    kind: str
    output: OutputSpec = OutputSpec()
    labels: dict[str, str] = Field(default_factory=dict)

    def uploads(self) -> dict[str, TableSpec]:
        """Return the tables whose files the client sends, by name."""
        return {}

    def server_files(self) -> list[str]:
        """Return every pattern that names files where the job runs, wherever in the document it is."""
        return [pattern for spec in _file_specs(self) for pattern in spec.files]

    def to_send(self) -> tuple[JobDocument, dict[str, list[str]]]:
        """Return the document for a client that sends the files itself, and what those are: patterns by table."""
        sent = type(self).model_validate(_without_files(self.model_dump(mode="json")))
        named = [spec.files for spec in _file_specs(self) if spec.files]
        tables = [name for name in sent.uploads() if name not in self.uploads()]
        return sent, dict(zip(tables, named, strict=True))

    @abstractmethod
    def brief(self, base: Path) -> Brief:
        """Return what preparing the job needs of the document, with its files below ``base``."""


def check_table_name(name: str) -> str:
    """Return the name of a stored table; ValueError if it can't be one."""
    if not name.isidentifier():
        raise ValueError(f"{name!r} can't be a table's name: use letters, digits and _, and begin with a letter")
    return name


def _file_specs(value: object) -> Iterator[FileSpec]:
    if isinstance(value, FileSpec):
        yield value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _file_specs(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _file_specs(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _file_specs(each)


def _without_files(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_files(each) for key, each in value.items() if key != "files"}
    return value


def distinct_names(value: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping; ValueError when two of its names are one to SQL."""
    seen: dict[str, str] = {}
    for name in value:
        if name.casefold() in seen:
            raise ValueError(f"{seen[name.casefold()]!r} and {name!r} are the same name: SQL ignores case")
        seen[name.casefold()] = name
    return value
