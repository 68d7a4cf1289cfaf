"""Local input files: found by pattern, told apart from changed ones."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from glob import glob, has_magic
from io import FileIO
from pathlib import Path

from tolva.errors import InputError
from tolva.model import File, NewFile


def fingerprint(stat: os.stat_result) -> str:
    """Return what changes when a file's bytes may have changed."""
    return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}"


@contextmanager
def opened(file: File) -> Iterator[FileIO]:
    """Open a file for reading; InputError if it can't be, or isn't the same before and after as when it was found."""
    try:
        with FileIO(file.location) as source:
            _refuse_changed(file, os.fstat(source.fileno()))
            yield source
            _refuse_changed(file, os.fstat(source.fileno()))
    except OSError as error:
        raise InputError(f"{file.name} can't be read any more: {error.strerror}", file=file.name) from None


def mapped(source: FileIO, offset: int, length: int) -> memoryview:
    """Return a range of an open file as memory, without a copy; it is given back when nobody refers to it.

    A file that is cut short while it is looked at ends the process. Then the next attempt finds that it has changed.
    """
    before = offset % mmap.ALLOCATIONGRANULARITY
    pages = mmap.mmap(source.fileno(), before + length, access=mmap.ACCESS_READ, offset=offset - before)
    pages.madvise(mmap.MADV_SEQUENTIAL)
    return memoryview(pages)[before:]


def _refuse_changed(file: File, stat: os.stat_result) -> None:
    if fingerprint(stat) != file.fingerprint:
        raise InputError(f"{file.name} has changed since the job was submitted; submit it again", file=file.name)


def similar_file(path: Path) -> str:
    """Return a sentence (with a space before it) that names what there is instead of ``path``; may be empty."""
    folder = path.parent
    if not folder.is_dir():
        return f" There is no folder {folder} either."
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return ""
    near = get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f" Nearby: {', '.join(near)}." if near else ""


def find_files(patterns: list[str], base: Path) -> list[tuple[str, Path]]:
    """Return name and path of every file that a pattern stands for, sorted by name, each once.

    Patterns are relative to ``base`` and know ``*``, ``?``, ``[...]`` and ``**``; a name is relative to ``base`` too,
    or absolute if its pattern is. InputError when a pattern stands for nothing.
    """
    found: dict[str, Path] = {}
    for pattern in patterns:
        if (base / pattern).is_file() or not has_magic(pattern):
            names = [pattern]
        else:
            names = [n for n in glob(pattern, root_dir=base, recursive=True) if (base / n).is_file()]  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not names:
            raise InputError(
                f"no file matches {pattern} in {base}.{similar_file(base / pattern)}", pattern=pattern, folder=str(base)
            )
        found.update((name, base / name) for name in names)
    return sorted(found.items())


def unstored(new: NewFile) -> File:
    """Return the record of a file that no catalog knows, for who reads it on the spot."""
    return File(
        id=0,
        job_id="",
        table=new.table,
        name=new.name,
        location=new.location,
        bytes=new.bytes,
        fingerprint=new.fingerprint,
        layout=new.layout,
        cut_bytes=new.first_byte,
        ended=False,
    )
