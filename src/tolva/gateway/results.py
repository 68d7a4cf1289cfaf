"""Results: the manifest, and each part's bytes with ranges and a strong validator."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from tolva.gateway.access import Called
from tolva.gateway.services import Service
from tolva.gateway.views import API, ManifestView, manifest_view
from tolva.model import Part
from tolva.plan import Format
from tolva.states import JobStatus

router = APIRouter(prefix=API, tags=["results"])

_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_GZIP = re.compile(r"(x-)?gzip\s*(;\s*q=(1|0\.0*[1-9])[\d.]*)?")
_LEVEL = 4
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@router.get("/jobs/{job_id}/results")
def manifest(job_id: str, service: Service, caller: Called) -> ManifestView:
    """List the files of the results that are there; all of them once the job is completed."""
    parts = service.parts(job_id, caller.scope)
    return manifest_view(service.job(job_id, caller.scope), parts)


@router.get("/jobs/{job_id}/results/{name}", response_class=StreamingResponse)
def part(
    job_id: str,
    name: str,
    service: Service,
    caller: Called,
    wanted: Annotated[str | None, Header(alias="range")] = None,
    if_range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    accept_encoding: Annotated[str, Header()] = "",
) -> Response:
    """Fetch one file of the results, whole or a range of it."""
    found = service.part(job_id, caller.scope, name)
    packed = wanted is None and _takes_gzip(accept_encoding) and found.format != Format.PARQUET
    etag = f'"{found.sha256}-gzip"' if packed else f'"{found.sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Vary": "Accept-Encoding"}
    headers["Content-Disposition"] = f'attachment; filename="{found.name}"'
    if if_none_match is not None and (if_none_match.strip() == "*" or etag in re.split(r"\s*,\s*", if_none_match)):
        return Response(status_code=304, headers=headers)
    span = _range(wanted, found.bytes) if if_range in (None, etag) else (0, found.bytes)
    if span is None:
        headers["Content-Range"] = f"bytes */{found.bytes}"
        return Response(status_code=416, headers=headers)
    offset, length = span
    if service.job(job_id, caller.scope).status is JobStatus.COMPLETED:
        service.retrieved(job_id)
    if packed:
        headers["Content-Encoding"] = "gzip"
        blocks = _packed(service.read(found, offset, length))
        return StreamingResponse(blocks, headers=headers, media_type=_media_type(found))
    partial = length < found.bytes
    if partial:
        headers["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{found.bytes}"
    headers["Content-Length"] = str(length)
    return StreamingResponse(
        _bytes(service.read(found, offset, length)),
        status_code=206 if partial else 200,
        headers=headers,
        media_type=_media_type(found),
    )


def _takes_gzip(accept_encoding: str) -> bool:
    return any(_GZIP.fullmatch(each.strip()) for each in accept_encoding.lower().split(","))


def _packed(blocks: Iterator[memoryview]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()


def _bytes(blocks: Iterator[memoryview]) -> Iterator[bytes]:
    return (bytes(block) for block in blocks)


def _media_type(part: Part) -> str:
    return _MEDIA_TYPES.get(part.format, "application/octet-stream")


def _range(wanted: str | None, size: int) -> tuple[int, int] | None:
    """Return (offset, length) for a ``Range`` header; all for none or one not understood; None if it can't be met."""
    match = _RANGE.fullmatch((wanted or "").strip())
    if match is None or match.group(1) == match.group(2) == "":
        return 0, size
    first, last = match.groups()
    if first == "":
        length = min(int(last), size)
        return (size - length, length) if length else None
    start, end = int(first), min(int(last) if last else size - 1, size - 1)
    if last and int(last) < int(first):
        return 0, size
    return (start, end - start + 1) if start < size else None
