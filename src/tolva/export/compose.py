"""The kernel of composing: whole runs become parts, as close to the cap as they allow, and never over it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tolva.errors import ExecutionError
from tolva.export.settings import ComposeSettings
from tolva.fit import best_fit
from tolva.model import Done, Part
from tolva.plan import Format
from tolva.rollup.names import Kind, part_name, series_of
from tolva.storage import Buffer, Storage
from tolva.work.kernel import Errand

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """A run of lines in a stored object."""

    name: str
    key: str
    offset: int
    room_bytes: int
    records: int

    def blocks(self, storage: Storage) -> Iterator[Buffer]:
        """Yield the run's bytes, never all at once."""
        end = self.offset + self.room_bytes
        for start in range(self.offset, end, _BLOCK_BYTES):
            yield from storage.get(self.key, [(start, min(_BLOCK_BYTES, end - start))])


def run(errand: Errand) -> Done:
    """See ``tolva.work.kernel.Kernel``."""
    settings = ComposeSettings(**errand.stage.settings)
    runs = _runs(errand)
    _check_failed_keys(runs, settings)
    parts: list[Part] = []
    while runs:
        # A task that was given runs for one part chooses all of them; parts before its own are as many as its ordinal.
        chosen = best_fit(runs, errand.plan.max_part_bytes)
        parts.append(_compose(errand, settings, errand.claim.ordinal + len(parts) + 1, chosen))
        taken = set(chosen)
        runs = [each for each in runs if each not in taken]
    claim = errand.claim
    return Done(claim.task_id, claim.attempt, None, tuple(parts), 0, sum(part.bytes for part in parts))


def _runs(errand: Errand) -> list[Run]:
    """Return the runs to compose. The names, which decide between runs of one size, are in the order of the keys."""
    return [
        Run(f"{place:09}/{segment.partition:09}", partial.key, segment.offset, segment.length, segment.records)
        for place, partial in enumerate(errand.claim.partials)
        for segment in partial.segments
    ]


def _check_failed_keys(runs: Sequence[Run], settings: ComposeSettings) -> None:
    failed = sum(each.records for each in runs)
    if settings.max_failed is not None and failed > settings.max_failed:
        raise ExecutionError(
            f"{failed:,} keys failed, more than max_failed_keys ({settings.max_failed:,}) allows.", failed=failed
        )


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
