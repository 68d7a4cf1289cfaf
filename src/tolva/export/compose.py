"""The kernels of composing: whole runs become parts; and are not too many keys among the errors?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tolva.errors import ExecutionError
from tolva.export.settings import CheckSettings, ComposeSettings
from tolva.model import Done, Part
from tolva.plan import Format
from tolva.rollup.names import Kind, part_name, series_of
from tolva.storage import Buffer, Storage
from tolva.work.kernel import Errand

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """A run of lines in a stored object."""

    key: str
    offset: int
    length: int
    records: int

    def blocks(self, storage: Storage) -> Iterator[Buffer]:
        """Yield the run's bytes, never all at once."""
        end = self.offset + self.length
        for start in range(self.offset, end, _BLOCK_BYTES):
            yield from storage.get(self.key, [(start, min(_BLOCK_BYTES, end - start))])


def run(errand: Errand) -> Done:
    """Make one part of the task's runs, which fit into it together. See ``tolva.work.kernel.Kernel``."""
    claim = errand.claim
    part = _compose(errand, ComposeSettings(**errand.stage.settings), claim.ordinal + 1, _runs(errand))
    return Done(claim.task_id, claim.attempt, None, (part,), 0, part.bytes)


def check(errand: Errand) -> Done:
    """See that no more keys failed than may. See ``tolva.work.kernel.Kernel``.

    Raises:
        ExecutionError: more did, so the job fails.
    """
    settings = CheckSettings(**errand.stage.settings)
    claim = errand.claim
    failed = sum(segment.records for partial in claim.partials for segment in partial.segments)
    if failed > settings.max_failed:
        raise ExecutionError(
            f"{failed:,} keys failed, more than max_failed_keys ({settings.max_failed:,}) allows.", failed=failed
        )
    return Done(claim.task_id, claim.attempt)


def _runs(errand: Errand) -> list[Run]:
    """Return the runs to compose, in the order of the keys."""
    return [
        Run(partial.key, segment.offset, segment.length, segment.records)
        for partial in errand.claim.partials
        for segment in partial.segments
    ]


def _compose(errand: Errand, settings: ComposeSettings, ordinal: int, runs: Sequence[Run]) -> Part:
    kind = Kind(errors=settings.errors, gzip=settings.gzip)
    name = part_name(settings.prefix, ordinal, kind)
    key = f"{errand.prefix}/{name}"
    digest = hashlib.sha256()

    def buffers() -> Iterator[Buffer]:
        for each in runs:
            for block in each.blocks(errand.storage):
                digest.update(block)
                yield block

    size = errand.storage.put(key, buffers())
    return Part(
        query=series_of(settings.prefix, kind),
        ordinal=ordinal,
        name=name,
        format=Format.NDJSON,
        key=key,
        records=sum(each.records for each in runs),
        bytes=size,
        sha256=digest.hexdigest(),
    )
