"""Turn the errors of local files, as Python or obstore raise them, into StorageError with what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obstore.exceptions import AlreadyExistsError, BaseError

from tolva.errors import StorageError

_OS_ERROR = re.compile(r"os error (\d+)")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def storage_errors(key: str, root: Path) -> Iterator[None]:
    """Raise StorageError for any failure of the file system inside the block. AlreadyExistsError passes."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except (OSError, BaseError) as error:
        number = _errno(error)
        raise StorageError(
            f"{key}: {_reason(number, error)} The storage folder is {root}.",
            key=key,
            folder=str(root),
            errno=number,
            error=errno.errorcode.get(number or 0),
        ) from error


def _errno(error: Exception) -> int | None:
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = _OS_ERROR.search(str(error))  # obstore keeps the number in its text only
    return int(found[1]) if found else None


def _reason(number: int | None, error: Exception) -> str:
    if number in _FULL:
        return "the disk is full. Free space or choose a folder on another disk, then try again; finished work is kept."
    if number == errno.EFBIG:
        return "the file would be larger than the system allows. Raise the limit (ulimit -f), then try again."
    if number in _REFUSED:
        return "this user may not read or write there. Correct the folder's owner, rights or mount, then try again."
    if number == errno.ENOENT:
        return "there are no such bytes; they were deleted, or belong to another storage folder."
    if number in (errno.EMFILE, errno.ENFILE):
        return "too many files are open. Raise the limit (ulimit -n), then try again."
    return f"{str(error).splitlines()[0]}. Check the disk, then try again."
