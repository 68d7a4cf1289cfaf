"""Read job documents: YAML or JSON into a checked model, with every fault named at its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tolva.errors import DocumentError
from tolva.jobs.documents.common import JobDocument
from tolva.jobs.documents.export import ExportDocument
from tolva.jobs.documents.ingest import IngestDocument
from tolva.jobs.documents.query import QueryDocument

KINDS: dict[str, type[JobDocument]] = {"export": ExportDocument, "ingest": IngestDocument, "query": QueryDocument}
"""The model of each kind of job."""


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
    kind = value.get("kind")
    if kind is None:
        raise DocumentError(f"{source}: the key 'kind' is missing; write one of {_listed(KINDS)}")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"write one of {_listed(KINDS)}"
        raise DocumentError(f"{source}: there is no kind of job {kind!r}; {hint}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        _refuse(error, source, model)


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


def _refuse(error: ValidationError, source: str, model: type[JobDocument]) -> NoReturn:
    lines, pointers = [], []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        pointers.append({"pointer": "/" + "/".join(map(str, problem["loc"])), "detail": problem["msg"]})
        if problem["type"] == "extra_forbidden":
            known = _known_keys(model, problem["loc"][:-1])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(sorted(known))}"
            lines.append(f"{source}: unknown key {where!r}; {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{source}: the key {where!r} is missing")
        else:
            lines.append(f"{source}: {where}: {problem['msg'].removeprefix('Value error, ')}")
    raise DocumentError("\n".join(lines), errors=pointers) from None


def _known_keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the model that is found at ``place`` below ``model``."""
    for step in place:
        field = next((f for name, f in model.model_fields.items() if str(step) in (name, f.alias)), None)
        model = next(iter(_models(field.annotation)), model) if field else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a type such as ``dict[str, TableSpec]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _similar_file(path: Path) -> str:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    return f" Did you mean {path.parent / near[0]}?" if near else ""
