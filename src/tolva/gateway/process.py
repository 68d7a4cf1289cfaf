"""``POST /process``: a form with a file in it becomes an ingest job, whose document the server was given."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tolva.errors import TolvaError
from tolva.gateway.access import Called
from tolva.gateway.files import cancelled_on_failure
from tolva.gateway.hands import by_hand
from tolva.gateway.multipart import FormFile
from tolva.gateway.services import Service
from tolva.jobs.documents import JobDocument
from tolva.jobs.receiver import Receiver
from tolva.model import NewUpload

router = APIRouter(tags=["small jobs"])

_FIELD = "file"
_BLOCK_BYTES = 2**20


class Processing(BaseModel):
    """The job that works on the file, and how it was cut. ``chunkSize`` is in bytes."""

    jobId: str  # noqa: N815 - the names of the answer are given
    totalLines: int  # noqa: N815 - likewise
    chunksCreated: int  # noqa: N815 - likewise
    chunkSize: int  # noqa: N815 - likewise


@router.post(
    "/process",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": [_FIELD],
                        "properties": {_FIELD: {"type": "string", "format": "binary"}},
                    }
                }
            },
        }
    },
)
async def process(request: Request, service: Service, caller: Called) -> Processing:
    """Send a file in the form field ``file``; it is checked and stored as the server's document says."""
    form = FormFile(request, _FIELD)
    document: JobDocument = request.app.state.process_document
    (table,) = document.uploads()
    job = await run_in_threadpool(service.submit, document, caller.client)
    async with cancelled_on_failure(service, job.id):
        blocks = _large(form.blocks())
        first = await anext(blocks)
        new = NewUpload(table, form.name or _FIELD)
        [upload] = await run_in_threadpool(service.uploads.begin, job.id, caller.scope, new)
        receiver = await by_hand(service.uploads.receive, upload)
        lines = await _take(receiver, first, blocks)
        await by_hand(receiver.end)
        await run_in_threadpool(service.start_job, job.id, caller.scope)
    return Processing(
        jobId=job.id,
        totalLines=lines,
        chunksCreated=receiver.chunks_created,
        chunkSize=receiver.chunk_bytes,
    )


async def _take(receiver: Receiver, first: bytes, blocks: AsyncIterator[bytes]) -> int:
    """Give the receiver all blocks; return how many lines they have."""
    lines, block = 0, first
    last = b"\n"
    while block:
        lines += block.count(b"\n")
        last = block[-1:]
        try:
            await by_hand(receiver.write, block)
        except TolvaError:
            await by_hand(receiver.abandon)
            raise
        block = await anext(blocks, b"")
    return lines + (last != b"\n")


async def _large(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in blocks of a good size, at least one."""
    held = bytearray()
    async for block in blocks:
        held += block
        if len(held) >= _BLOCK_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)
