"""Delivering copies parts whole, tells the truth in the manifest, and may be repeated."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tolva.errors import OutputError, StorageError
from tolva.jobs.deliver import check_folder, deliver, delivered_job, manifest_of
from tolva.model import Part
from tolva.storages.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage")


def stored(storage: LocalStorage, ordinal: int, data: bytes) -> Part:
    key = f"jobs/j/finish/{ordinal}"
    storage.put(key, [data])
    digest = hashlib.sha256(data).hexdigest()
    return Part("q", ordinal, f"q_{ordinal:04}.csv", "csv", key, 1, len(data), digest)


def test_parts_and_manifest(storage: LocalStorage, tmp_path: Path) -> None:
    parts = [stored(storage, 1, b"a\n1\n"), stored(storage, 2, b"a\n2\n")]
    check_folder(tmp_path / "out")
    deliver("j", parts, storage, tmp_path / "out")
    assert (tmp_path / "out/q_0001.csv").read_bytes() == b"a\n1\n"
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest == manifest_of("j", parts)
    assert delivered_job(tmp_path / "out") == "j"
    assert delivered_job(tmp_path) is None
    assert [part["name"] for part in manifest["output"]] == ["q_0001.csv", "q_0002.csv"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["manifest.json", "q_0001.csv", "q_0002.csv"]


def test_parts_of_an_earlier_run_don_t_stay_behind_but_other_files_do(storage: LocalStorage, tmp_path: Path) -> None:
    deliver("j", [stored(storage, 1, b"1"), stored(storage, 2, b"2")], storage, tmp_path)
    (tmp_path / "q_0009.csv").write_text("mine")
    deliver("k", [stored(storage, 1, b"3")], storage, tmp_path)
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {"manifest.json", "q_0001.csv", "q_0009.csv"}
    assert (tmp_path / "q_0001.csv").read_bytes() == b"3"


@pytest.mark.parametrize("linked", [True, False])
def test_damaged_bytes_are_never_served(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    if not linked:
        monkeypatch.setattr(LocalStorage, "link", lambda *_: False)
    part = stored(storage, 1, b"good")
    deliver("j", [part], storage, tmp_path)
    assert (tmp_path / "q_0001.csv").read_bytes() == b"good"
    (tmp_path / "q_0001.csv").unlink()
    storage.put(part.key, [b"evil"])
    with pytest.raises(StorageError, match="not those that were committed"):
        deliver("j", [part], storage, tmp_path)
    assert not (tmp_path / "q_0001.csv").exists()


def test_a_folder_that_can_t_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"can't be written to .*file/out: Not a directory.*--output"):
        check_folder(tmp_path / "file" / "out")
