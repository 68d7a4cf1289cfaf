"""Resumable uploads: a real tus client, cut off at random offsets; and what the protocol asks for besides."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import random
from pathlib import Path
from typing import Any

import httpx2
import pytest
from server_kit import HEADER, Api, Server, question, rows
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

from variants import variants

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = VERSION | {"Content-Type": "application/offset+octet-stream"}


class _Cut(io.BytesIO):
    """A file whose reading breaks off at a byte."""

    def __init__(self, content: bytes, at: int) -> None:
        super().__init__(content)
        self._at = at

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._at:
            raise ConnectionError("cut off")
        return super().read(size)


@pytest.mark.parametrize(
    ("pack", "killed"),
    variants(
        [pytest.param(bytes, False, id="plain"), pytest.param(gzip.compress, True, id="gzip-killed")],
        [pytest.param(bytes, True, id="plain-killed"), pytest.param(gzip.compress, False, id="gzip")],
    ),
)
def test_tuspy_cut_off_at_random_offsets(server: Server, pack: Any, killed: bool, tmp_path: Path) -> None:
    print(f"TOLVA_SEED={SEED}")
    chance = random.Random(SEED)
    own = server
    if killed:
        (tmp_path / "data").mkdir()
        own = Server(tmp_path)
        own.start()
    content = pack(HEADER + b"".join(b"%d,%d\n" % (n, chance.randrange(10**9)) for n in range(200_000)))
    with own.client() as api:
        job = api.submit(question())
    location = None
    for round_ in range(4):
        file = _Cut(content, chance.randrange(len(content)))
        try:
            uploader = _uploader(own, job, file, location, chance.choice([10_000, 100_000, 1_000_000]))
            while True:
                uploader.upload_chunk()
                location = uploader.url
        except (ConnectionError, TusCommunicationError, TusUploadFailed):
            location = uploader.url or location
        if killed and round_ == 1:
            own.kill()
            own.start()
            location = location and own.url + location.partition("/api")[1] + location.partition("/api")[2]
    uploader = _uploader(own, job, io.BytesIO(content), location, 300_000)
    uploader.upload()
    with own.client() as api:
        api.start_job(job)
        api.wait(job)
        assert api.answer(job) == f"n,s\n200000,{sum(range(200_000))}\n"
    if killed:
        own.close()


def _uploader(server: Server, job: str, file: io.BytesIO, location: str | None, chunk_bytes: int) -> Any:
    client = TusClient(f"{server.url}/api/v1/jobs/{job}/tus")
    metadata = {"table": "t", "filename": "x.csv"}
    return client.uploader(
        file_stream=file, chunk_size=chunk_bytes, metadata=metadata, url=location, upload_checksum=True, retries=0
    )


def test_options_tell_what_is_spoken(api: Api) -> None:
    answer = api.options("/api/v1/jobs/any/tus")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {"creation", "checksum", "expiration", "termination"}


def test_offsets(api: Api) -> None:
    job = api.submit(question())
    content = HEADER + rows(0, 10)
    url = _create(api, job, len(content))
    assert _patch(api, url, 1, content[1:]).status_code == 409
    first = _patch(api, url, 0, content[:10])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "10")
    assert "upload-expires" in first.headers
    told = api.head(url, headers=VERSION)
    assert (told.headers["upload-offset"], told.headers["upload-length"]) == ("10", str(len(content)))
    assert told.headers["cache-control"] == "no-store"
    assert api.start_job(job).status_code == 409
    assert _patch(api, url, 10, content[10:] + b"more").status_code == 413
    assert _patch(api, url, 10, content[10:]).headers["upload-offset"] == str(len(content))
    assert _patch(api, url, len(content), b"").status_code == 204
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == "n,s\n10,45\n"


def test_a_wrong_checksum_changes_nothing(api: Api) -> None:
    job = api.submit(question())
    content = HEADER + rows(0, 10)
    url = _create(api, job, len(content))
    for algorithm in ("sha1", "sha256"):
        wrong = base64.b64encode(hashlib.new(algorithm, b"other").digest()).decode()
        refused = _patch(api, url, 0, content, **{"Upload-Checksum": f"{algorithm} {wrong}"})
        assert (refused.status_code, refused.json()["code"]) == (460, "tus_checksum")
    assert api.head(url, headers=VERSION).headers["upload-offset"] == "0"
    assert _patch(api, url, 0, content, **{"Upload-Checksum": "crc32 AAAA"}).status_code == 422
    right = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert _patch(api, url, 0, content, **{"Upload-Checksum": f"sha256 {right}"}).status_code == 204
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == "n,s\n10,45\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_declared_sha256_is_that_of_the_whole_file(api: Api, pack: Any) -> None:
    job = api.submit(question())
    content = pack(HEADER + rows(0, 100_000))
    wrong, right = (hashlib.sha256(each).hexdigest().encode() for each in (b"other", content))
    for sha256, code in ((wrong, 422), (right, 204)):
        url = _create(api, job, len(content), sha256)
        assert _patch(api, url, 0, content[:100]).headers["upload-offset"] == "100"
        assert _patch(api, url, 100, content[100:-1]).headers["upload-offset"] == str(len(content) - 1)
        assert all(stage["tasks_created"] == 0 for stage in api.job(job)["progress"]["stages"])
        last = _patch(api, url, len(content) - 1, content[-1:])
        assert last.status_code == code, last.text
        if code == 422:
            assert last.json()["code"] == "checksum"
            assert api.head(url, headers=VERSION).status_code == 404
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == f"n,s\n100000,{sum(range(100_000))}\n"


def test_a_declared_sha256_outlives_the_server(tmp_path: Path) -> None:
    content = HEADER + rows(0, 1000)
    server = Server(tmp_path)
    server.start()
    with server.client() as api:
        job = api.submit(question())
        url = _create(api, job, len(content), hashlib.sha256(content).hexdigest().encode())
        assert _patch(api, url, 0, content[:5000]).headers["upload-offset"] == "5000"
    server.kill()
    server.start()
    with server.client() as api:
        assert _patch(api, url, 5000, content[5000:]).status_code == 204
        api.start_job(job)
        api.wait(job)
        assert api.answer(job) == "n,s\n1000,499500\n"
    server.close()


def test_what_is_no_sha256_is_refused(api: Api) -> None:
    job = api.submit(question())
    metadata = f"table dA==,filename eA==,sha256 {base64.b64encode(b'short').decode()}"
    answer = api.post(f"/api/v1/jobs/{job}/tus", headers=VERSION | {"Upload-Length": "1", "Upload-Metadata": metadata})
    assert (answer.status_code, "64 hexadecimal digits" in answer.json()["detail"]) == (422, True)


def test_terminate(api: Api) -> None:
    job = api.submit(question())
    url = _create(api, job, 100)
    _patch(api, url, 0, HEADER)
    assert api.delete(url, headers=VERSION).status_code == 204
    assert api.head(url, headers=VERSION).status_code == 404


def test_what_isnt_tus_is_refused(api: Api) -> None:
    job = api.submit(question())
    url = _create(api, job, 100)
    assert api.head(url).status_code == 412
    assert api.patch(url, content=b"x", headers=VERSION | {"Upload-Offset": "0"}).status_code == 415
    for metadata in ("", "table", "table !", "filename eA==", "table //4=,filename eA=="):
        answer = api.post(
            f"/api/v1/jobs/{job}/tus", headers=VERSION | {"Upload-Length": "1", "Upload-Metadata": metadata}
        )
        assert answer.status_code == 422, metadata


def _create(api: Api, job: str, length: int, sha256: bytes | None = None) -> str:
    said = {"table": b"t", "filename": b"x.csv"} | ({} if sha256 is None else {"sha256": sha256})
    metadata = ",".join(f"{k} {base64.b64encode(v).decode()}" for k, v in said.items())
    headers = VERSION | {"Upload-Length": str(length), "Upload-Metadata": metadata}
    answer = api.post(f"/api/v1/jobs/{job}/tus", headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def _patch(api: Api, url: str, offset: int, content: bytes, **headers: str) -> httpx2.Response:
    return api.patch(url, content=content, headers=BYTES | {"Upload-Offset": str(offset)} | headers)
