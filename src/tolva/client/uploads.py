"""Send a file by tus 1.0.0 (https://tus.io/protocols/resumable-upload): what the server has is never sent again."""

from __future__ import annotations

import base64

from tolva.client.http import Http
from tolva.client.sending import LocalFile, Steps, opened
from tolva.errors import ConflictError, UnreachableError

_VERSION = {"Tus-Resumable": "1.0.0"}
_BLOCK_BYTES = 16 * 2**20
_TRIES = 10


def send_file(http: Http, path: str, file: LocalFile) -> Steps:
    """Send a file to the tus endpoint at ``path``; yield how far it is: first when it was announced, then by blocks.

    InputError if it can't be read; UnreachableError when ten tries in a row get no further.
    """
    with opened(file.path) as source:
        size = file.path.stat().st_size
        metadata = f"table {_encoded(file.table)},name {_encoded(file.name)}"
        headers = _VERSION | {"Upload-Length": str(size), "Upload-Metadata": metadata}
        answer = http.call("POST", path, headers=headers).headers
        place, offset, tries = answer["location"], int(answer["upload-offset"]), 0
        yield offset
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
            yield offset


def _offset(http: Http, place: str) -> int:
    return int(http.call("HEAD", place, headers=_VERSION).headers["upload-offset"])


def _append(http: Http, place: str, offset: int, data: bytes) -> int:
    headers = _VERSION | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    answer = http.call("PATCH", place, repeat=False, headers=headers, content=data)
    return int(answer.headers["upload-offset"])


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
