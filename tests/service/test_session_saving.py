"""A session's files are made durable often enough for their senders, and not much more often than that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from service_kit import House

from tolva.gateway.access import Caller
from tolva.gateway.session import uploads
from tolva.gateway.session.messages import EndUpload, Upload
from tolva.jobs.documents import validate
from tolva.model import KeyRole
from tolva.protocol import Frame
from tolva.storage import Buffer

SAVE_BYTES, SAVE_ANYWAY_BYTES, FRAME_BYTES = 80_000, 160_000, 5000
SAMPLE_BYTES = 64 * 1024
CONTENT = b"a,b\n" + b"".join(b"%d,a text\n" % n for n in range(70_000))


class Said:
    """A wire that keeps what is said."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def say(self, type_: str, **values: Any) -> None:
        self.messages.append({"type": type_, **values})

    @property
    def acknowledged(self) -> int:
        return int(self.messages[-1]["received_bytes"])


async def _send(house: House, job: str, said: Said) -> list[int]:
    """Send the content; return how much was acknowledged after each frame."""
    taking = uploads.Uploads(house.service, Caller("ann", KeyRole.CLIENT), said)  # type: ignore[arg-type]
    await taking.begin(Upload(type="upload", request=1, job=job, table="t", name="x.csv"))
    upload = str(said.messages[-1]["upload"])
    seen = []
    for offset in range(0, len(CONTENT), FRAME_BYTES):
        await taking.take(Frame(upload, 0, offset, memoryview(CONTENT)[offset : offset + FRAME_BYTES]))
        seen.append(said.acknowledged)
    await taking.end(EndUpload(type="end_upload", request=2, upload=upload))
    assert said.acknowledged == len(CONTENT)
    return seen


@pytest.mark.parametrize(
    ("chunk_bytes", "stored_at_most"),
    [
        # Nearly all bytes are stored once, and the file's beginning twice.
        pytest.param(SAVE_BYTES, 1.2 * len(CONTENT), id="chunks are smaller than what is saved"),
        pytest.param(4 * SAVE_BYTES, 3 * len(CONTENT), id="no chunk is complete for long"),
    ],
)
def test_bytes_are_saved_in_time_and_mostly_with_their_chunk(
    chunk_bytes: int, stored_at_most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_SAVE_BYTES", SAVE_BYTES)
    monkeypatch.setattr(uploads, "_SAVE_ANYWAY_BYTES", SAVE_ANYWAY_BYTES)
    house = House(tmp_path, upload_chunk_bytes=chunk_bytes)
    stored: list[int] = []
    put = house.backends.storage.put

    def counted(key: str, data: Iterable[Buffer]) -> int:
        stored.append(put(key, data))
        return stored[-1]

    monkeypatch.setattr(house.backends.storage, "put", counted)
    document = validate({"kind": "query", "tables": {"t": {}}, "queries": {"q": "FROM t"}}, "test")
    job = house.service.submit(document, "ann").id
    seen = asyncio.run(_send(house, job, Said()))
    house.close()
    sent = [min(FRAME_BYTES * (n + 1), len(CONTENT)) for n in range(len(seen))]
    assert all(there - known < SAVE_ANYWAY_BYTES for there, known in zip(sent, seen, strict=True))
    # Other files of the table wait for that.
    assert all(known > 0 for there, known in zip(sent, seen, strict=True) if there >= SAMPLE_BYTES)
    assert len(CONTENT) <= sum(stored) < stored_at_most
