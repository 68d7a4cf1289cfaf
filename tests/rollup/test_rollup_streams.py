from __future__ import annotations

import errno
import gzip
import json
import os
import random
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from rollup_kit import MakeRollup

from tolva.errors import RecordError, StateError, StorageError
from tolva.rollup import Rollup

pytestmark = pytest.mark.usefixtures("no_fsync")


def finished_contents(rollup: Rollup) -> list[bytes]:
    return [path.read_bytes() for path in (rollup.path / "finished").iterdir()]


def streaming_names(rollup: Rollup) -> list[str]:
    return [path.name for path in (rollup.path / "streaming").iterdir()]


def test_a_file_moves_when_the_stream_closes(make_rollup: MakeRollup) -> None:
    rollup = make_rollup()
    with rollup.stream() as stream:
        stream.write({"id": 1})
        assert len(streaming_names(rollup)) == 1
        assert not finished_contents(rollup)
    assert not streaming_names(rollup)
    assert finished_contents(rollup) == [b'{"id":1}\n']


def test_a_record_is_a_mapping_or_an_encoded_line(make_rollup: MakeRollup) -> None:
    rollup = make_rollup(max_bytes=1000)
    with rollup.stream() as stream:
        stream.write({"name": "Zoë", "n": 1.5, "none": None})
        stream.write('{"name":"str"}')
        stream.write('{"name":"str, newline"}\n')
        stream.write(b'{"name":"bytes"}')
        stream.write(b'{"name":"bytes, CRLF"}\r\n')
    assert finished_contents(rollup)[0].splitlines(keepends=True) == [
        '{"name":"Zoë","n":1.5,"none":null}\n'.encode(),
        b'{"name":"str"}\n',
        b'{"name":"str, newline"}\n',
        b'{"name":"bytes"}\n',
        b'{"name":"bytes, CRLF"}\r\n',
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": date(2025, 1, 1)},
        {"n": float("nan")},
        {"a": "\ud800"},
        "",
        b"\n",
        " \n",
        "{}\n{}",
        b"{}\n{}\n",
        b"{}\n\n",
    ],
)
def test_a_record_that_is_not_one_line_is_refused_and_the_stream_goes_on(make_rollup: MakeRollup, wrong: Any) -> None:
    rollup = make_rollup()
    with rollup.stream() as stream:
        stream.write("1")
        with pytest.raises(RecordError):
            stream.write(wrong)
        stream.write("2")
    assert finished_contents(rollup) == [b"1\n2\n"]


def test_a_stream_rolls_over_before_it_would_pass_the_cap(make_rollup: MakeRollup) -> None:
    rollup = make_rollup(max_bytes=100)
    with rollup.stream() as stream:
        for _ in range(2):
            stream.write("x" * 49)
        assert not finished_contents(rollup)
        stream.write("y")
        assert [len(content) for content in finished_contents(rollup)] == [100]
    assert sorted(map(len, finished_contents(rollup))) == [2, 100]


def test_a_record_over_the_cap_has_a_file_to_itself(make_rollup: MakeRollup) -> None:
    rollup = make_rollup(max_bytes=100)
    with rollup.stream() as stream:
        stream.write("a")
        stream.write("b" * 500)
        stream.write("c")
    assert sorted(map(len, finished_contents(rollup))) == [2, 2, 501]
    rollup.finish()
    rollup.run()
    assert [part.stat().st_size for part in rollup.parts()] == [501, 4]


def test_a_stream_without_records_leaves_nothing(make_rollup: MakeRollup) -> None:
    rollup = make_rollup()
    with rollup.stream():
        pass
    assert not finished_contents(rollup)
    assert not streaming_names(rollup)


def test_a_stream_left_by_an_exception_is_thrown_away(make_rollup: MakeRollup) -> None:
    rollup = make_rollup(max_bytes=100)
    with suppress(LookupError), rollup.stream() as stream:
        stream.write("x")
        raise LookupError
    assert not finished_contents(rollup)
    assert not streaming_names(rollup)
    rollup.finish()
    assert rollup.run() == 0


def test_a_closed_stream_takes_nothing_more(make_rollup: MakeRollup) -> None:
    rollup = make_rollup()
    with rollup.stream() as stream:
        stream.write("x")
    stream.close()
    stream.discard()
    with pytest.raises(StateError, match="is closed"):
        stream.write("y")
    assert finished_contents(rollup) == [b"x\n"]


def test_a_full_disk_discards_the_stream(make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch) -> None:
    rollup = make_rollup()

    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stream = rollup.stream()
    stream.write("x")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="No space left"):
            stream.close()
    stream.close()
    assert not finished_contents(rollup)
    assert not streaming_names(rollup)
    rollup.finish()


def test_a_short_write_is_gone_on_with(make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch) -> None:
    rollup = make_rollup(max_bytes=10_000)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    with rollup.stream() as stream:
        stream.write("x" * 1000)
    assert finished_contents(rollup) == [b"x" * 1000 + b"\n"]


@pytest.mark.parametrize("letters", ["abcdefgh", "a", "".join(map(chr, range(32, 127)))])
@pytest.mark.parametrize("max_bytes", [200, 1000, 20_000])
def test_gzip_streams_keep_to_the_cap_on_disk(make_rollup: MakeRollup, letters: str, max_bytes: int) -> None:
    rollup = make_rollup(max_bytes=max_bytes, gzip=True)
    rng = random.Random(1)
    records = [json.dumps("".join(rng.choices(letters, k=rng.randrange(100)))) for _ in range(1000)]
    with rollup.stream() as stream:
        for record in records:
            stream.write(record)
    files = finished_contents(rollup)
    assert max(map(len, files)) <= max_bytes
    assert sorted(b"".join(map(gzip.decompress, files)).decode().splitlines()) == sorted(records)
    rollup.finish()
    rollup.run()
    assert all(part.name.endswith(".ndjson.gz") and part.stat().st_size <= max_bytes for part in rollup.parts())
    content = b"".join(gzip.decompress(part.read_bytes()) for part in rollup.parts())
    assert sorted(content.decode().splitlines()) == sorted(records)


def test_gzip_files_come_close_to_the_cap(make_rollup: MakeRollup) -> None:
    rollup = make_rollup(max_bytes=100_000, gzip=True)
    rng = random.Random(2)
    with rollup.stream() as stream:
        for _ in range(40_000):
            stream.write({"id": rng.randrange(10**9), "text": "the same text again and again"})
    sizes = sorted(map(len, finished_contents(rollup)))
    assert all(size > 98_000 for size in sizes[1:])
