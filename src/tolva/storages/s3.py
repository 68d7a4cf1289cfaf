"""Named bytes in a bucket of any S3 server, below a prefix.

S3 shows an object whole or not at all, and it is durable when the call returns: there is nothing to sync or rename.
Large objects go up in pieces that are joined at the end; a writer that is killed leaves pieces that nobody sees, which
a lifecycle rule of the bucket removes. obstore repeats what a server that is away, or that sheds load, refused.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from tolva import crash
from tolva.errors import StorageError, UsageError
from tolva.storage import Buffer

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_PATIENCE_SECONDS = 60.0
_CLIENT: ClientConfig = {
    "allow_http": True,
    "connect_timeout": "5s",
    # Half of the patience, so that a request whose server vanished without a word is sent again.
    "read_timeout": "30s",
    # Whoever takes in a large object slowly takes as long as he likes.
    "timeout": "24h",
}
_WHOLE_BYTES = 8 * 2**20
"""An object up to this size, such as a chunk of an upload, goes up in one request; in pieces it would take four."""

_DELETED_AT_ONCE = 1000
"""As many keys as S3 takes in one request."""


class S3Storage:
    """Storage below ``url``, such as ``s3://bucket/tolva``.

    Credentials, region and, for servers other than Amazon's, the endpoint come from the environment variables that all
    S3 programs share (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL) or from the machine's
    role. ``patience_seconds``: how long a call waits for a server that is away.
    """

    def __init__(self, url: str, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._url = url.rstrip("/")
        if not self._url.startswith("s3://"):
            raise UsageError(f"TOLVA_BUCKET must look like s3://bucket/prefix, not {url}.")
        try:
            self._store = S3Store.from_url(
                self._url,
                client_options=_CLIENT,
                retry_config={
                    "max_retries": 100,
                    "backoff": {"max_backoff": timedelta(seconds=2)},
                    "retry_timeout": timedelta(seconds=patience_seconds),
                },
            )
        except BaseError as error:
            raise UsageError(f"TOLVA_BUCKET can't be used: {error}") from None

    def put(self, key: str, data: Iterable[Buffer]) -> int:
        """Store the concatenated buffers under ``key`` in one step; return their length in bytes."""
        return self._write(key, data, only_new=False)

    def put_new(self, key: str, data: Buffer) -> bool:
        """Store ``data`` if there is nothing under ``key``; return whether it was stored."""
        try:
            self._write(key, [data], only_new=True)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def get(self, key: str, ranges: Sequence[tuple[int, int]] | None = None) -> list[memoryview]:
        """Return the ranges asked for; those that are near each other are fetched together."""
        with self._errors(key):
            if ranges is None:
                return [memoryview(obstore.get(self._store, key).bytes())]
            # S3 has no range of zero bytes.
            wanted = [(offset, length) for offset, length in ranges if length]
            starts, lengths = [offset for offset, _ in wanted], [length for _, length in wanted]
            found = iter(obstore.get_ranges(self._store, key, starts=starts, lengths=lengths) if wanted else [])
            return [memoryview(next(found) if length else b"") for _, length in ranges]

    def stream(self, key: str, *, block_bytes: int = 8 * 2**20) -> Iterator[memoryview]:
        """Yield the object's bytes in order, in blocks of at most ``block_bytes``."""
        with self._errors(key):
            for piece in obstore.get(self._store, key).stream(min_chunk_size=block_bytes):
                view = memoryview(piece)
                for start in range(0, len(view), block_bytes):
                    yield view[start : start + block_bytes]

    def link(self, key: str, path: Path) -> bool:  # noqa: ARG002 - no bucket can
        """Leave it at that: every file made of an object of a bucket is a copy."""
        return False

    def size(self, key: str) -> int | None:
        """Return the object's length in bytes, or None when there is none."""
        with self._errors(key):
            try:
                return obstore.head(self._store, key)["size"]
            except FileNotFoundError:
                return None

    def path(self, key: str) -> None:
        """Return None: objects are no files here."""

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below the folder ``prefix``, in no order."""
        with self._errors(prefix):
            for page in obstore.list(self._store, prefix or None, chunk_size=_DELETED_AT_ONCE):
                yield from (found["path"] for found in page)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders right below the folder ``prefix``, in no order."""
        # Some servers, when asked for folders, go on naming those whose objects are all deleted.
        below = (key.removeprefix(f"{prefix}/").partition("/") for key in self.list(prefix))
        yield from {name for name, slash, _ in below if slash}

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these objects; those that are not there are no error."""
        crash.point("storage.delete.before")
        for some in _batches(keys):
            with self._errors(some[0]):
                obstore.delete(self._store, some)
            crash.point("storage.delete.after")

    def delete_below(self, prefix: str, *, keep: Collection[str] = ()) -> None:
        """Remove everything below the folder ``prefix`` but the keys in ``keep``."""
        self.delete(key for key in self.list(prefix) if key not in keep)

    def _write(self, key: str, data: Iterable[Buffer], *, only_new: bool) -> int:
        crash.point("storage.put.before")
        counted = _Counted(data)
        with self._errors(key):
            if only_new:
                # A condition holds for a whole request, so the object must go up in one.
                obstore.put(self._store, key, b"".join(counted), mode="create", use_multipart=False)
            else:
                self._put(key, iter(counted))
        crash.point("storage.put.after")
        return counted.bytes

    def _put(self, key: str, buffers: Iterator[memoryview]) -> None:
        start, more = _started(buffers)
        if more is None:
            obstore.put(self._store, key, start, use_multipart=False)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="s3-put") as other_thread:
            obstore.put(self._store, key, _taken_in(other_thread, chain([memoryview(start)], more)))

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except (OSError, BaseError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StorageError(
                f"{key}: {_reason(error, text)} The bucket is {self._url}.", key=key, cause=text
            ) from error


class _Counted:
    """Buffers on their way out: unsigned bytes, counted."""

    def __init__(self, data: Iterable[Buffer]) -> None:
        self._data = data
        self.bytes = 0

    def __iter__(self) -> Iterator[memoryview]:
        for buffer in self._data:
            view = memoryview(buffer).cast("B")
            self.bytes += len(view)
            yield view
        crash.point("storage.put.unfinished")


def _started(buffers: Iterator[memoryview]) -> tuple[bytes, Iterator[memoryview] | None]:
    """Return the first bytes, and the buffers that follow; None if that is all, and fits into one request."""
    start = bytearray()
    for buffer in buffers:
        if len(start) + len(buffer) > _WHOLE_BYTES:
            return bytes(start), chain([buffer], buffers)
        start += buffer
    return bytes(start), None


def _taken_in(thread: ThreadPoolExecutor, buffers: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yield the buffers, taken in that thread.

    The calling thread drives the upload and can't wait for another request meanwhile, such as the one that reads what
    is being stored: obstore would end the process.
    """
    while (buffer := thread.submit(next, buffers, None).result()) is not None:
        yield buffer


def _batches(keys: Iterable[str]) -> Iterator[builtins.list[str]]:
    left = iter(keys)
    while some := list(islice(left, _DELETED_AT_ONCE)):
        yield some


def _reason(error: Exception, text: str) -> str:
    if isinstance(error, FileNotFoundError):
        return "there are no such bytes; they were deleted, or belong to another bucket."
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "these credentials may not do that. Correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or their rights."
    return f"{text}. See that the S3 server runs and can be reached from here (tolva doctor)."
