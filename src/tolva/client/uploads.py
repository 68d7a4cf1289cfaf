"""Send a file by tus 1.0.0 (https://tus.io/protocols/resumable-upload): what the server has is never sent again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from tolva.client.http import Http
from tolva.errors import ConflictError, InputError, UnreachableError

_VERSION = {"Tus-Resumable": "1.0.0"}
_BLOCK_BYTES = 16 * 2**20
_TRIES = 10


def send_file(http: Http, path: str, table: str, file: Path, name: str, on_bytes: Callable[[int], None]) -> None:
    """Send ``file`` to the tus endpoint at ``path`` as ``name`` of ``table``; tell ``on_bytes`` how far it is.

    InputError if it can't be read; UnreachableError when ten tries in a row get no further.
    """
    try:
        with file.open("rb") as source:
            size = file.stat().st_size
            metadata = f"table {_encoded(table)},name {_encoded(name)}"
            headers = _VERSION | {"Upload-Length": str(size), "Upload-Metadata": metadata}
            answer = http.call("POST", path, headers=headers).headers
            place, offset, tries = answer["location"], int(answer["upload-offset"]), 0
            on_bytes(offset)
            while offset < size:
                source.seek(offset)
                try:
                    reached = _append(http, place, offset, source.read(_BLOCK_BYTES))
                except (ConflictError, UnreachableError):
                    # The server has more or less than this end thought; it knows best.
                    tries += 1
                    if tries == _TRIES:
                        raise
                    reached = _offset(http, place)
                tries = 0 if reached > offset else tries
                offset = reached
                on_bytes(offset)
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.", file=str(file)) from None


def _offset(http: Http, place: str) -> int:
    return int(http.call("HEAD", place, headers=_VERSION).headers["upload-offset"])


def _append(http: Http, place: str, offset: int, data: bytes) -> int:
    headers = _VERSION | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    answer = http.call("PATCH", place, repeat=False, headers=headers, content=data)
    return int(answer.headers["upload-offset"])


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
