"""Named bytes: whole or not there, durable, and the same to every reader."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_kit import OPENERS, Place, context, delete_and_die, put_and_die, put_new, whole

from tolva.errors import StorageError
from tolva.storage import Storage


@pytest.fixture(params=list(OPENERS))
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    environment = request.getfixturevalue("s3").access.environment() if request.param == "s3" else {}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Place(request.param, tmp_path, environment)


@pytest.fixture
def storage(place: Place) -> Storage:
    return place.open()


@pytest.mark.parametrize(
    "data",
    [
        [],
        [b""],
        [b"a"],
        [b"a", b"", bytearray(b"bc"), memoryview(b"de")[1:]],
        [memoryview(bytes(3_000_000)).cast("I")],
        [bytes([n]) * 1_000_000 for n in range(12)],
    ],
    ids=["nothing", "empty", "one", "kinds of buffers", "wide items", "large"],
)
def test_what_was_put_is_there_in_whole(storage: Storage, data: list[bytes]) -> None:
    expected = b"".join(bytes(memoryview(each).cast("B")) for each in data)

    assert storage.put("a/b/c", iter(data)) == len(expected)

    assert whole(storage, "a/b/c") == expected
    assert storage.size("a/b/c") == len(expected)
    assert b"".join(storage.stream("a/b/c")) == expected
    assert list(storage.list("a")) == ["a/b/c"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_ranges_come_as_asked_for(storage: Storage, data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=0, max_size=200))
    places = st.integers(0, len(content))
    ends = data.draw(st.lists(st.tuples(places, places).map(sorted), max_size=8))
    ranges = [(start, end - start) for start, end in ends]
    storage.put("k", [content])

    found = storage.get("k", ranges)

    assert [bytes(each) for each in found] == [content[start:end] for start, end in ends]


@pytest.mark.parametrize("block_bytes", [1, 7, 10, 11, 1000])
def test_a_stream_comes_in_blocks(storage: Storage, block_bytes: int) -> None:
    storage.put("k", [b"0123456789"])

    blocks = list(storage.stream("k", block_bytes=block_bytes))

    assert b"".join(blocks) == b"0123456789"
    assert all(0 < len(block) <= block_bytes for block in blocks)


def test_a_second_put_replaces_the_first_and_readers_keep_what_they_had(storage: Storage) -> None:
    storage.put("k", [b"first"])
    had = storage.get("k")[0]

    storage.put("k", [b"2nd"])

    assert bytes(had) == b"first"
    assert whole(storage, "k") == b"2nd"


@pytest.mark.parametrize("times", [1, 1_000_000])
def test_what_is_stored_may_come_from_the_storage_itself(storage: Storage, times: int) -> None:
    storage.put("a", [times * b"first ", b"second"])

    storage.put("b", (buffer for key in ("a", "a") for buffer in storage.get(key, [(0, 6 * times)])))
    storage.put("c", storage.stream("b", block_bytes=4 * times))

    assert whole(storage, "c") == 2 * times * b"first "


def test_what_is_stored_may_fail_to_come(storage: Storage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"first"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        storage.put("a", broken())

    assert storage.size("a") is None


def test_what_was_read_outlives_its_deletion(storage: Storage) -> None:
    storage.put("k", [b"content"])
    views = storage.get("k", [(0, 3), (3, 4)])

    storage.delete(["k"])

    assert [bytes(view) for view in views] == [b"con", b"tent"]


def test_put_new_stores_only_where_nothing_is(storage: Storage) -> None:
    assert storage.put_new("a/k", b"first") is True
    assert storage.put_new("a/k", b"second") is False
    assert whole(storage, "a/k") == b"first"
    storage.delete(["a/k"])
    assert storage.put_new("a/k", b"") is True
    assert whole(storage, "a/k") == b""


def test_of_many_threads_that_put_new_one_wins(storage: Storage) -> None:
    for n in range(10):
        start = Barrier(8)

        def put(who: int, n: int = n, start: Barrier = start) -> bool:
            start.wait()
            return storage.put_new(f"race/{n}", b"%d" % who)

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(put, range(8)))

        assert won.count(True) == 1
        assert whole(storage, f"race/{n}") == b"%d" % won.index(True)


def test_of_many_processes_that_put_new_one_wins(place: Place) -> None:
    with context.Pool(4) as pool:
        for n in range(5):
            won = pool.starmap(put_new, [(place, f"k{n}", b"%d" % who) for who in range(4)], chunksize=1)
            assert won.count(True) == 1
            assert whole(place.open(), f"k{n}") == b"%d" % won.index(True)
    assert sorted(place.open().list("")) == [f"k{n}" for n in range(5)]


def test_a_link_is_the_whole_object_or_nothing(storage: Storage, tmp_path: Path) -> None:
    storage.put("a/b", [b"xy", b"z"])
    linked = tmp_path / "linked"
    if storage.link("a/b", linked):
        storage.delete(["a/b"])
        assert linked.read_bytes() == b"xyz"
    else:
        assert not linked.exists()
    assert not storage.link("a/none", tmp_path / "none")
    storage.put("a/c", [b"other"])
    linked.write_bytes(b"mine")
    assert not storage.link("a/c", linked)
    assert linked.read_bytes() == b"mine"


def test_a_put_whose_data_fails_leaves_nothing(storage: Storage) -> None:
    def data() -> Iterator[bytes]:
        yield bytes(6_000_000)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        storage.put("a/k", data())

    assert storage.size("a/k") is None
    assert list(storage.list("")) == []


def test_what_isn_t_there(storage: Storage) -> None:
    assert storage.size("no/k") is None
    assert list(storage.list("no")) == []
    storage.delete(["no/k"])
    storage.delete_below("no")
    with pytest.raises(StorageError, match="no/k: there are no such bytes") as caught:
        storage.get("no/k")
    assert caught.value.data["key"] == "no/k"
    with pytest.raises(StorageError, match="no/k"):
        list(storage.stream("no/k"))


def test_listing_and_deleting_below_a_folder(storage: Storage) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/a", "tables/1"):
        storage.put(key, [b"x"])

    assert sorted(storage.list("jobs/1")) == ["jobs/1/a", "jobs/1/b/c"]
    assert sorted(storage.list("jobs")) == ["jobs/1/a", "jobs/1/b/c", "jobs/10/a"]
    assert sorted(storage.folders("jobs")) == ["1", "10"]
    assert list(storage.folders("jobs/1")) == ["b"]
    assert list(storage.folders("none")) == []
    storage.delete(["jobs/1/a", "never/there", "jobs/10/a"])
    assert sorted(storage.list("")) == ["jobs/1/b/c", "tables/1"]
    storage.put("jobs/1/b/d", [b"x"])
    storage.delete_below("jobs/1", keep={"jobs/1/b/d", "jobs/1/gone", "tables/1"})
    assert sorted(storage.list("")) == ["jobs/1/b/d", "tables/1"]
    storage.delete_below("jobs")
    assert list(storage.list("")) == ["tables/1"]
    assert list(storage.folders("jobs")) == []
    storage.put("jobs/1/a", [b"again"])
    assert whole(storage, "jobs/1/a") == b"again"


def test_many_writers_below_one_new_folder(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: storage.put(f"new/{n % 3}/{n}/k", [b"%d" % n]), range(40)))

    assert {key: whole(storage, key) for key in storage.list("new")} == {
        f"new/{n % 3}/{n}/k": b"%d" % n for n in range(40)
    }


@pytest.mark.parametrize(
    ("point", "there"),
    [("storage.put.before", False), ("storage.put.unfinished", False), ("storage.put.after", True)],
)
def test_a_killed_put_leaves_all_or_nothing(place: Place, point: str, there: bool) -> None:
    data = [b"x" * 1000] * 3
    victim = context.Process(target=put_and_die, args=(place, "a/k", data, point))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL

    storage = place.open()
    assert storage.size("a/k") == (3000 if there else None)
    assert list(storage.list("")) == (["a/k"] if there else [])
    if place.adapter == "local" and point == "storage.put.unfinished":
        assert list(storage.folders("")) == ["a"]
    assert storage.put_new("a/k", b"new") is not there
    storage.delete_below("a")
    assert list(storage.list("")) == []
    assert list(storage.folders("")) == []


@pytest.mark.parametrize(
    ("point", "left"), [("storage.delete.before", {"a/1", "a/2"}), ("storage.delete.after", {"a/2"})]
)
def test_a_killed_delete_can_be_repeated(place: Place, point: str, left: set[str]) -> None:
    storage = place.open()
    for key in ("a/1", "a/2"):
        storage.put(key, [b"x"])
    victim = context.Process(target=delete_and_die, args=(place, ["a/1", "a/2"], point))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL

    if place.adapter == "s3" and point == "storage.delete.after":
        left = set()  # one request deletes them all
    assert set(storage.list("a")) == left
    storage.delete(["a/1", "a/2"])
    assert list(storage.list("a")) == []


def test_an_object_that_is_a_file_can_be_opened_as_one(storage: Storage) -> None:
    storage.put("a/b", [b"bytes"])
    path = storage.path("a/b")
    assert path is None or path.read_bytes() == b"bytes"
