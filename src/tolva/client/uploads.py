"""Send a file by tus 1.0.0 (https://tus.io/protocols/resumable-upload): what the server has is never sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from tolva.client.http import Http
from tolva.client.sending import Announced, LocalFile, Steps, opened
from tolva.errors import ConflictError, UnreachableError
from tolva.protocol import MAX_ANNOUNCED_FILES

_VERSION = {"Tus-Resumable": "1.0.0"}
_REQUEST_BYTES = 64 * 2**20
"""At the end of each request the server stores what is in no chunk yet, to store it again with its chunk."""

_FIRST_BYTES = 2**20
"""Of a file that others wait for, the first request brings as much as tells a table's columns."""

_BLOCK_BYTES = 2**20
_TRIES = 10


def announce(http: Http, job: str, files: Sequence[LocalFile]) -> list[Announced]:
    """Tell the server of the files, in this order, for the job at the path ``job``."""
    found: list[Announced] = []
    for start in range(0, len(files), MAX_ANNOUNCED_FILES):
        some = files[start : start + MAX_ANNOUNCED_FILES]
        said = [{"table": file.table, "name": file.name, "bytes": file.bytes} for file in some]
        there = http.call("POST", f"{job}/files", json={"files": said}).json()["files"]
        found += [
            Announced(file, upload["id"], upload["received_bytes"], upload["ended"])
            for file, upload in zip(some, there, strict=True)
        ]
    return found


def send_file(http: Http, job: str, announced: Announced, on_sent: Callable[[int], None]) -> Steps:
    """Send a file of the job at the path ``job`` by tus; yield how far it is: how far it was, then after each request.

    InputError if it can't be read; UnreachableError when ten tries in a row get no further. See ``sending.Send``.
    """
    file, offset, tries = announced.file, announced.received_bytes, 0
    place = f"{job}/tus/{announced.upload}"
    with opened(file) as source:
        yield offset
        if not file.bytes and not announced.ended:
            _append(http, place, 0, 0, ())
        while offset < file.bytes:
            most = _FIRST_BYTES if file.leads and offset == 0 else _REQUEST_BYTES
            end = min(offset + most, file.bytes)
            try:
                reached = _append(http, place, offset, end, _blocks(source, offset, end, on_sent))
            except (ConflictError, UnreachableError):
                # The server has more or less than this end thought; it knows best.
                tries += 1
                if tries == _TRIES:
                    raise
                reached = _offset(http, place)
            tries = 0 if reached > offset else tries
            offset = reached
            yield offset


def _offset(http: Http, place: str) -> int:
    return int(http.call("HEAD", place, headers=_VERSION).headers["upload-offset"])


def _append(http: Http, place: str, offset: int, end: int, blocks: Iterable[bytes]) -> int:
    headers = _VERSION | {
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(end - offset),
    }
    answer = http.call("PATCH", place, repeat=False, headers=headers, content=blocks)
    return int(answer.headers["upload-offset"])


def _blocks(source: BinaryIO, offset: int, end: int, on_sent: Callable[[int], None]) -> Iterator[bytes]:
    source.seek(offset)
    while offset < end and (block := source.read(min(end - offset, _BLOCK_BYTES))):
        yield block
        offset += len(block)
        on_sent(offset)
