"""What only local disks have: full disks, rights, limits, and the order of syncs that makes a file last."""

from __future__ import annotations

import multiprocessing
import os
import resource
from pathlib import Path

import pytest
from small_disk import fill, small_disk
from storage_kit import Place, context, put_and_die, whole

from tolva.errors import StorageError
from tolva.storages.local import LocalStorage

__all__ = ["small_disk"]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("piece_bytes", [100_000, 6_000_000])
def test_a_full_disk_stores_nothing_and_says_so(small_disk: Path, piece_bytes: int) -> None:
    storage = LocalStorage(small_disk / "storage")
    storage.put("before", [b"x"])

    with pytest.raises(StorageError, match=r"k: the disk is full\. Free space") as caught:
        storage.put("a/k", [bytes(piece_bytes)] * 20)

    assert caught.value.data["error"] == "ENOSPC"
    assert caught.value.data["folder"] == str(small_disk / "storage")
    assert files_below(small_disk) == ["storage/before"]
    filler = fill(small_disk)
    with pytest.raises(StorageError, match="disk is full"):
        storage.put_new("k", b"x" * 10_000)
    filler.unlink()
    assert storage.put("a/k", [b"now"]) == 3


def test_what_killed_writers_left_goes_and_what_is_kept_stays(tmp_path: Path) -> None:
    place = Place("local", tmp_path)
    storage = place.open()
    storage.put("tables/1/1/k", [b"x"])
    victim = context.Process(target=put_and_die, args=(place, "tables/1/2/k", [b"x"], "storage.put.unfinished"))
    victim.start()
    victim.join()
    assert len(files_below(tmp_path)) == 2

    storage.delete_below("tables/1", keep={"tables/1/1/k"})

    assert files_below(tmp_path) == ["storage/tables/1/1/k"]
    assert not (tmp_path / "storage/tables/1/2").exists()


def put_with_a_limit(folder: Path, answer: multiprocessing.SimpleQueue[object]) -> None:
    storage = LocalStorage(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        storage.put("k", [bytes(2000)])
    except StorageError as error:
        answer.put(error)


def test_a_file_over_the_system_s_limit_is_refused_clearly(tmp_path: Path) -> None:
    answer = context.SimpleQueue()
    victim = context.Process(target=put_with_a_limit, args=(tmp_path, answer))
    victim.start()
    victim.join()

    error = answer.get()
    assert isinstance(error, StorageError)
    assert "larger than the system allows" in error.message
    assert error.data["error"] == "EFBIG"
    assert files_below(tmp_path) == []


def put_as_nobody(folder: Path, answer: multiprocessing.SimpleQueue[object]) -> None:
    storage = LocalStorage(folder)
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        storage.put("k", [b"x"])
    except StorageError as error:
        answer.put(error)


def test_a_folder_without_rights_is_refused_clearly(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    answer = context.SimpleQueue()
    victim = context.Process(target=put_as_nobody, args=(tmp_path, answer))
    victim.start()
    victim.join()

    error = answer.get()
    assert isinstance(error, StorageError)
    assert "may not read or write there" in error.message
    tmp_path.chmod(0o755)


def test_a_folder_that_can_t_be_made_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="Check the disk"):
        LocalStorage(tmp_path / "file" / "storage")


def test_bytes_are_synced_before_their_name_appears_and_new_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "storage")
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        name = "bytes" if path.is_file() else str(path.relative_to(tmp_path))
        synced.append((name, storage.size("a/b/k") is not None))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    storage.put("a/b/k", [b"x"])

    assert synced[0] == ("bytes", False)
    assert synced[1:] == [("storage/a/b", True), ("storage/a", True), ("storage", True)]
    synced.clear()
    storage.put("a/b/k2", [b"x"])
    assert [name for name, _ in synced] == ["bytes", "storage/a/b"]


def test_reading_much_takes_no_copy(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("k", [b"0123456789" * 2000])

    first, second = storage.get("k", [(0, 10_000), (10_000, 10_000)])

    assert first.obj is second.obj
    assert first.readonly
    assert whole(storage, "k") == b"0123456789" * 2000


def test_small_objects_that_are_held_keep_no_files_open(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("k", [b"0123456789"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    held = [storage.get("k", [(n, 2), (0, n)]) for n in range(9)] + [storage.get("k")]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert held[3] == [b"34", b"012"]
    assert held[-1] == [b"0123456789"]
