"""Resumable uploads by the tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload).

With the extensions creation, checksum, expiration and termination. An offset is acknowledged when its bytes are
durable; from there any client goes on, also after the server was killed. The table and the file's name are the
upload's metadata ``table`` and ``filename`` (or ``name``). With ``sha256`` among it the whole file is verified, too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from email.utils import formatdate
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tolva.errors import ConflictError, TolvaError, TooLargeError, UsageError
from tolva.gateway.access import Called
from tolva.gateway.files import Body
from tolva.gateway.hands import by_hand
from tolva.gateway.services import Service
from tolva.gateway.views import API
from tolva.jobs.receiver import Receiver
from tolva.jobs.service import JobService
from tolva.model import NewUpload, Upload

router = APIRouter(prefix=f"{API}/jobs/{{job_id}}/tus", tags=["files"])

_VERSION = "1.0.0"
_EXTENSIONS = "creation,checksum,expiration,termination"
_ALGORITHMS: dict[str, Callable[[], hashlib._Hash]] = {
    "sha256": hashlib.sha256,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
}
_SHA256 = re.compile("[0-9a-f]{64}")
_MEDIA_TYPE = "application/offset+octet-stream"


class UnsupportedVersionError(UsageError):
    """The client speaks another version of tus."""

    code = "tus_version"
    http_status = 412


class MediaTypeError(UsageError):
    """A PATCH has another content type than tus asks for."""

    code = "media_type"
    http_status = 415


class MismatchError(UsageError):
    """The bytes of a PATCH don't have the checksum it gave; none of them was kept."""

    code = "tus_checksum"
    http_status = 460


@router.options("", status_code=204)
def options(response: Response) -> None:
    """Tell what is spoken here."""
    _say(response)
    response.headers["Tus-Version"] = _VERSION
    response.headers["Tus-Extension"] = _EXTENSIONS
    response.headers["Tus-Checksum-Algorithm"] = ",".join(_ALGORITHMS)


@router.post("", status_code=201)
def create(
    job_id: str,
    response: Response,
    service: Service,
    caller: Called,
    upload_length: Annotated[int, Header(ge=0, le=2**62)],
    upload_metadata: Annotated[str, Header()],
    tus_resumable: Annotated[str | None, Header()] = None,
) -> None:
    """Announce a file; its upload is at ``Location``. One announced before is found there again, with its bytes."""
    _check_version(tus_resumable)
    said = _metadata(upload_metadata)
    table, name = said.get("table"), said.get("filename", said.get("name"))
    if table is None or name is None:
        raise UsageError("Upload-Metadata must have table and filename, each with its value in base64.")
    sha256 = said.get("sha256")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise UsageError("Upload-Metadata: sha256 is that of the whole file, 64 hexadecimal digits in lower case.")
    [upload] = service.uploads.begin(job_id, caller.scope, NewUpload(table, name, upload_length, sha256))
    if upload_length == 0 and not upload.ended:
        upload = service.uploads.receive(upload).end()
    _say(response, service, upload)
    response.headers["Location"] = f"{API}/jobs/{job_id}/tus/{upload.id}"


@router.head("/{upload_id}")
def head(
    job_id: str,
    upload_id: str,
    response: Response,
    service: Service,
    caller: Called,
    tus_resumable: Annotated[str | None, Header()] = None,
) -> None:
    """Tell how much of a file is durable."""
    _check_version(tus_resumable)
    upload = service.uploads.one(job_id, caller.scope, upload_id)
    _say(response, service, upload)
    if upload.bytes is not None:
        response.headers["Upload-Length"] = str(upload.bytes)
    response.headers["Cache-Control"] = "no-store"


@router.patch("/{upload_id}", status_code=204)
async def patch(
    job_id: str,
    upload_id: str,
    request: Request,
    response: Response,
    service: Service,
    caller: Called,
    upload_offset: Annotated[int, Header(ge=0, le=2**62)],
    content_type: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
    tus_resumable: Annotated[str | None, Header()] = None,
) -> None:
    """Send the next bytes of a file. When they break off, those that arrived are kept, unless they have a checksum."""
    _check_version(tus_resumable)
    if content_type != _MEDIA_TYPE:
        raise MediaTypeError(f"Send the bytes as {_MEDIA_TYPE}.")
    checksum = _Checksum(upload_checksum)
    upload = await run_in_threadpool(service.uploads.one, job_id, caller.scope, upload_id)
    if upload.received_bytes != upload_offset:
        raise ConflictError(
            f"The upload has {upload.received_bytes} bytes; go on there.", received_bytes=upload.received_bytes
        )
    if not upload.ended:
        receiver = await by_hand(service.uploads.receive, upload, hold=checksum.expected is not None)
        await _take(Body(request), receiver, checksum)
        service.uploads.keep(receiver)
        upload = receiver.upload
    _say(response, service, upload)


@router.delete("/{upload_id}", status_code=204)
def terminate(
    job_id: str,
    upload_id: str,
    response: Response,
    service: Service,
    caller: Called,
    tus_resumable: Annotated[str | None, Header()] = None,
) -> None:
    """Forget an upload of which no record is in work yet; 409 otherwise."""
    _check_version(tus_resumable)
    service.uploads.discard(job_id, caller.scope, upload_id)
    _say(response)


class _Checksum:
    """What ``Upload-Checksum`` says of the bytes of one PATCH."""

    def __init__(self, header: str | None) -> None:
        self.expected: bytes | None = None
        if header is None:
            return
        algorithm, _, value = header.partition(" ")
        if algorithm not in _ALGORITHMS:
            raise UsageError(f"Upload-Checksum knows {', '.join(_ALGORITHMS)}, not {algorithm!r}.")
        self._digest = _ALGORITHMS[algorithm]()
        self.expected = _decoded(value, "Upload-Checksum")

    def update(self, data: bytes) -> None:
        if self.expected is not None:
            self._digest.update(data)

    def check(self) -> None:
        if self.expected is not None and self._digest.digest() != self.expected:
            raise MismatchError("The bytes don't have the checksum that was given; send them again.")


async def _take(body: Body, receiver: Receiver, checksum: _Checksum) -> None:
    try:
        while block := await body.read():
            checksum.update(block)
            _check_length(receiver, len(block))
            await by_hand(receiver.write, block)
        checksum.check()
        whole = receiver.received_bytes == receiver.upload.bytes
        await by_hand(receiver.end if whole else receiver.save)
    except ClientDisconnect:
        if checksum.expected is None:
            rest = body.rest()
            _check_length(receiver, len(rest))
            await by_hand(receiver.write, rest)
            await by_hand(receiver.save)
        else:
            await by_hand(receiver.abandon)
        raise
    except TolvaError:
        await by_hand(receiver.abandon)
        raise


def _check_length(receiver: Receiver, more: int) -> None:
    length = receiver.upload.bytes
    if length is not None and receiver.received_bytes + more > length:
        raise TooLargeError(f"The upload was announced with {length} bytes, and more came.", limit_bytes=length)


def _check_version(said: str | None) -> None:
    if said != _VERSION:
        raise UnsupportedVersionError(f"This is tus {_VERSION}: send the header Tus-Resumable: {_VERSION}.")


def _say(response: Response, service: JobService | None = None, upload: Upload | None = None) -> None:
    response.headers["Tus-Resumable"] = _VERSION
    if service is not None and upload is not None:
        response.headers["Upload-Offset"] = str(upload.received_bytes)
        if not upload.ended:
            response.headers["Upload-Expires"] = formatdate(service.uploads.expires_at(upload), usegmt=True)


def _metadata(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = _decoded(value, "Upload-Metadata").decode()
        except UnicodeDecodeError:
            raise UsageError(f"Upload-Metadata: the value of {key!r} is not UTF-8.") from None
    return found


def _decoded(value: str, header: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{header}: {value[:40]!r} is not base64.") from None
