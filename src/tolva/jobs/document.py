"""The job document: what a client writes to say what is wanted. The command line, HTTP and Python take the same one."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tolva.errors import DocumentError
from tolva.jobs.prepare import Brief, Spec
from tolva.plan import DEFAULT_MAX_PART_BYTES, Format
from tolva.planner import Query


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableSpec(_Strict):
    """Where a table's records are and what they look like; what isn't said is found out from the files."""

    files: list[str] = Field(default_factory=list)
    columns: dict[str, str] = Field(default_factory=dict)
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value.encode()) != 1 or value in "\r\n"):
            raise ValueError("must be one ASCII character, and not a line end")
        return value


class QuerySpec(_Strict):
    """One SELECT over the job's tables, and how its answer is written. A bare string is the SQL."""

    sql: str
    format: Format = Format.CSV

    @model_validator(mode="before")
    @classmethod
    def _bare_sql(cls, value: Any) -> Any:
        return {"sql": value} if isinstance(value, str) else value


class OutputSpec(_Strict):
    """How results are cut: no part is larger than ``max_part_bytes`` unless a single record is."""

    max_part_bytes: int = Field(default=DEFAULT_MAX_PART_BYTES, ge=1)


class JobDocument(_Strict):
    """A whole job."""

    kind: Literal["query"]
    tables: dict[str, TableSpec] = Field(default_factory=dict)
    queries: dict[str, QuerySpec] = Field(min_length=1)
    output: OutputSpec = OutputSpec()
    on_error: Literal["fail"] = "fail"
    labels: dict[str, str] = Field(default_factory=dict)

    @field_validator("tables", "queries")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        seen: dict[str, str] = {}
        for name in value:
            if name.casefold() in seen:
                raise ValueError(f"{seen[name.casefold()]!r} and {name!r} are the same name: SQL ignores case")
            seen[name.casefold()] = name
        return value

    @field_validator("queries")
    @classmethod
    def _query_names(cls, value: dict[str, QuerySpec]) -> dict[str, QuerySpec]:
        for name in value:
            if not name or not all(c.isalnum() or c in "_-" for c in name):
                raise ValueError(f"query name {name!r} becomes a file name: use letters, digits, _ and -")
        return value


def load(path: Path) -> JobDocument:
    """Read a document from a YAML or JSON file. DocumentError says where and what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DocumentError(f"{path}: there is no such file.{_similar_file(path)}") from None
    except IsADirectoryError:
        raise DocumentError(f"{path} is a folder; give the job document inside it.") from None
    except UnicodeDecodeError:
        raise DocumentError(f"{path} is not text; a job document is YAML or JSON in UTF-8.") from None
    except OSError as error:
        raise DocumentError(f"{path} can't be read: {error.strerror}.") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> JobDocument:
    """Read a document from YAML or JSON text; ``source`` is its name in messages."""
    try:
        value = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - derives from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        pointer = f"\n{mark.get_snippet()}" if mark and mark.buffer else ""
        raise DocumentError(f"{place}: {error.problem}.{pointer}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"{source}: this is neither YAML nor JSON: {error}") from None
    return validate(value, source)


def validate(value: Any, source: str) -> JobDocument:
    """Check JSON values against the document's rules; ``source`` is their name in messages."""
    if not isinstance(value, dict):
        raise DocumentError(f"{source}: a job document is a mapping with the keys kind, tables and queries.")
    try:
        return JobDocument.model_validate(value)
    except ValidationError as error:
        _refuse(error, source)


def brief_of(document: JobDocument, base: Path) -> Brief:
    """Return what planning needs of the document, with its files below ``base``."""
    return Brief(
        tables={name: Spec(**spec.model_dump()) for name, spec in document.tables.items()},
        queries={name: Query(query.sql, query.format) for name, query in document.queries.items()},
        base=base,
        max_part_bytes=document.output.max_part_bytes,
    )


def to_json(document: JobDocument) -> dict[str, Any]:
    """Return the document as JSON values, with nothing left to default."""
    return document.model_dump(mode="json")


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key silently replace an earlier one; two tables of one name must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(None, None, f"the name {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse(error: ValidationError, source: str) -> NoReturn:
    lines, pointers = [], []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        pointers.append({"pointer": "/" + "/".join(map(str, problem["loc"])), "detail": problem["msg"]})
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(sorted(known))}"
            lines.append(f"{source}: unknown key {where!r}; {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{source}: the key {where!r} is missing")
        else:
            lines.append(f"{source}: {where}: {problem['msg'].removeprefix('Value error, ')}")
    raise DocumentError("\n".join(lines), errors=pointers) from None


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"tables": TableSpec, "queries": QuerySpec, "output": OutputSpec}
    model = models.get(str(location[0]), JobDocument) if len(location) > 1 else JobDocument
    return list(model.model_fields)


def _similar_file(path: Path) -> str:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    return f" Did you mean {path.parent / near[0]}?" if near else ""
