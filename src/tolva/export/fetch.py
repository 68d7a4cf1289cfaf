"""The kernel of fetching: a chunk of keys becomes runs of records and of errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from queue import SimpleQueue

from tolva.export.fetcher import Fetcher, Lines, error_line
from tolva.export.pace import EvenPace, no_pace
from tolva.export.runs import RunWriter
from tolva.export.settings import ERRORS, RECORDS, FetchSettings
from tolva.model import Done
from tolva.rollup.sinks import GzipSink, PlainSink
from tolva.sources import Tools, settings_of
from tolva.storage import Storage
from tolva.work.kernel import Errand

_BATCHES_A_FETCHER = 2
"""Each fetcher has the next batch ready; what is fetched waits for storage no longer than that."""

_STACK_BYTES = 2**20

_NO_KEY = error_line(None, "no_key", "the key is empty", 0)


def run(errand: Errand) -> Done:
    """See ``tolva.work.kernel.Kernel``."""
    settings = FetchSettings.from_json(errand.stage.settings)
    found = _keys(errand, settings)
    keys = [key for key in found if key]
    # Any storage can be hashed, as objects can, though its protocol doesn't say so.
    fetcher = _fetcher(json.dumps(replace(settings, keys=None).to_json()), errand.storage)  # type: ignore[arg-type]
    errors = [_NO_KEY] * (len(found) - len(keys))
    with _small_stacks(), ThreadPoolExecutor(settings.fetchers, thread_name_prefix="fetcher") as pool:
        records = _records(_fetch_all(fetcher, keys, settings, pool), errors)
        # Errors come second: by then all of them are known.
        outputs: list[tuple[str, Iterable[bytes]]] = [(RECORDS, records), (ERRORS, errors)]
        writer = RunWriter(errand.plan.max_part_bytes, GzipSink if settings.gzip else PlainSink)
        partial = writer.store(errand.storage, f"{errand.prefix}/partial", outputs)
    claim = errand.claim
    size = claim.chunk.length if claim.chunk else 0
    return Done(claim.task_id, claim.attempt, partial, records_read=len(found), bytes_read=size)


def _keys(errand: Errand, settings: FetchSettings) -> Sequence[str | None]:
    """Return the task's keys: those of the settings, those that a query chose, or those in a chunk of a table."""
    if settings.keys is not None:
        return settings.keys
    tables = [rows for given in errand.stage.inputs for rows in errand.read(given)] or [errand.rows()]
    return [key for rows in tables for key in rows.column(0).to_pylist()]


@contextmanager
def _small_stacks() -> Iterator[None]:
    """Give the threads that begin inside the block small stacks: all of a stack counts as memory of this process."""
    usual = threading.stack_size(_STACK_BYTES)
    try:
        yield
    finally:
        threading.stack_size(usual)


@lru_cache(maxsize=16)
def _fetcher(settings: str, storage: Storage) -> Fetcher:
    """Return the fetcher of a job: its connections, its pace and its source last from task to task."""
    given = FetchSettings.from_json(json.loads(settings))
    limit = given.max_requests_per_second
    tools = Tools(no_pace if limit is None else EvenPace(limit), given.table, storage)
    return Fetcher(settings_of(given.source).open(tools), given.max_attempts)


def _fetch_all(
    fetcher: Fetcher, keys: Sequence[str], settings: FetchSettings, pool: ThreadPoolExecutor
) -> Iterator[Lines]:
    """Yield what each batch came to, as it comes, with few of them under way."""
    batches = (keys[start : start + settings.batch_size] for start in range(0, len(keys), settings.batch_size))
    done: SimpleQueue[Future[Lines]] = SimpleQueue()

    def submit(some: Iterable[Sequence[str]]) -> int:
        futures = [pool.submit(fetcher.fetch, batch) for batch in some]
        for future in futures:
            future.add_done_callback(done.put)
        return len(futures)

    pending = submit(islice(batches, settings.fetchers * _BATCHES_A_FETCHER))
    while pending:
        ended = done.get()
        pending += submit(islice(batches, 1)) - 1
        yield ended.result()


def _records(batches: Iterable[Lines], errors: list[bytes]) -> Iterator[bytes]:
    """Yield the lines of records; those of errors are added to the list."""
    for batch in batches:
        errors += batch.errors
        yield from batch.records
