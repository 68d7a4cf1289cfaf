"""Bring a completed job's parts from storage into a folder, with a manifest beside them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tolva import crash
from tolva.errors import OutputError, StorageError
from tolva.model import Part
from tolva.storage import Storage

MANIFEST = "manifest.json"

_AT_ONCE = 2
"""How many parts are delivered at once: checking one takes a core, and syncing one none."""


def check_folder(folder: Path) -> None:
    """Make the folder and see that files can be made in it; OutputError says why not."""
    probe = folder / f".tolva-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _cannot_write(folder, error) from None


def deliver(job_id: str, parts: Sequence[Part], storage: Storage, folder: Path) -> None:
    """Write the parts and the manifest into ``folder``.

    Each file appears whole or not at all, and the manifest last, so a manifest always tells the truth. Parts of an
    earlier run that its manifest names and this one lacks are removed. May be repeated after an interruption.
    Raises OutputError if the folder can't be written, StorageError if stored bytes aren't those that were committed.
    """
    manifest = manifest_of(job_id, parts)
    stale = {Path(part["name"]).name for part in _manifest(folder)["output"]} - {part.name for part in parts}
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda part: _place(part, storage, folder / part.name), parts))
        crash.point("deliver.before_manifest")
        _replace(folder / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
        for name in stale:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None


def delivered_job(folder: Path) -> str | None:
    """Return the id of the job whose results are complete in ``folder``, None if there are none."""
    job_id: str | None = _manifest(folder)["job"]
    return job_id


def manifest_of(job_id: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Return what the manifest says: the job, and each part's name, query, format, records, bytes and sha256."""
    listed = [asdict(part) for part in parts]
    keep = ("name", "query", "format", "records", "bytes", "sha256")
    return {"job": job_id, "output": [{key: part[key] for key in keep} for part in listed]}


def _place(part: Part, storage: Storage, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    # What was delivered is deleted from storage: then the file is the object's only name.
    if storage.link(part.key, temporary):
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        digest = _copy(storage, part.key, temporary)
    if digest != part.sha256:
        temporary.unlink()
        raise StorageError(
            f"{part.name}: the stored bytes are not those that were committed (sha256 differs). "
            "The disk or the storage is damaged; run the job again.",
            key=part.key,
        )
    crash.point("deliver.before_rename")
    temporary.replace(path)
    crash.point("deliver.after_rename")


def _copy(storage: Storage, key: str, path: Path) -> str:
    """Write an object into a file, to stay there; return its sha256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for block in storage.stream(key):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _manifest(folder: Path) -> dict[str, Any]:
    """Read the folder's manifest; one without parts if there is none, or another program's file of that name."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {"job": manifest["job"], "output": [{"name": part["name"]} for part in manifest["output"]]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"job": None, "output": []}


def _cannot_write(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Results can't be written to {folder}: {error.strerror}. Free space or give another folder with --output; "
        "finished work is kept, --resume goes on from there.",
        folder=str(folder),
        errno=error.errno,
    )
