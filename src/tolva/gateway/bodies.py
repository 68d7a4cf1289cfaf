"""Request bodies: bounded documents."""

from __future__ import annotations

import json

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tolva.errors import DocumentError, TooLargeError
from tolva.jobs.documents import JobDocument, parse, validate

MAX_DOCUMENT_BYTES = 2**20
_SOURCE = "job document"


async def read_document(request: Request) -> JobDocument:
    """Read and check a job document. TooLargeError, or DocumentError that says where it is wrong."""
    body = await read_bounded(request, MAX_DOCUMENT_BYTES)
    is_yaml = "yaml" in request.headers.get("content-type", "")
    return await run_in_threadpool(_parse, body, is_yaml=is_yaml)


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
