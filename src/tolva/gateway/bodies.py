"""Request bodies: bounded documents."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from tolva.errors import DocumentError, TooLargeError
from tolva.jobs.documents import JobDocument, parse, validate

MAX_DOCUMENT_BYTES = 2**20
_SOURCE = "job document"

M = TypeVar("M", bound=BaseModel)


async def read_document(request: Request) -> JobDocument:
    """Read and check a job document. TooLargeError, or DocumentError that says where it is wrong."""
    body = await read_bounded(request, MAX_DOCUMENT_BYTES)
    is_yaml = "yaml" in request.headers.get("content-type", "")
    return await run_in_threadpool(_parse, body, is_yaml=is_yaml)


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return what OpenAPI says of a route that reads its body by ``read_json``."""
    schema = model.model_json_schema()
    told = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": told}}}}


def _inlined(schema: Any, shapes: dict[str, Any]) -> Any:
    """Put the shapes where they are referred to: in OpenAPI's document such references lead nowhere."""
    if isinstance(schema, list):
        return [_inlined(each, shapes) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(shapes[schema["$ref"].rpartition("/")[2]], shapes)
    return {name: _inlined(each, shapes) for name, each in schema.items()}


async def read_json(request: Request, model: type[M]) -> M:
    """Read a JSON body of this shape. TooLargeError, or RequestValidationError that says where it is wrong.

    FastAPI would read one of any length, or refuse it with an answer that isn't a problem.
    """
    body = await read_bounded(request, MAX_DOCUMENT_BYTES)
    try:
        return await run_in_threadpool(model.model_validate_json, body)
    except ValidationError as error:
        raise RequestValidationError([each | {"loc": ("body", *each["loc"])} for each in error.errors()]) from None


async def read_bounded(request: Request, limit_bytes: int) -> bytes:
    """Read the body. TooLargeError as soon as it is longer than ``limit_bytes``."""
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit_bytes:
            raise TooLargeError(f"The request's body is longer than {limit_bytes} bytes.", limit_bytes=limit_bytes)
    return bytes(body)


def _parse(body: bytes, *, is_yaml: bool) -> JobDocument:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise DocumentError("The job document is not UTF-8.") from None
    try:
        if is_yaml:
            return parse(text, _SOURCE)
        return validate(json.loads(text), _SOURCE)
    except RecursionError:
        raise DocumentError("The job document is nested too deeply.") from None
    except ValueError as error:
        raise DocumentError(f"The job document is not JSON: {error}. Send YAML as application/yaml.") from None
