"""Files of a job: a streamed body of any size, cut and worked on while it arrives."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tolva.errors import ConflictError, TolvaError, UsageError
from tolva.gateway.access import Called
from tolva.gateway.bodies import json_body, read_json
from tolva.gateway.hands import by_hand
from tolva.gateway.services import Service
from tolva.gateway.views import API, FileListView, FileView, file_view
from tolva.jobs.receiver import Receiver
from tolva.jobs.service import JobService
from tolva.model import NewUpload, Upload
from tolva.protocol import MAX_ANNOUNCED_FILES

router = APIRouter(prefix=API, tags=["files"])

_BLOCK_BYTES = 2**20
_DIGEST = re.compile(r"sha-256=:?([A-Za-z0-9+/]+={0,2}):?", re.IGNORECASE)


BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


@router.get("/jobs/{job_id}/files")
def files(job_id: str, service: Service, caller: Called) -> FileListView:
    """List the files that were sent or are on their way, with the bytes that are stored of each."""
    return FileListView(files=[file_view(upload) for upload in service.uploads.of_job(job_id, caller.scope)])


class NewFileView(BaseModel):
    """A file that will be sent. ``sha256`` (hexadecimal): nothing of it is worked on before it is whole and has it."""

    model_config = ConfigDict(extra="forbid")

    table: str
    name: str
    bytes: Annotated[int, Field(ge=0, le=2**62)]
    sha256: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$")] = None


class NewFileListView(BaseModel):
    """Files that will be sent, in the order in which they count."""

    model_config = ConfigDict(extra="forbid")

    files: Annotated[list[NewFileView], Field(min_length=1, max_length=MAX_ANNOUNCED_FILES)]


@router.post("/jobs/{job_id}/files", status_code=201, openapi_extra=json_body(NewFileListView))
async def announce(job_id: str, request: Request, service: Service, caller: Called) -> FileListView:
    """Announce many files at once, whose bytes go on by tus: each one's at ``/tus/ID`` of the job, with its ``id``.

    They count in this order, whichever comes first. The job is planned with the bytes of all of them in mind, so it is
    well to announce them before the first is sent. One that was announced before is found there again, with its bytes.
    """
    announced = await read_json(request, NewFileListView)
    new = (NewUpload(each.table, each.name, each.bytes, each.sha256) for each in announced.files)
    uploads = await run_in_threadpool(service.uploads.begin, job_id, caller.scope, *new)
    return FileListView(files=[file_view(upload) for upload in uploads])


@router.put(
    "/jobs/{job_id}/files/{table}/{name}", status_code=201, responses={200: {"model": FileView}}, openapi_extra=BODY
)
async def put(
    job_id: str,
    table: str,
    name: str,
    request: Request,
    response: Response,
    service: Service,
    caller: Called,
    content_length: Annotated[int | None, Header(include_in_schema=False)] = None,
    digest: Annotated[str | None, Header()] = None,
    repr_digest: Annotated[str | None, Header()] = None,
) -> FileView:
    """Send a file. Sent again after it broke off, it goes on; with the same bytes as before, nothing changes.

    With a sha256 (``Digest`` or ``Repr-Digest``) nothing of the file is worked on before it is whole and verified.
    """
    sha256 = declared_sha256(repr_digest or digest)
    new = NewUpload(table, name, content_length, sha256)
    [upload] = await run_in_threadpool(service.uploads.begin, job_id, caller.scope, new)
    body = Body(request)
    seen = await _skip(body, upload)
    if upload.ended:
        response.status_code = 200
        return file_view(upload)
    receiver = await by_hand(service.uploads.receive, upload)
    receiver.go_on_with(seen)
    return file_view(await take(body, receiver))


async def take(body: Body, receiver: Receiver) -> Upload:
    """Feed the rest of the body; when it breaks off, what arrived is kept."""
    try:
        while block := await body.read():
            await by_hand(receiver.write, block)
        return await by_hand(receiver.end)
    except ClientDisconnect:
        await by_hand(_keep, receiver, body.rest())
        raise
    except TolvaError:
        await by_hand(receiver.abandon)
        raise


@asynccontextmanager
async def cancelled_on_failure(service: JobService, job_id: str) -> AsyncIterator[None]:
    """Cancel a job that was made for one file if the block fails: whoever sends the file again makes another job."""
    try:
        yield
    except BaseException:
        await run_in_threadpool(service.cancel, job_id, None)
        raise


def _keep(receiver: Receiver, rest: bytes) -> None:
    receiver.write(rest)
    receiver.save()


async def _skip(body: Body, upload: Upload) -> hashlib._Hash:
    """Pass over what was received of the file before. ConflictError if it was something else."""
    digest = hashlib.sha256()
    left = upload.received_bytes
    while left and (block := await body.read(left)):
        left -= len(block)
        digest.update(block)
    more = await body.read(1) if upload.ended else b""
    if left or more or (upload.received_bytes and digest.hexdigest() != upload.digest):
        raise ConflictError(
            f"{upload.table}/{upload.name} is there with another content. Use another name, or another job.",
            received_bytes=upload.received_bytes,
        )
    return digest


class Body:
    """A request's body in blocks of a good size."""

    def __init__(self, request: Request) -> None:
        self._stream = request.stream()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._over = False

    async def read(self, most: int | None = None) -> bytes:
        """Return the next bytes, at most ``most``; empty at the end. ClientDisconnect when the client went away."""
        enough = _BLOCK_BYTES if most is None else min(most, _BLOCK_BYTES)
        while self._held_bytes < enough and not self._over:
            block = await anext(self._stream, None)
            if block is None:
                self._over = True
            else:
                self._hold(block)
        taken = self.rest()
        self._held, self._held_bytes = [], 0
        if most is not None and len(taken) > most:
            self._hold(taken[most:])
            taken = taken[:most]
        return taken

    def rest(self) -> bytes:
        """Return what arrived and was not read."""
        return b"".join(self._held)

    def _hold(self, block: bytes) -> None:
        self._held.append(block)
        self._held_bytes += len(block)


def declared_sha256(header: str | None) -> str | None:
    """Return the sha256 (hex) in a ``Repr-Digest`` or ``Digest`` header; other algorithms are passed over."""
    match = _DIGEST.search(header or "")
    if match is None:
        return None
    try:
        raw = base64.b64decode(match.group(1), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != hashlib.sha256().digest_size:
        raise UsageError("The digest header's sha-256 is not the base64 of 32 bytes.")
    return raw.hex()
